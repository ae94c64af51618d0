"""The approval page: what is known for one person who looks at one proposal."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.forge import Actor, PullRequest
from bot.model.intents import IntentOutcome
from bot.model.reports import JobView, ShownDiffs


class Waiting(StrEnum):
    """What became of a press of a button that no worker has decided about."""

    UNDER_WAY = "under_way"
    LOST = "lost"
    """It was tried several times, and could not be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """A proposal, as one person may see it.

    Attributes:
        view: the job with its proposal, which is never None here.
        actor: who looks.
        pull_request: as it is now; None where it is out of our reach.
        diffs: None where they are not kept, or not any more.
        expires_at: when nobody can decide any more; None where nobody is waited for.
        no_approval: why this person may not approve, None where they may.
        no_discard: why this person may not discard, None where they may.
        asked: what came of the button that this person pressed last.
    """

    view: JobView
    actor: Actor
    pull_request: PullRequest | None
    diffs: ShownDiffs | None
    expires_at: datetime | None
    no_approval: str | None
    no_discard: str | None
    asked: IntentOutcome | Waiting | None = None
