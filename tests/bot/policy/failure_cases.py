"""The cases about checks that failed: nobody asks but the configuration."""

from dataclasses import replace

from bot.config_keys import RepositoryConfig
from bot.model.forge import Actor, ActorKind, PermissionLevel
from bot.model.intents import Fix, Intent, Resolve
from bot.policy.facts import Facts
from bot.policy.forks import ask_for_ok
from tests.bot.policy.build import FORK, HEAD, ORIGIN, QUIET
from tests.bot.policy.cases import FIX, configured

UNASKED = replace(ORIGIN, actor=Actor(id=1, login="flowforge[bot]", kind=ActorKind.BOT), configured=True)
BY_ITSELF = Fix(origin=UNASKED)
WANTED = RepositoryConfig(version=1, on_check_failure="fix")
FAILING = configured(replace(QUIET, permission=PermissionLevel.NONE), WANTED)
OF_FORK = replace(FAILING, pull_request=FORK)
ANY_FORK = RepositoryConfig(version=1, on_check_failure="fix", fork_pull_requests="allow")

GOOD: dict[str, tuple[Intent, Facts]] = {
    "a fix by itself": (BY_ITSELF, FAILING),
    "a fix by itself of a fork somebody answers for": (BY_ITSELF, OF_FORK),
    "a fix that a person asks for of what we pushed": (FIX, replace(QUIET, pushed_by_us=True)),
    "a fix that a person asks for of any fork": (
        FIX,
        configured(replace(QUIET, pull_request=FORK, head_may_run=False), ANY_FORK),
    ),
    "a resolve by itself of any fork": (
        Resolve(origin=UNASKED),
        configured(
            replace(OF_FORK, head_may_run=False),
            RepositoryConfig(version=1, on_conflict="resolve", fork_pull_requests="allow"),
        ),
    ),
}

REFUSED: dict[str, tuple[str, Intent, Facts, str]] = {
    "a fix by itself where nobody wants it": (
        "permission",
        BY_ITSELF,
        configured(QUIET, RepositoryConfig(version=1, on_conflict="resolve")),
        "`on_check_failure` in `.flowforge.yml` asks for no job.",
    ),
    "a resolve by itself where only fixes are wanted": (
        "permission",
        Resolve(origin=UNASKED),
        FAILING,
        "`on_conflict` in `.flowforge.yml` asks for no job.",
    ),
    "a fix by itself of what we pushed": (
        "own-head",
        BY_ITSELF,
        replace(FAILING, pushed_by_us=True),
        (
            "FlowForge made the head of this pull request itself, and does not go on mending its own work unasked. "
            "`/flowforge fix` asks for it."
        ),
    ),
    "a fix by itself of a stranger's head": (
        "fork",
        BY_ITSELF,
        replace(OF_FORK, head_may_run=False),
        ask_for_ok(HEAD),
    ),
    "a fix by itself of a stranger's head where people need no ok": (
        "fork",
        BY_ITSELF,
        configured(replace(OF_FORK, head_may_run=False), ANY_FORK),
        ask_for_ok(HEAD),
    ),
    "a fix by itself in a pause": (
        "paused",
        BY_ITSELF,
        configured(FAILING, RepositoryConfig(version=1, on_check_failure="fix", paused=True)),
        "FlowForge is paused here (`paused: true` in `.flowforge.yml`): nothing begins or is pushed.",
    ),
    "a fix by itself where the bot is switched off": (
        "enabled",
        BY_ITSELF,
        configured(FAILING, RepositoryConfig(version=1, on_check_failure="fix", enabled=False)),
        "FlowForge is switched off here (`enabled: false` in `.flowforge.yml`).",
    ),
    "a fix by itself with a model that the server does not allow": (
        "model",
        BY_ITSELF,
        configured(FAILING, RepositoryConfig(version=1, on_check_failure="fix", model="haiku")),
        ("The model `haiku` (`model` in `.flowforge.yml`) is not allowed on this server. Allowed: `sonnet`, `opus`."),
    ),
}
