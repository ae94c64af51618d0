"""The price table and the sums made with it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.prices import LongPrompt, load_prices, parse_prices
from app.gateway.usage import TokenUsage
from bot.model.runs import Usage

PRICES = load_prices()
MILLION = 1_000_000
counts = st.integers(min_value=0, max_value=400_000)


def _usage(kind: str) -> TokenUsage:
    counts: dict[str, Any] = {kind: MILLION}
    return TokenUsage(**counts)


@pytest.mark.parametrize(
    ("model", "input_", "output", "write_5m", "write_1h", "read"),
    [
        ("claude-opus-5-5", 4, 20, 5, 8, 0.2),
        ("claude-sonnet-5-5", 2, 10, 2.5, 4, 0.1),
        ("claude-opus-4-6", 5, 25, 6.25, 10, 0.5),
        ("claude-haiku-4-5", 1, 5, 1.25, 2, 0.1),
        ("claude-haiku-4-5-20251001", 1, 5, 1.25, 2, 0.1),
        ("claude-opus-5-5[1m]", 4, 20, 5, 8, 0.2),
    ],
)
def test_published_prices(  # noqa: PLR0917 - one argument a column
    model: str, input_: float, output: float, write_5m: float, write_1h: float, read: float
) -> None:
    kinds = {
        "input": input_,
        "output": output,
        "cache_write_5m": write_5m,
        "cache_write_1h": write_1h,
        "cache_read": read,
    }
    for kind, expected in kinds.items():
        assert PRICES.price(model, _usage(kind)) == pytest.approx(expected)


def test_every_entry_says_where_and_when_it_was_read() -> None:
    assert PRICES.models
    for price in PRICES.models.values():
        assert price.source
        assert len(price.date) == len("2026-11-23")


def test_a_long_prompt_makes_the_whole_call_dearer() -> None:
    short = TokenUsage(input=60_000, cache_read=40_000, output=1000)
    long = replace(short, cache_read=40_001)
    assert PRICES.price("claude-haiku-5-5", short) == pytest.approx(
        (60_000 * 0.1 + 40_000 * 0.01 + 1000 * 0.5) / MILLION
    )
    assert PRICES.price("claude-haiku-5-5", long) == pytest.approx(
        (60_000 * 0.5 + 40_001 * 0.05 + 1000 * 2.5) / MILLION
    )


def test_a_model_nobody_knows_costs_the_most_there_is() -> None:
    for kind in ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"):
        unknown = PRICES.price("claude-nobody-knows", _usage(kind))
        assert unknown == pytest.approx(max(PRICES.price(model, _usage(kind)) for model in PRICES.models))


def test_inference_kept_in_the_us_costs_more() -> None:
    usage = TokenUsage(input=1000, output=1000)
    assert PRICES.price("claude-opus-5-5", replace(usage, in_us=True)) == pytest.approx(
        1.1 * PRICES.price("claude-opus-5-5", usage)
    )


@given(
    model=st.sampled_from([*PRICES.models, "another"]),
    parts=st.tuples(counts, counts, counts, counts),
    output=counts,
    slack=counts,
    in_us=st.booleans(),
)
def test_the_bound_is_never_below_the_price(
    model: str, parts: tuple[int, int, int, int], output: int, slack: int, *, in_us: bool
) -> None:
    input_, write_5m, write_1h, read = parts
    usage = TokenUsage(
        input=input_,
        output=output,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        cache_read=read,
        in_us=in_us,
    )
    tokens = usage.prompt + slack
    bound = PRICES.input_bound(model, tokens) + output * PRICES.output_rate(model, tokens)
    assert PRICES.price(model, usage) <= bound * (1 + 1e-9)


def test_a_table_with_a_slip_is_refused() -> None:
    with pytest.raises(Exception, match="unknown field"):
        parse_prices(b'{"unit": "", "page": "", "notes": [], "us_inference": 1, "models": [], "modells": []}')


def test_long_prompts_are_never_cheaper() -> None:
    for price in PRICES.models.values():
        if isinstance(price.long_prompt, LongPrompt):
            assert price.long_prompt.input > price.input
            assert price.long_prompt.output > price.output


def test_a_direct_call_costs_what_its_tokens_cost() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=200, cache_write_tokens=30, cache_read_tokens=4)
    expected = (1_000 * 2 + 200 * 10 + 30 * 2.5 + 4 * 0.1) / MILLION
    assert PRICES.price_of("claude-sonnet-5-5", usage) == pytest.approx(expected)
