"""What the configuration asks for when nobody does: a job that begins by itself."""

from bot.commands import PREFIX, CommandName
from bot.config import asking_for_ok
from bot.config_keys import RepositoryConfig
from bot.model.intents import Allowed, Fix, Intent, Refused, Resolve
from bot.policy.facts import Facts


def by_configuration(intent: Intent, facts: Facts) -> Allowed | Refused:
    """Who may write the base branch's configuration may have it ask for jobs."""
    key = "on_check_failure" if isinstance(intent, Fix) else "on_conflict"
    where = facts.said_in(key)
    match intent:
        case Resolve() if facts.settings.on_conflict == "resolve":
            return Allowed(reasons=(f"`{key}: resolve` in {where}",))
        case Fix() if facts.settings.on_check_failure == "fix":
            return Allowed(reasons=(f"`{key}: fix` in {where}",))
        case _:
            return Refused(rule="permission", message=f"`{key}` in {where} asks for no job.")


def check_own_head(intent: Intent, facts: Facts) -> Refused | None:
    """Why a check that failed on what we pushed ourselves starts nothing: the next push could fail as well."""
    if not facts.pushed_by_us or not begins_on_failure(intent):
        return None
    message = (
        "FlowForge made the head of this pull request itself, and does not go on mending its own work unasked. "
        f"`{PREFIX} {CommandName.FIX}` asks for it."
    )
    return Refused(rule="own-head", message=message)


def begins_on_failure(intent: Intent) -> bool:
    """Whether an intent comes of a check that failed, and of nobody's wish."""
    return isinstance(intent, Fix) and intent.origin.configured


def about_heads(intent: Intent, config: RepositoryConfig) -> RepositoryConfig:
    """The configuration by which it is decided whether anything may run on the head of a fork.

    ``fork_pull_requests: allow`` lets people with write permission ask without an ``ok``. Where a check that failed is
    what asks, the stranger who pushed would be the only person in it, and each push would cost money.
    """
    if config.fork_pull_requests != "allow" or not begins_on_failure(intent):
        return config
    return asking_for_ok(config)
