"""Who asks for work on a fork's head, and is refused: the rule, and its words."""

from dataclasses import replace

from bot.config_keys import RepositoryConfig
from bot.model.forge import PermissionLevel
from bot.model.intents import Intent, Ok
from bot.policy.facts import Facts
from bot.policy.forks import ask_for_ok
from tests.bot.policy.build import FORK, HEAD, ORIGIN, OTHER, QUIET
from tests.bot.policy.cases import BOT, ENDED, FIX, LISTED, OK, RESOLVE, RETRY, configured

REFUSED: dict[str, tuple[str, Intent, Facts, str]] = {
    "fix of a fork nobody answers for": (
        "fork",
        FIX,
        replace(QUIET, pull_request=FORK, head_may_run=False),
        ask_for_ok(HEAD),
    ),
    "a fork where forks are not wanted": (
        "fork",
        RESOLVE,
        configured(replace(QUIET, pull_request=FORK), RepositoryConfig(version=1, fork_pull_requests="off")),
        (
            "This repository does not let FlowForge work on pull requests from forks "
            "(`fork_pull_requests: off` in `.flowforge.yml`)."
        ),
    ),
    "a fork whose head nobody looked at": (
        "fork",
        RESOLVE,
        replace(QUIET, pull_request=FORK, head_may_run=False),
        (
            "This pull request comes from a fork, whose author may not write here. Its code would run in FlowForge's "
            "sandboxes, and a result would go on a branch of this repository, where its CI may run it. Look at the "
            f"changes first; if they are harmless, say `/flowforge ok {HEAD}`, and then ask again. That counts for "
            "this commit, and for no later one."
        ),
    ),
    "ok for another head": (
        "fork",
        Ok(origin=ORIGIN, sha=OTHER),
        replace(QUIET, pull_request=FORK),
        f"The head is `{HEAD[:12]}` now, not `{OTHER}`. Look at it before you say so.",
    ),
    "ok by the beginning of the commit": (
        "fork",
        Ok(origin=ORIGIN, sha=HEAD[:39]),
        replace(QUIET, pull_request=FORK),
        f"The head is `{HEAD[:12]}` now, not `{HEAD[:39]}`. Look at it before you say so.",
    ),
    "ok where there is no fork": (
        "fork",
        OK,
        QUIET,
        "This pull request comes from this repository: nobody has to `ok` its head.",
    ),
    "ok by a program": (
        "fork",
        Ok(origin=BOT, sha=HEAD),
        configured(replace(QUIET, pull_request=FORK), LISTED),
        "Only a person can say `/flowforge ok`.",
    ),
    "ok by a reader": (
        "permission",
        OK,
        replace(QUIET, pull_request=FORK, permission=PermissionLevel.READ),
        "`/flowforge ok` needs write permission on this repository; you have read.",
    ),
    "a fork that was deleted": (
        "fork",
        RETRY,
        replace(ENDED, pull_request=replace(FORK, head_repository_id=None, head_full_name=None)),
        "The repository that this pull request comes from was deleted, so nothing can be brought there.",
    ),
}
