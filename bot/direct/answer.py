"""From an answer of the Messages API to a reply. Everything in it is taken for the work of an attacker.

What is not a message of the API, or one without an answer, is a ``ModelError``. What is wrong with one hunk's answer
makes that hunk undecided and leaves the others alone.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.direct.asking import AskedFile, AskedHunk
from bot.errors import ModelError
from bot.model.characters import shown
from bot.model.direct import Undecided
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.model.runs import RunOutcome, Usage

RESOLVER: Final = "direct"

MAX_REASON: Final = 600
"""Characters."""

_MAX_SPARE: Final = 4_096
_MAX_TOKENS: Final = 10**9
_MARKER: Final = re.compile(r"[^\S\n]*([<|=>])\1{6,}(?:\s|$)")
_FORBIDDEN: Final = re.compile("[\0\r]")

_STOPS: Final = {
    "refusal": (RunOutcome.AGENT_REFUSED, "the model declined to answer"),
    "max_tokens": (RunOutcome.MAX_OUTPUT, "the answer was longer than was asked for"),
    "model_context_window_exceeded": (RunOutcome.CONTEXT_TOO_LONG, "the model's context window was full"),
}
"""Source: https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons"""

_DONE: Final = ("end_turn", "stop_sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAnswer:
    """What a message says about the hunks asked."""

    answers: tuple[tuple[str, HunkAnswer], ...]
    undecided: tuple[Undecided, ...]


class _UnusableError(Exception):
    """What is wrong with the answer to one hunk, in words for people."""


def read_message(content: bytes) -> Mapping[str, Any]:
    """Decode a message of the API.

    Raises:
        ModelError: it is something else.
    """
    message = _json(content)
    if (
        not isinstance(message, dict)
        or message.get("type") != "message"
        or not isinstance(message.get("content"), list)
    ):
        raise ModelError("the model API answered with something else", outcome=RunOutcome.MODEL_UNREACHABLE)
    return message


def read_usage(message: Mapping[str, Any], *, request_bytes: int) -> Usage:
    """The tokens that a message says were used; the price is not known here."""
    usage = message.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Usage(
        model_calls=1,
        request_bytes=(request_bytes,),
        input_tokens=_count(usage.get("input_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        cache_write_tokens=_count(usage.get("cache_creation_input_tokens")),
        cache_read_tokens=_count(usage.get("cache_read_input_tokens")),
    )


def read_count(content: bytes) -> int | None:
    """The number in an answer of ``count_tokens``, None when there is none to believe."""
    value = _json(content)
    return _count(value.get("input_tokens")) or None if isinstance(value, dict) else None


def read_answer(message: Mapping[str, Any], files: Sequence[AskedFile]) -> ReadAnswer:
    """What the message says about each hunk of ``files``; what it says about others is dropped.

    Raises:
        ModelError: the model refused, was cut off, or did not answer in the shape that was asked for.
    """
    stop = message.get("stop_reason")
    if isinstance(stop, str) and stop in _STOPS:
        outcome, words = _STOPS[stop]
        raise ModelError(words, outcome=outcome)
    if stop not in _DONE:
        raise _invalid("the answer ended in an unknown way")
    value = _json(_text(message["content"]).encode(errors="replace"))
    entries = value.get("answers") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise _invalid("the answer is not in the shape that was asked for")
    return _read_entries(entries, files)


def _read_entries(entries: Sequence[Any], files: Sequence[AskedFile]) -> ReadAnswer:
    asked = {(number, hunk.index): hunk for number, file in enumerate(files, start=1) for hunk in file.hunks}
    named = [(key, entry) for entry in entries if isinstance(entry, dict) and (key := _key(entry)) in asked]
    times = Counter(key for key, _ in named)
    answers: list[tuple[str, HunkAnswer]] = []
    undecided: dict[tuple[int, int], Undecided] = {}
    for key, entry in named:
        path = files[key[0] - 1].path
        try:
            if times[key] > 1:
                raise _UnusableError("it was answered more than once")  # noqa: TRY301 - one place says what became of it
            answer = _answer(entry, asked[key])
        except _UnusableError as error:
            words = f"The model's answer cannot be used: {error}."
            undecided[key] = Undecided(path=path, index=key[1], reason=words)
            continue
        if answer is None:
            undecided[key] = Undecided(path=path, index=key[1], reason=_reason(entry) or "The model gave no reason.")
        else:
            answers.append((path, answer))
    return ReadAnswer(answers=tuple(answers), undecided=tuple(undecided.values()))


def _key(entry: Mapping[str, Any]) -> tuple[int, int]:
    """The numbers of file and hunk; such as nothing has where they are no numbers."""
    file, hunk = entry.get("file"), entry.get("hunk")
    return (file, hunk) if type(file) is int and type(hunk) is int else (0, -1)


def _answer(entry: Mapping[str, Any], hunk: AskedHunk) -> HunkAnswer | None:
    """The answer to a hunk, None when the model could not decide."""
    match entry.get("decision"):
        case "undecided":
            return None
        case "resolved":
            pass
        case _:
            raise _UnusableError("it is neither resolved nor undecided")
    confidence, content, reason = entry.get("confidence"), entry.get("content"), _reason(entry)
    if not isinstance(confidence, str) or confidence not in {item.value for item in Confidence}:
        raise _UnusableError("it does not say how sure it is")
    if not reason:
        raise _UnusableError("it gives no reason")
    if not isinstance(content, str):
        raise _UnusableError("it has no content")
    return HunkAnswer(
        index=hunk.index,
        content=_content(content, hunk),
        resolver=RESOLVER,
        tier=Tier.DIRECT,
        reason=reason,
        confidence=Confidence(confidence),
    )


def _content(content: str, hunk: AskedHunk) -> bytes:
    """The lines as the file writes them.

    Raises:
        _UnusableError: they cannot stand there.
    """
    if len(content) > 2 * sum(map(len, hunk.sides)) + _MAX_SPARE:
        raise _UnusableError("it is far longer than the hunk")
    text = content.replace("\r\n", "\n")
    if _FORBIDDEN.search(text):
        raise _UnusableError("it holds control characters")
    if text and not text.endswith("\n"):
        text += "\n"
    known = {line.rstrip() for side in hunk.sides for line in side.split("\n")}
    if any(_MARKER.match(line) and line.rstrip() not in known for line in text.split("\n")):
        raise _UnusableError("it holds conflict markers")
    if hunk.final_newline is False and not text.endswith("\n\n"):
        # An empty line at the end is the answer's own: without its newline there would still be one.
        text = text.removesuffix("\n")
    try:
        return text.replace("\n", hunk.line_end).encode()
    except UnicodeEncodeError:
        raise _UnusableError("it is not valid Unicode") from None


def _reason(entry: Mapping[str, Any]) -> str:
    """The model's words in one line, with hidden characters written out; empty where it gives none."""
    reason = entry.get("reason")
    if not isinstance(reason, str):
        return ""
    line = shown(" ".join(reason[: 4 * MAX_REASON].split()))
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def _text(blocks: Sequence[Any]) -> str:
    """The words of a message; thoughts are not among them."""
    texts = (block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def _json(content: bytes) -> Any:
    """The JSON value, None for what is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _count(value: Any) -> int:
    return min(value, _MAX_TOKENS) if type(value) is int and value > 0 else 0


def _invalid(words: str) -> ModelError:
    return ModelError(words, outcome=RunOutcome.INVALID_OUTPUT)
