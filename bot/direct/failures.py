"""What the failure of a call amounts to: the SDK's errors as outcomes of a run.

The table is that of ``runners.outcome`` for Claude Code, whose errors come from the same API.
Source: https://platform.claude.com/docs/en/api/errors
"""

from typing import Final

import anthropic

from bot.errors import ModelError
from bot.model.characters import shown
from bot.model.direct import REFUSED_HEADER
from bot.model.runs import RunOutcome

_MAX_WORDS: Final = 300

_STATUSES: Final = {
    401: RunOutcome.MODEL_AUTHENTICATION,
    402: RunOutcome.MODEL_BILLING,
    403: RunOutcome.MODEL_AUTHENTICATION,
    404: RunOutcome.MODEL_NOT_FOUND,
    408: RunOutcome.MODEL_UNREACHABLE,
    413: RunOutcome.CONTEXT_TOO_LONG,
    429: RunOutcome.MODEL_RATE_LIMITED,
    503: RunOutcome.MODEL_OVERLOADED,
    529: RunOutcome.MODEL_OVERLOADED,
}
_CLIENT_ERRORS: Final = range(400, 500)

_BY_GATEWAY: Final = {"budget": RunOutcome.BUDGET_EXHAUSTED, "stopped": RunOutcome.CANCELLED}


def model_error(error: anthropic.APIError) -> ModelError:
    """The error of ours that an error of the SDK's amounts to; its words are one line, and may be anybody's."""
    match error:
        case anthropic.APIStatusError():
            said = error.api_message if isinstance(error.api_message, str) else ""
            words = " ".join(shown(said[:_MAX_WORDS]).split()) or "no words"
            message = f"the model API answered {error.status_code}: {words}"
            return ModelError(message, outcome=_outcome(error, said.lower()))
        case anthropic.APITimeoutError():
            return timed_out()
        case _:
            return ModelError("the model API was not reached", outcome=RunOutcome.MODEL_UNREACHABLE)


def timed_out() -> ModelError:
    """The time for the call is over."""
    return ModelError("the model API did not answer in time", outcome=RunOutcome.TIMED_OUT)


def _outcome(error: anthropic.APIStatusError, said: str) -> RunOutcome:
    by_gateway = _BY_GATEWAY.get(error.response.headers.get(REFUSED_HEADER, ""))
    if by_gateway is not None:
        return by_gateway
    if error.status_code in _STATUSES:
        return _STATUSES[error.status_code]
    if error.status_code not in _CLIENT_ERRORS:
        return RunOutcome.MODEL_UNREACHABLE
    # Status 400 stands for these, too; the API has no other word for them.
    if "prompt is too long" in said:
        return RunOutcome.CONTEXT_TOO_LONG
    if "credit balance is too low" in said:
        return RunOutcome.MODEL_BILLING
    return RunOutcome.MODEL_REJECTED_REQUEST
