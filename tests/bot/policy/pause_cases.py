"""The cases about pauses, and about a control that is missing: who is held back."""

from dataclasses import replace

from bot.config_keys import WHERE_SHARED, RepositoryConfig
from bot.model.intents import (
    Intent,
)
from bot.policy.facts import Facts
from tests.bot.policy.build import (
    QUIET,
    SERVER,
    WAITING,
)
from tests.bot.policy.cases import (
    APPROVE,
    HERE,
    RESOLVE,
    configured,
)

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
}
