"""GraphQL, as far as the bot asks in it: which threads of a review are resolved. Any other query is refused.

GitHub answers 200 to those, too, with ``errors`` in place of the data.
Source: https://docs.github.com/graphql/guides/forming-calls-with-graphql .
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from app.demo.simulator.app_auth import may
from app.demo.simulator.messages import Refusal, Request, Response, json_response
from app.demo.simulator.routes import PULLS, Anyone, Call, Route
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import PullRequest, Remark

PATH: Final = "/graphql"
PAGE: Final = 100
THREADS: Final = (
    "query ( $owner : String! , $repo : String! , $number : Int! , $before : String ) { "
    "repository ( owner : $owner , name : $repo ) { pullRequest ( number : $number ) { "
    "reviewThreads ( last : 100 , before : $before ) { pageInfo { hasPreviousPage startCursor } "
    "nodes { isResolved comments ( first : 1 ) { nodes { fullDatabaseId } } } } } } }"
)
"""The query that is known, its tokens apart. Source: https://docs.github.com/graphql/reference/objects ."""

VARIABLES: Final[Mapping[str, tuple[type, ...]]] = {
    "owner": (str,),
    "repo": (str,),
    "number": (int,),
    "before": (str, type(None)),
}


async def answer(site: GitHubSite, call: Call) -> Response:
    """``POST /graphql``."""
    try:
        return json_response({"data": _data(site, call)})
    except _GraphQLError as error:
        return json_response({"data": None, "errors": [{"type": error.args[0], "message": error.args[1]}]})


class _GraphQLError(Exception):
    """What GitHub says in ``errors``: a type and a message."""


def _data(site: GitHubSite, call: Call) -> dict[str, Any]:
    variables = _variables(call.request)
    repository = site.world.repository(f"{variables['owner']}/{variables['repo']}")
    pull = None if repository is None else repository.threads.get(variables["number"])
    try:
        if repository is None or not isinstance(pull, PullRequest):
            raise _GraphQLError("NOT_FOUND", "Could not resolve to a PullRequest.")
        may(call.principal, repository, PULLS.needs)
    except Refusal as refusal:
        raise _GraphQLError("FORBIDDEN", refusal.message) from None
    threads = [one for one in pull.remarks if one.answers is None]
    end = _position(variables["before"], len(threads))
    page = threads[max(end - PAGE, 0) : end]
    cursor = f"cursor:{end - len(page)}" if page else None
    info = {"hasPreviousPage": end > PAGE, "startCursor": cursor}
    shown = {"pageInfo": info, "nodes": [_thread(one) for one in page]}
    return {"repository": {"pullRequest": {"reviewThreads": shown}}}


def _variables(request: Request) -> dict[str, Any]:
    body = request.json()
    query, variables = body.get("query"), body.get("variables")
    if not isinstance(query, str) or " ".join(re.findall(r"[\w$!]+|[^\s\w]", query)) != THREADS:
        raise _GraphQLError("undefinedField", "The simulator does not know this query.")
    if not isinstance(variables, dict) or variables.keys() != VARIABLES.keys():
        raise _GraphQLError("missingRequiredArguments", "The variables are not those of the query.")
    for name, types in VARIABLES.items():
        if type(variables[name]) not in types:
            raise _GraphQLError("INVALID_VARIABLE", f"Variable ${name} was provided an invalid value.")
    return variables


def _position(before: str | None, end: int) -> int:
    if before is None:
        return end
    if not (match := re.fullmatch(r"cursor:([0-9]+)", before)):
        raise _GraphQLError("INVALID_CURSOR_ARGUMENTS", f"`{before}` does not appear to be a valid cursor.")
    return min(int(match[1]), end)


def _thread(first: Remark) -> dict[str, Any]:
    return {"isResolved": first.resolved, "comments": {"nodes": [{"fullDatabaseId": str(first.id)}]}}


ROUTES = (Route("POST", PATH, Anyone(), answer),)
