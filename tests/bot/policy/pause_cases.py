"""The cases about pauses: who is held back by one, and who ends it."""

from dataclasses import replace

from bot.config_keys import RepositoryConfig
from bot.model.intents import (
    Intent,
)
from bot.policy.facts import Facts
from tests.bot.policy.build import (
    QUIET,
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
}
