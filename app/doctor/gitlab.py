"""A GitLab: its clock, what the token may do, and where.

Webhooks belong to projects and groups, and not to the token: whoever sets a project up verifies them.
"""

from datetime import timedelta
from typing import Final

from app.doctor.forge import CLOCK
from app.doctor.model import Check, State, clocks, failed, ok, skipped, warning
from app.forge_settings import GitLabHost, OAuthGrant, place
from bot.errors import ForgeError, ForgeRefusedError, StoreError, TokenLostError
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.facts import TokenFacts, reaches_projects, server_time, token_facts
from bot.ports.system import Clock

TOKEN: Final = "token"  # noqa: S105 - a check's name
PROJECTS: Final = "projects"

_SCOPE: Final = "api"
_SOON: Final = timedelta(days=14)
_UNAUTHORIZED: Final = 401


async def gitlab_checks(ours: GitLabHost, client: GitLabClient, clock: Clock) -> list[Check]:
    """The clock, then the token, then what it reaches."""
    before = clock.now()
    try:
        theirs = await server_time(client)
    except TokenLostError as error:
        anew = f"Authorize the application anew, and set {_where_token(ours)} to the new refresh token."
        token = failed(TOKEN, str(error), anew)
        return [skipped(CLOCK, "there is no token to ask with"), token, skipped(PROJECTS, "there is no token")]
    except StoreError as error:
        token = failed(TOKEN, str(error), "The OAuth tokens are in the database: mend that first.")
        return [skipped(CLOCK, "there is no token to ask with"), token, skipped(PROJECTS, "there is no token")]
    except ForgeRefusedError:
        time = skipped(CLOCK, "GitLab did not accept the token, and so tells no time")
    except ForgeError as error:
        away = failed(CLOCK, str(error), f"See that this machine reaches {place(ours, 'url')}.")
        return [away, *(skipped(name, "GitLab did not answer") for name in (TOKEN, PROJECTS))]
    else:
        time = clocks(CLOCK, theirs - (before + (clock.now() - before) / 2), whose="GitLab's")
    token = await _token(ours, client, clock)
    if token.state is State.FAILED:
        return [time, token, skipped(PROJECTS, "the token will not do")]
    return [time, token, await _projects(client)]


async def _token(ours: GitLabHost, client: GitLabClient, clock: Clock) -> Check:
    where = _where_token(ours)
    try:
        token = await token_facts(client)
    except ForgeRefusedError as error:
        todo = f"See that the token of {where} was not revoked and has not expired."
        return failed(TOKEN, str(error), todo if error.status == _UNAUTHORIZED else f"{todo} It needs the scope api.")
    except ForgeError as error:
        return failed(TOKEN, str(error), "Try again.")
    return _scopes(token, where, clock)


def _scopes(token: TokenFacts, where: str, clock: Clock) -> Check:
    if token.scopes is None:
        return ok(TOKEN, f"the token is {token.login}'s; GitLab does not tell its scopes, of which it needs {_SCOPE}")
    if _SCOPE not in token.scopes:
        given = ", ".join(sorted(token.scopes)) or "no scope"
        return failed(
            TOKEN, f"the token has {given}, and not {_SCOPE}", f"Make a token with the scope {_SCOPE} for {where}."
        )
    says = f"the token is {token.login}'s and has the scope {_SCOPE}"
    if token.expires_at is not None and token.expires_at - clock.now() < _SOON:
        return warning(TOKEN, f"{says}; it expires on {token.expires_at:%Y-%m-%d}", f"Rotate it, and set {where}.")
    return ok(TOKEN, says)


def _where_token(ours: GitLabHost) -> str:
    """Where an operator sets what FlowForge acts with."""
    return place(ours, "oauth_refresh_token" if isinstance(ours.token, OAuthGrant) else "token", file=True)


async def _projects(client: GitLabClient) -> Check:
    try:
        found = await reaches_projects(client)
    except ForgeError as error:
        return failed(PROJECTS, str(error), "Try again.")
    if found:
        return ok(PROJECTS, "the token's user may push to at least one project")
    return warning(
        PROJECTS,
        "the token's user is a Developer, or more, of no project",
        "Give it the role Developer where it is to push branches and Maintainer where it is to see to webhooks.",
    )
