"""The structural resolver: situations in which the syntax says what both sides' changes come to."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Hunk
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.edits import Budget, OverBudgetError
from bot.resolvers.structural import contained, in_place, keyed, removed
from bot.resolvers.structural.proposals import Proposal
from bot.resolvers.structural.syntax import sound
from bot.resolvers.text import is_lock, lines

NAME: Final = "structural"
SUMMARY: Final = (
    "The syntax tells both sides' changes apart (entries merged by name, words replaced in place), or one side took"
    " away or did all that the other changed; the file has no more parse errors than its sides."
)

_MAX_HUNKS: Final = 40
_MAX_HUNK_BYTES: Final = 100_000
_SECONDS: Final = 1.5
"""For one file; the median is 0.04. The parser gets no more, and what is compared without it is counted, not timed."""
_BUDGET: Final = 1_000_000

_LOGS: Final = ("change", "history", "news", "release")
_PROSE: Final = frozenset({"", "md", "rst", "txt", "adoc", "markdown"})


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """Answers to the hunks in which one of the situations is met and the syntax of the file stays whole.

    Lock files and change logs are left alone: the first are made anew, in the second the order is what it is about.
    """
    hunks = [hunk for hunk in case.marked.hunks if _size(hunk) <= _MAX_HUNK_BYTES]
    if len(hunks) > _MAX_HUNKS or is_lock(case.path) or _is_log(case.path):
        return
    deadline = time.monotonic() + _SECONDS
    for proposal in sound(case.marked, list(_proposals(case, hunks, deadline)), deadline):
        yield HunkAnswer(
            index=proposal.index,
            content=proposal.content,
            resolver=f"{NAME}: {proposal.situation}",
            tier=Tier.STRUCTURAL if proposal.certain else Tier.B,
            reason=proposal.reason,
            confidence=Confidence.MEDIUM if proposal.certain else Confidence.LOW,
        )


def _size(hunk: Hunk) -> int:
    return len(hunk.ours) + len(hunk.ancestor) + len(hunk.theirs)


def _is_log(path: str) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    suffix = name.rpartition(".")[2] if "." in name else ""
    return suffix == "snap" or (suffix in _PROSE and name.startswith(_LOGS))


def _proposals(case: FileCase, hunks: Sequence[Hunk], deadline: float) -> Iterator[Proposal]:
    by_key = keyed.propose(case.path, hunks, deadline)
    elsewhere = frozenset(line.strip() for segment in case.marked.segments for line in lines(segment))
    budget = Budget(_BUDGET)
    for hunk in hunks:
        by_name = by_key.get(hunk.index)
        if by_name is not None and by_name.certain:
            yield by_name
        else:
            found = _without_tree(hunk, elsewhere, budget) or by_name
            if found is not None:
                yield found


def _without_tree(hunk: Hunk, elsewhere: frozenset[bytes], budget: Budget) -> Proposal | None:
    try:
        found = removed.propose(hunk, elsewhere, budget) or in_place.propose(hunk, budget)
    except OverBudgetError:
        found = None
    return found or contained.propose(hunk)
