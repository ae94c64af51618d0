"""What a call costs: Anthropic's prices from ``prices.json``, the one file that holds them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

import msgspec

from app.gateway.usage import TokenUsage
from bot.model.runs import Usage

_PER: Final = 1_000_000
_SNAPSHOT: Final = re.compile(r"-20\d{6}\Z")
_CONTEXT_SUFFIX: Final = re.compile(r"\[1m\]\Z")


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of the kinds of tokens, in US dollars per million."""

    input: float
    output: float
    cache_write_5m: float
    cache_write_1h: float
    cache_read: float

    def cost(self, usage: TokenUsage) -> float:
        """The price of what was used, in US dollars."""
        return (
            usage.input * self.input
            + usage.output * self.output
            + usage.cache_write_5m * self.cache_write_5m
            + usage.cache_write_1h * self.cache_write_1h
            + usage.cache_read * self.cache_read
        ) / _PER


class LongPrompt(Rates, frozen=True, kw_only=True):
    """Prices of a call whose prompt is longer than ``over`` tokens."""

    over: int


class ModelPrice(Rates, frozen=True, kw_only=True):
    """One model's prices and where they were read. ``assumed`` marks what Anthropic does not publish."""

    model: str
    context_window: int
    source: str
    date: str
    long_prompt: LongPrompt | None = None
    assumed: bool = False

    def rates(self, prompt_tokens: int) -> Rates:
        """The prices for a prompt of that length."""
        if self.long_prompt is not None and prompt_tokens > self.long_prompt.over:
            return self.long_prompt
        return self


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unit: str
    page: str
    notes: tuple[str, ...]
    us_inference: float
    models: tuple[ModelPrice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Prices by model. ``dearest`` holds the highest price of every kind and stands for unlisted models."""

    models: Mapping[str, ModelPrice]
    dearest: ModelPrice
    us_inference: float

    def find(self, model: str) -> ModelPrice:
        """The prices of a model, of the model that a dated snapshot is of, or else the dearest."""
        name = _CONTEXT_SUFFIX.sub("", model)
        return self.models.get(name) or self.models.get(_SNAPSHOT.sub("", name)) or self.dearest

    def price(self, model: str, usage: TokenUsage) -> float:
        """What a metered call costs, in US dollars."""
        factor = self.us_inference if usage.in_us else 1.0
        return self.find(model).rates(usage.prompt).cost(usage) * factor

    def price_of(self, model: str, usage: Usage) -> float:
        """What calls with the cache's usual time of five minutes cost together, in US dollars."""
        return self.price(
            model,
            TokenUsage(
                input=usage.input_tokens,
                output=usage.output_tokens,
                cache_write_5m=usage.cache_write_tokens,
                cache_read=usage.cache_read_tokens,
            ),
        )

    def input_bound(self, model: str, tokens: int) -> float:
        """The most that a prompt of at most ``tokens`` can cost, in US dollars.

        It is taken to be written to the cache for an hour, the dearest that can happen to input, in the US.
        """
        price = self.find(model)
        rates = price.rates(tokens)
        dearest = max(rates.input, rates.cache_write_5m, rates.cache_write_1h, rates.cache_read)
        return tokens * dearest / _PER * self.us_inference

    def output_rate(self, model: str, prompt_tokens: int) -> float:
        """The most that one token of output can cost after a prompt of at most that length, in US dollars."""
        return self.find(model).rates(prompt_tokens).output / _PER * self.us_inference


def load_prices() -> PriceTable:
    """The price table that FlowForge comes with."""
    return parse_prices(resources.files("app.gateway").joinpath("prices.json").read_bytes())


def parse_prices(content: bytes) -> PriceTable:
    """Read a price table. Raises ``msgspec.ValidationError`` when it is not one."""
    file = msgspec.json.decode(content, type=_File)
    every: list[Rates] = [*file.models, *(model.long_prompt for model in file.models if model.long_prompt)]
    dearest = ModelPrice(
        model="any other model",
        input=max(rates.input for rates in every),
        output=max(rates.output for rates in every),
        cache_write_5m=max(rates.cache_write_5m for rates in every),
        cache_write_1h=max(rates.cache_write_1h for rates in every),
        cache_read=max(rates.cache_read for rates in every),
        context_window=max(model.context_window for model in file.models),
        source="the highest prices of the table",
        date=max(model.date for model in file.models),
        assumed=True,
    )
    return PriceTable(
        models={model.model: model for model in file.models}, dearest=dearest, us_inference=file.us_inference
    )
