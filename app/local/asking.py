"""Put the hunks that no rule settled to the model, in as few direct calls as the budget and its limits allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bot.errors import ModelError
from bot.handlers.progress import settle
from bot.model.cases import FileProgress
from bot.model.direct import DirectLimits, DirectQuestion, DirectReply, MergeContext, ModelAccess, NotAsked
from bot.model.runs import NO_USAGE, Usage
from bot.ports.direct import DirectModel

MAX_CALLS: Final = 20
"""Direct calls for one merge: what needs more needs a person."""

_MAX_HUNKS: Final = 8
_MAX_INPUT_TOKENS: Final = 60_000
_MAX_OUTPUT_TOKENS: Final = 16_000
_TIMEOUT_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPart:
    """A model that may be asked, and for how much altogether. Money in US dollars."""

    direct: DirectModel
    access: ModelAccess
    model: str
    budget_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How far the files are now; ``reasons`` say, by path and hunk, why one is still open. Untrusted text."""

    files: Mapping[str, FileProgress]
    reasons: Mapping[tuple[str, int], str]
    usage: Usage
    notes: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Conversation:
    """The calls made so far."""

    files: dict[str, FileProgress]
    reasons: dict[tuple[str, int], str] = field(default_factory=dict)
    usage: Usage = NO_USAGE
    notes: list[str] = field(default_factory=list)


async def ask_model(part: ModelPart, files: Mapping[str, FileProgress], context: MergeContext) -> Asked:
    """Ask about all files with open hunks at once, then, where that is too much, about each by itself.

    A model that fails costs what it cost: what was settled stays, the rest is open.
    """
    talk = _Conversation(files=dict(files))
    waiting = [tuple(path for path, file in files.items() if file.open)]
    while waiting and talk.usage.model_calls < MAX_CALLS:
        group = waiting.pop(0)
        if not group:
            continue
        try:
            reply = await part.direct.ask(_question(part, talk, group, context), part.access)
        except ModelError as error:
            talk.notes.append(f"The model could not be asked: {error}")
            break
        waiting += _heard(talk, group, reply)
    return Asked(files=talk.files, reasons=talk.reasons, usage=talk.usage, notes=tuple(talk.notes))


def _question(part: ModelPart, talk: _Conversation, group: Sequence[str], context: MergeContext) -> DirectQuestion:
    return DirectQuestion(
        model=part.model,
        files=tuple(talk.files[path] for path in group),
        context=context,
        limits=DirectLimits(
            max_hunks=_MAX_HUNKS,
            max_input_tokens=_MAX_INPUT_TOKENS,
            max_output_tokens=_MAX_OUTPUT_TOKENS,
            budget_usd=max(0.0, part.budget_usd - talk.usage.cost_usd),
            timeout_seconds=_TIMEOUT_SECONDS,
        ),
    )


def _heard(talk: _Conversation, group: tuple[str, ...], reply: DirectReply | NotAsked) -> list[tuple[str, ...]]:
    """Take the answers in; what is to be asked next."""
    if isinstance(reply, NotAsked):
        if len(group) > 1:
            return [(path,) for path in group]
        path = group[0]
        talk.reasons.update({(path, index): reply.reason for index in talk.files[path].open})
        return []
    talk.usage = added(talk.usage, reply.usage)
    before = {path: talk.files[path].open for path in group}
    for path in group:
        answers = {answer.index: answer for at, answer in reply.answers if at == path}
        talk.files[path] = settle(talk.files[path], answers)
    undecided = {(item.path, item.index): item.reason for item in reply.undecided}
    talk.reasons.update(undecided)
    # A file with a hunk that the model cannot tell goes to a person anyway: no more is spent on it.
    doubtful = {path for path, _ in undecided}
    left = tuple(path for path in group if talk.files[path].open and path not in doubtful)
    further = any(talk.files[path].open != before[path] for path in group)
    return [left] if left and further else []


def added(one: Usage, other: Usage) -> Usage:
    """What two calls used together."""
    return replace(
        one,
        model_calls=one.model_calls + other.model_calls,
        request_bytes=(*one.request_bytes, *other.request_bytes),
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cost_usd=one.cost_usd + other.cost_usd,
    )
