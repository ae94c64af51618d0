"""Direct calls: small conflicts put to the model in one request, without a sandbox."""

from dataclasses import dataclass
from typing import Final

from bot.model.cases import FileProgress
from bot.model.resolutions import HunkAnswer
from bot.model.runs import Usage

REFUSED_HEADER: Final = "x-flowforge-refused"
"""The header in which the gateway says, in a stable word such as ``budget``, why it did not forward a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeContext:
    """What a careful person would like to know about the two sides. Every text in it is untrusted."""

    title: str
    body: str
    head: str
    base: str
    ours_subjects: tuple[str, ...]
    theirs_subjects: tuple[str, ...]
    instructions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectLimits:
    """How large a question may be. Money in US dollars.

    ``max_hunks`` counts the open hunks of all files together; ``max_input_tokens`` is counted before the call.
    """

    max_hunks: int
    max_input_tokens: int
    max_output_tokens: int
    budget_usd: float
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectQuestion:
    """The open hunks of some files; their settled hunks are context."""

    model: str
    files: tuple[FileProgress, ...]
    context: MergeContext
    limits: DirectLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccess:
    """Where the Messages API is and the key for it: the gateway and a run's token, or the API and one's own key."""

    base_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"ModelAccess(base_url={self.base_url!r}, api_key=<hidden>)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """The model says that it cannot tell, and why. Untrusted text."""

    path: str
    index: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectReply:
    """What came back. ``answers`` has (path, answer); a hunk that is in neither list was not answered.

    ``prompt`` and ``response`` are what went over the wire, for the record.
    """

    answers: tuple[tuple[str, HunkAnswer], ...]
    undecided: tuple[Undecided, ...]
    usage: Usage
    prompt: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAsked:
    """No call was made, and nothing spent; ``reason`` has the estimate that stood against it."""

    reason: str
    estimated_input_tokens: int | None = None
    estimated_cost_usd: float | None = None
