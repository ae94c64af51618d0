"""How many tokens a prompt can have at most, told from its bytes.

A token of text stands for one byte at least, so a prompt never has more tokens than bytes. That bound is three or four
times too high for ordinary text, which would leave much of a budget unused. But a conversation grows at its end: once
the API has counted the tokens of a prompt, the next one that begins with the same parts has that many, plus at most one
a byte for what is new. So the bound is loose for a run's first call, which is small, and tight for all others.

Pictures are counted by their number (https://platform.claude.com/docs/en/build-with-claude/vision : under 5,000 tokens
each), and a PDF, whose pages cannot be told from its bytes, fills the model's whole context window.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.gateway.bodies import CallBody

_TOKENS_PER_IMAGE: Final = 5_000
# What the API adds of its own: the instructions on tools, and the frame of each message.
_TOKENS_OF_FRAME: Final = 1_000
_TOKENS_PER_PART: Final = 16
_CACHE_CONTROL: Final = frozenset({"type", "ttl"})
_LONGEST_MARK: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt's parts: the digest of all parts up to each, and the most tokens of each."""

    digests: tuple[bytes, ...]
    sizes: tuple[int, ...]
    unbounded: bool


@dataclass(slots=True)
class CountedPrompt:
    """The last prompt of a run whose tokens the API counted."""

    digest: bytes = b""
    parts: int = 0
    tokens: int = 0

    def bound(self, prompt: Prompt, *, context_window: int) -> int:
        """The most tokens that ``prompt`` can have."""
        if prompt.unbounded:
            return context_window
        if 0 < self.parts <= len(prompt.digests) and prompt.digests[self.parts - 1] == self.digest:
            return min(context_window, self.tokens + _TOKENS_OF_FRAME + sum(prompt.sizes[self.parts :]))
        return min(context_window, _TOKENS_OF_FRAME + sum(prompt.sizes))

    def remember(self, prompt: Prompt, tokens: int) -> None:
        """The API has counted ``tokens`` for ``prompt``."""
        self.digest, self.parts, self.tokens = prompt.digests[-1], len(prompt.digests), tokens


def prompt_of(body: CallBody) -> Prompt:
    """Take a body apart: first all that stands before the conversation, then one part a message."""
    chain = hashlib.sha256()
    digests: list[bytes] = []
    sizes: list[int] = []
    tally = _Tally()
    for part in (_before(body.value, tally), *(_message(message, tally) for message in body.value["messages"])):
        encoded = msgspec.json.encode(part)
        chain.update(len(encoded).to_bytes(8, "big") + encoded)
        digests.append(chain.digest())
        sizes.append(len(encoded) + tally.take_images() * _TOKENS_PER_IMAGE + _TOKENS_PER_PART)
    return Prompt(digests=tuple(digests), sizes=tuple(sizes), unbounded=tally.pdf)


@dataclass(slots=True)
class _Tally:
    images: int = 0
    pdf: bool = False

    def take_images(self) -> int:
        images, self.images = self.images, 0
        return images


def _before(value: Mapping[str, Any], tally: _Tally) -> dict[str, Any]:
    part = {key: item for key, item in value.items() if key not in {"messages", "max_tokens", "stream"}}
    part["system"] = _content(part.get("system"), tally)
    part["tools"] = _content(part.get("tools"), tally)
    return _unmarked(part)


def _message(message: Mapping[str, Any], tally: _Tally) -> dict[str, Any]:
    return {**message, "content": _content(message.get("content"), tally)}


def _content(content: Any, tally: _Tally) -> Any:
    if not isinstance(content, list):
        return content
    return [_block(item, tally) if isinstance(item, dict) else item for item in content]


def _block(block: Mapping[str, Any], tally: _Tally) -> dict[str, Any]:
    """A content block without its cache mark, which moves from call to call, and with a digest for a picture.

    What a model is shown as text, such as the input of a tool call, is left alone whatever it looks like.
    """
    part = _unmarked(block)
    if "content" in part:
        part["content"] = _content(part["content"], tally)
    source = part.get("source")
    if block.get("type") in {"image", "document"} and isinstance(source, dict):
        if source.get("type") == "base64":
            part["source"] = _medium(block, source, tally)
        elif "content" in source:
            part["source"] = {**source, "content": _content(source["content"], tally)}
    return part


def _medium(block: Mapping[str, Any], source: Mapping[str, Any], tally: _Tally) -> dict[str, Any]:
    if block.get("type") == "image":
        tally.images += 1
    else:
        tally.pdf = True
    data = str(source.get("data", "")).encode("utf-8", "surrogatepass")
    return {**source, "data": hashlib.sha256(data).hexdigest()}


def _unmarked(value: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` without its cache mark, if that is a mark and nothing else: a text in its place is counted as text."""
    mark = value.get("cache_control")
    if isinstance(mark, dict) and set(mark) <= _CACHE_CONTROL and len(repr(mark)) < _LONGEST_MARK:
        return {key: item for key, item in value.items() if key != "cache_control"}
    return dict(value)
