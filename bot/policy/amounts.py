"""What a job may cost, and which model it may use: what people ask for, held against what may be asked for."""

from bot.model.intents import Allowed, Decision, Intent, Refused, Resolve, Retry, TakeSide, Work
from bot.model.text import code_span
from bot.policy.facts import Facts
from bot.policy.limits import chosen_model


def check_budget(intent: Intent, facts: Facts) -> Decision | None:
    """Whether a job may cost what was asked for; of what is done again, what was asked for then."""
    asked = _asked_budget(intent, facts)
    if asked is None:
        return None
    for ceiling, whose in (
        (
            facts.settings.budget_usd,
            f"this repository allows at most ${{}} a job (`budget_usd` in {facts.said_in('budget_usd')})",
        ),
        (facts.limits.max_budget_usd, "this server allows at most ${} a job"),
    ):
        if asked > ceiling:
            message = f"A budget of ${_money(asked)} is too much: {whose.format(_money(ceiling))}."
            return Refused(rule="budget", message=message)
    return Allowed(reasons=(f"${_money(asked)} is within the limits",))


def _asked_budget(intent: Intent, facts: Facts) -> float | None:
    if isinstance(intent, Retry | TakeSide):
        return None if facts.latest is None else facts.latest.request.budget_usd
    return intent.budget_usd if isinstance(intent, Resolve | Work) else None


def _money(amount: float) -> str:
    return f"{amount:.2f}"


def check_model(intent: Intent, facts: Facts) -> Decision | None:
    """Whether the server allows the model that a job would use."""
    if isinstance(intent, Resolve | Work):
        asked = intent.model
    elif isinstance(intent, Retry | TakeSide) and facts.latest is not None:
        asked = facts.latest.request.model
    else:
        return None
    model = chosen_model(facts.settings, asked, facts.limits)
    if model in facts.limits.allowed_models:
        return Allowed(reasons=(f"the server allows {model}",))
    allowed = ", ".join(map(code_span, facts.limits.allowed_models))
    source = "" if asked else f" (`model` in {facts.said_in('model')})"
    message = f"The model {code_span(model)}{source} is not allowed on this server. Allowed: {allowed}."
    return Refused(rule="model", message=message)
