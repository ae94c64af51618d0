"""Whether something may begin or be pushed while there is a pause."""

from bot.model.intents import Cancel, Help, Intent, Misspelt, PauseHere, Refused, Reject, ResumeHere, ShowConfig, Status
from bot.model.pauses import Pause
from bot.model.text import code_span
from bot.policy.facts import Facts


def check_paused(intent: Intent, facts: Facts) -> Refused | None:
    """Why nothing begins and nothing is pushed now; what looks, stops or throws away is let through."""
    if isinstance(intent, Help | Status | ShowConfig | Misspelt | Cancel | Reject | PauseHere | ResumeHere):
        return None
    if facts.pause is not None:
        return Refused(rule="paused", message=said(facts.pause))
    if facts.settings.paused:
        message = (
            f"FlowForge is paused here (`paused: true` in {facts.said_in('paused')}): nothing begins or is pushed."
        )
        return Refused(rule="paused", message=message)
    return None


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
