"""The cases about pauses, and about a control that is missing: who is held back."""

from dataclasses import replace

from bot.config_keys import WHERE_SHARED, RepositoryConfig
from bot.model.intents import (
    Intent,
)
from bot.model.jobs import JobKind, JobState
from bot.policy.facts import Facts
from tests.bot.policy.build import PROPOSAL, QUIET, SERVER, WAITING, during, job
from tests.bot.policy.cases import APPROVE, BROKEN, CANCEL, HERE, PUSHING, REJECT, RESOLVE, configured

FILES = {
    "pauses": RepositoryConfig(version=1, paused=True),
    "switches off": RepositoryConfig(version=1, enabled=False),
}
OPENING = replace(during(job(JobState.PUBLISHING, kind=JobKind.IMPLEMENT)), proposal=PROPOSAL, pause=HERE)

GOOD: dict[str, tuple[Intent, Facts]] = {
    f"{type(intent).__name__.lower()} of what a pause keeps from being pushed, {how}": (intent, facts)
    for intent in (CANCEL, REJECT)
    for how, facts in {
        "by command": replace(PUSHING, pause=HERE),
        "by an invalid file": replace(PUSHING, config=None, config_error=BROKEN.config_error),
        "before a draft is opened": OPENING,
        **{f"where the file {does}": configured(PUSHING, config) for does, config in FILES.items()},
    }.items()
}

REFUSED: dict[str, tuple[str, Intent, Facts, str]] = {
    "resolve in a pause": (
        "paused",
        RESOLVE,
        replace(QUIET, pause=HERE),
        (
            "FlowForge is paused here by `ada` since 2026-11-29 09:05 UTC: `release 'week'`. Nothing begins or is "
            "pushed. `/flowforge resume` ends it."
        ),
    ),
    "approve in a pause of everything": (
        "paused",
        APPROVE,
        replace(WAITING, pause=replace(HERE, everywhere=True, reason="")),
        (
            "FlowForge is paused everywhere by `ada` since 2026-11-29 09:05 UTC. Nothing begins or is pushed. Whoever "
            "runs this server ends it."
        ),
    ),
    "resolve where the file pauses": (
        "paused",
        RESOLVE,
        configured(QUIET, RepositoryConfig(version=1, paused=True)),
        "FlowForge is paused here (`paused: true` in `.flowforge.yml`): nothing begins or is pushed.",
    ),
    "resolve where the server demands an organisation's file and none is seen": (
        "organisation",
        RESOLVE,
        replace(QUIET, bound=False, limits=replace(SERVER, shared_config_required=True)),
        (
            "This server works only where an organisation's configuration holds, and none can be read here: there is "
            f"none, or FlowForge may not see it. {WHERE_SHARED}"
        ),
    ),
    "cancel in a pause of what may be pushed already": (
        "busy",
        CANCEL,
        replace(PUSHING, pause=HERE, push_begun=True),
        "The result is being pushed right now. `/flowforge rollback` undoes it afterwards.",
    ),
    "reject in a pause of what may be pushed already": (
        "proposal",
        REJECT,
        replace(PUSHING, pause=HERE, push_begun=True),
        "The proposal is approved already and being pushed.",
    ),
}
