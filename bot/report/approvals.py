"""What a report says about the approvals that a proposal has, and those that it still needs."""

from collections.abc import Sequence
from typing import Final

from bot.model.proposals import Approval, ApprovalVia, Tally
from bot.report import messages
from bot.report.sections import joined, name, told

_ROOM: Final = 600
_MOST: Final = 10


def needs_more_than_one(tally: Tally | None) -> bool:
    """Whether there is anything to say: one approval is what everybody expects."""
    return tally is not None and (tally.needed > 1 or bool(tally.missing))


def count(tally: Tally) -> str:
    """How many approved, such as ``1 of 2``."""
    return f"{len(tally.approved_by)} of {tally.needed}"


def section(tally: Tally | None) -> str:
    """Who approved, and what is still needed; empty where one approval is all."""
    if tally is None or not needs_more_than_one(tally):
        return ""
    by = ", ".join(name(actor.login) for actor in tally.approved_by[:_MOST])
    said = f"Approvals: {count(tally)}{f', by {by}' if by else ''}."
    more = "" if len(tally.approved_by) >= tally.needed else " People count, each once, for exactly this commit."
    return joined([said + more, "\n".join(f"- {told(sentence, _ROOM)}" for sentence in tally.missing[:_MOST])])


def given(approvals: Sequence[Approval]) -> str:
    """Who approved what was pushed; empty where nobody had to."""
    if any(each.via is ApprovalVia.CONFIGURATION for each in approvals):
        return messages.UNASKED
    people = [name(each.actor.login) for each in approvals[:_MOST]]
    return messages.approved_by(people) if people else ""


def in_title(tally: Tally | None) -> str:
    """For the title of a check run whose proposal waits."""
    return f" ({count(tally)})" if tally is not None and needs_more_than_one(tally) else ""
