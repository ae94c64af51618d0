"""What people read about pull requests from forks: where a result goes, and where it went."""

from collections.abc import Sequence
from typing import Final

from bot.model.forge import ForgeName, pull_name
from bot.model.jobs import Job, JobKind
from bot.model.proposals import Proposal
from bot.redact import redact
from bot.report.markdown import code, title

_OPENS_BESIDE: Final = "an approval opens a draft pull request from a branch of this repository"
_NO_OTHER_WAY: Final = "an approval shows the commands with which you can"

_TITLE_ROOM: Final = 180
_NAME_ROOM: Final = 100
_WHY_ROOM: Final = 400


def where_it_goes(*, fork: str | None, skipped: Sequence[str], beside: bool) -> str:
    """What an approval will do about a pull request from a fork.

    ``fork`` is where it is pushed first, None where it is not; then ``skipped`` says why. ``beside`` says whether a
    pull request can take its place.
    """
    opens = _OPENS_BESIDE if beside else _NO_OTHER_WAY
    if fork is None:
        return f"{' '.join(skipped)} So nothing is pushed there: {opens}."
    return f"The head is in the fork {code(fork, _NAME_ROOM)}. It is pushed there if the forge lets us; else {opens}."


def refused_by_forge(fork: str, why: str) -> str:
    """The rung of the fork did not hold."""
    words = " ".join(redact(why).split())
    return f"The forge refused the push into the fork {code(fork, _NAME_ROOM)}: {code(words, _WHY_ROOM)}."


def not_taken(fork: str) -> str:
    """The same, where a worker died that knew in which words."""
    return f"The forge refused the push into the fork {code(fork, _NAME_ROOM)}."


def no_branch(why: str) -> str:
    """The rung of the pull request beside it did not hold."""
    words = " ".join(redact(why).split())
    return f"The forge took no branch or pull request from us: {code(words, _WHY_ROOM)}."


def opened(forge: ForgeName, number: int, *, fix: bool = False) -> str:
    """It is in a pull request of its own; to stand behind the reasons. The original's timeline has the link to it."""
    what = "fix" if fix else "merge"
    return (
        f"So `{pull_name(forge, number)}` has the author's commits and the {what}; it is a draft until you look at it."
    )


def handed_over(reasons: Sequence[str]) -> str:
    """It is nowhere but on its branch."""
    return f"{' '.join(reasons)} So it is for you, with the pull request's branch checked out:"


def beside_closed(forge: ForgeName, number: int) -> str:
    """It was undone."""
    return f"{pull_name(forge, number)} is closed, and its branch is deleted."


def beside_closed_only(forge: ForgeName, number: int) -> str:
    """It was undone as far as that goes."""
    return f"{pull_name(forge, number)} is closed. Its branch stays: somebody pushed to it, or the forge keeps it."


def beside_merged(forge: ForgeName, number: int) -> str:
    """It cannot be undone by us any more."""
    return f"{pull_name(forge, number)} is merged already. Revert it there."


def beside_title(job: Job, original: str) -> str:
    """The title of the pull request beside the head."""
    how = "mended" if job.request.kind is JobKind.FIX else "with its conflicts resolved"
    number = pull_name(job.request.repository.forge, job.request.number)
    return f"{title(original, _TITLE_ROOM)} ({number} {how})"


def beside_body(job: Job, proposal: Proposal, *, author: str, reasons: Sequence[str]) -> str:
    """What the pull request beside the head says. Words of others are code; the original is linked by its number."""
    number = pull_name(job.request.repository.forge, job.request.number)
    how = f"with {code(job.request.base_ref, _NAME_ROOM)} merged and the conflicts resolved"
    if job.request.kind is JobKind.FIX:
        how = "mended"
    return (
        f"This is {number} by {code(author, _NAME_ROOM)}, {how}: the author's commits as they are, and "
        f"commit `{proposal.commit[:12]}` on top.\n\n"
        f"{' '.join(reasons)}\n\n"
        f"Merging this merges {number}; squashing it does not close the other. `/flowforge rollback` in {number} "
        "closes this and deletes its branch.\n"
    )
