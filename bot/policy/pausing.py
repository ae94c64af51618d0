"""Whether something may begin or be pushed while there is a pause, or the configuration's files say so."""

from typing import Final

from bot.config_layers import Effective
from bot.errors import ConfigError
from bot.model.intents import Cancel, Help, Intent, Misspelt, PauseHere, Refused, Reject, ResumeHere, ShowConfig, Status
from bot.model.jobs import JobState
from bot.model.pauses import HeldBy, Hold, Pause
from bot.model.proposals import ProposalState
from bot.model.text import code_span
from bot.policy.facts import Facts

_UNDECIDED: Final = frozenset({ProposalState.OPEN, ProposalState.APPROVED})


def check_paused(intent: Intent, facts: Facts) -> Refused | None:
    """Why nothing begins and nothing is pushed now; what looks, stops or throws away is let through."""
    if isinstance(intent, Help | Status | ShowConfig | Misspelt | Cancel | Reject | PauseHere | ResumeHere):
        return None
    if facts.pause is not None:
        return Refused(rule="paused", message=said(facts.pause))
    if facts.settings.paused:
        return Refused(rule="paused", message=_paused_in(facts.said_in("paused")))
    return None


def hold_of(pause: Pause | None) -> Hold | None:
    """What a pause means for a job that was asked for before."""
    return None if pause is None else Hold(by=HeldBy.PAUSE, reason=said(pause))


def hold_of_files(effective: Effective | None, error: ConfigError | None) -> Hold | None:
    """What the files as they are now mean for a job that was asked for before, under files that said otherwise.

    Which of them would pause something is not known while they are invalid, so nothing goes on then.
    """
    if error is not None or effective is None:
        return Hold(by=HeldBy.FAULT, reason=f"The configuration is invalid: {error}")
    if not effective.config.enabled:
        return Hold(by=HeldBy.SWITCH, reason=switched_off(effective.said_in("enabled")))
    if effective.config.paused:
        return Hold(by=HeldBy.PAUSE, reason=_paused_in(effective.said_in("paused")))
    return None


def held_back(facts: Facts) -> bool:
    """Whether a decided job waits for the end of a pause, and its push has not begun: it can still be taken back."""
    active, config = facts.active, facts.settings
    if active is None or active.state is not JobState.PUBLISHING or facts.push_begun:
        return False
    return facts.pause is not None or facts.config_error is not None or config.paused or not config.enabled


def may_still_be_rejected(facts: Facts) -> bool:
    """The same about its proposal."""
    return held_back(facts) and facts.proposal is not None and facts.proposal.state in _UNDECIDED


def switched_off(said_in: str) -> str:
    """That nothing is done at all, in words for people."""
    return f"FlowForge is switched off here (`enabled: false` in {said_in})."


def _paused_in(said_in: str) -> str:
    return f"FlowForge is paused here (`paused: true` in {said_in}): nothing begins or is pushed."


def said(pause: Pause) -> str:
    """A pause, in words for people."""
    where, how = (
        ("everywhere", "Whoever runs this server ends it.")
        if pause.everywhere
        else ("here", "`/flowforge resume` ends it.")
    )
    reason = f": {code_span(pause.reason, limit=200)}" if pause.reason else ""
    since = f"since {pause.at:%Y-%m-%d %H:%M} UTC{reason}"
    return f"FlowForge is paused {where} by {code_span(pause.by)} {since}. Nothing begins or is pushed. {how}"
