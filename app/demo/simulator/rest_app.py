"""Endpoints of the App itself, its installations and its deliveries."""

import re

from app.demo.simulator import render
from app.demo.simulator.app_auth import LEVELS, AppPrincipal
from app.demo.simulator.messages import DEFAULT_PAGE, LARGEST_PAGE, Refusal, Response, json_response, not_found, page_of
from app.demo.simulator.routes import METADATA, Anyone, AppOnly, Call, Route
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import Installation


async def get_app(site: GitHubSite, call: Call) -> Response:
    """``GET /app``."""
    del call
    return json_response(render.app(site.world) | {"installations_count": len(site.world.installations)})


async def list_installations(site: GitHubSite, call: Call) -> Response:
    """``GET /app/installations``."""
    page, headers = page_of(
        call.request,
        site.world.base_url,
        [render.installation(site.world, one) for one in site.world.installations.values()],
    )
    return json_response(page, headers=headers)


def _installation(site: GitHubSite, call: Call) -> Installation:
    installation = site.world.installations.get(call.number("installation_id"))
    if installation is None:
        raise not_found()
    return installation


async def get_installation(site: GitHubSite, call: Call) -> Response:
    """``GET /app/installations/{installation_id}``."""
    return json_response(render.installation(site.world, _installation(site, call)))


async def get_repository_installation(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/installation``."""
    repository = site.world.repository(f"{call.params['owner']}/{call.params['repo']}")
    installation = None if repository is None else site.world.installation_for(repository)
    if installation is None:
        raise not_found()
    return json_response(render.installation(site.world, installation))


async def create_token(site: GitHubSite, call: Call) -> Response:
    """``POST /app/installations/{installation_id}/access_tokens``.

    Source: https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app .
    """
    installation = _installation(site, call)
    if installation.suspended_at is not None:
        raise Refusal(403, "This installation has been suspended")
    body = call.request.json()
    permissions = _wanted_permissions(installation, body.get("permissions"))
    repositories = _wanted_repositories(site, installation, body)
    token = site.credentials.mint(installation, repositories, permissions)
    return json_response(render.token(site.world, token), status=201)


def _wanted_permissions(installation: Installation, wanted: object) -> dict[str, str]:
    granted = {**installation.permissions}
    granted.setdefault("metadata", "read")
    if wanted is None or wanted == {}:
        return granted
    if not isinstance(wanted, dict):
        raise Refusal(422, "Invalid request.\n\nFor 'permissions', it is not an object.")
    for name, level in wanted.items():
        if level not in LEVELS or LEVELS[level] > LEVELS[granted.get(name, "none")]:
            raise Refusal(422, "The permissions requested are not granted to this installation.")
    return {**wanted, "metadata": granted["metadata"]}


def _wanted_repositories(
    site: GitHubSite, installation: Installation, body: dict[str, object]
) -> frozenset[int] | None:
    ids, names = body.get("repository_ids"), body.get("repositories")
    if ids is None and names is None:
        return None if installation.repositories is None else frozenset(installation.repositories)
    if not isinstance(ids, list | None) or not isinstance(names, list | None):
        raise Refusal(422, "Invalid request.\n\nRepositories must be given as lists.")
    chosen = {
        one.id
        for one in site.world.repositories.values()
        if installation.covers(one) and (one.id in (ids or []) or one.name in (names or []))
    }
    if len(chosen) < max(len(ids or []), len(names or [])) or not chosen:
        raise Refusal(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    return frozenset(chosen)


async def list_team_members(site: GitHubSite, call: Call) -> Response:
    """``GET /orgs/{org}/teams/{team_slug}/members``."""
    if not call.token().allows("members", "read"):
        raise Refusal(403, "Resource not accessible by integration")
    team = site.world.teams.get(f"{call.params['org']}/{call.params['team_slug']}".casefold())
    if team is None:
        raise not_found()
    members = [render.account(site.world, one) for one in site.world.accounts.values() if one.id in team]
    page, headers = page_of(call.request, site.world.base_url, members)
    return json_response(page, headers=headers)


async def revoke_token(site: GitHubSite, call: Call) -> Response:
    """``DELETE /installation/token``."""
    site.credentials.revoke(call.token())
    return Response(status=204)


async def list_token_repositories(site: GitHubSite, call: Call) -> Response:
    """``GET /installation/repositories``."""
    token = call.token()
    found = [render.repository(site.world, one) for one in site.world.repositories.values() if token.reaches(one)]
    page, headers = page_of(call.request, site.world.base_url, found)
    body = {
        "total_count": len(found),
        "repository_selection": "all" if token.repositories is None else "selected",
        "repositories": page,
    }
    return json_response(body, headers=headers)


async def list_deliveries(site: GitHubSite, call: Call) -> Response:
    """``GET /app/hook/deliveries``, newest first, paged by a cursor.

    Source: https://docs.github.com/rest/apps/webhooks#list-deliveries-for-an-app-webhook .
    """
    query = call.request.query
    size = min(max(int(query.get("per_page", DEFAULT_PAGE)), 1), LARGEST_PAGE)
    cursor = query.get("cursor")
    if cursor is not None and not re.fullmatch("v1_[0-9]+", cursor):
        raise Refusal(422, "Invalid cursor")
    below = None if cursor is None else int(cursor.removeprefix("v1_"))
    attempts = [pair for pair in site.webhooks.attempts() if below is None or pair[1].id < below]
    if query.get("status") in {"success", "failure"}:
        attempts = [pair for pair in attempts if (pair[1].status == "OK") is (query["status"] == "success")]
    page = attempts[:size]
    headers = {}
    if len(attempts) > size:
        url = f"{site.world.base_url}/app/hook/deliveries?per_page={size}&cursor=v1_{page[-1][1].id}"
        headers["link"] = f'<{url}>; rel="next"'
    body = [
        {
            "id": attempt.id,
            "guid": delivery.guid,
            "delivered_at": render.stamp(attempt.at),
            "redelivery": attempt.redelivery,
            "duration": attempt.seconds,
            "status": attempt.status,
            "status_code": attempt.status_code,
            "event": delivery.event,
            "action": delivery.action,
            "installation_id": delivery.installation_id,
            "repository_id": delivery.repository_id,
            "throttled_at": None,
        }
        for delivery, attempt in page
    ]
    return json_response(body, headers=headers)


async def redeliver(site: GitHubSite, call: Call) -> Response:
    """``POST /app/hook/deliveries/{delivery_id}/attempts``: the same guid comes again.

    Source: https://docs.github.com/rest/apps/webhooks#redeliver-a-delivery-for-an-app-webhook .
    """
    wanted = call.number("delivery_id")
    for delivery, attempt in site.webhooks.attempts():
        if attempt.id == wanted:
            site.webhooks.redeliver(delivery)
            return json_response({}, status=202)
    raise not_found()


async def rate_limit(site: GitHubSite, call: Call) -> Response:
    """``GET /rate_limit``, which is itself never counted."""
    core = site.limits.state(call.principal, site.world.clock.now())
    search = {"limit": 30, "remaining": 30, "reset": core["reset"], "used": 0}
    return json_response({"resources": {"core": core, "search": search, "graphql": core}})


async def get_user(site: GitHubSite, call: Call) -> Response:
    """``GET /users/{login}``."""
    account = site.world.accounts.get(call.params["login"])
    if account is None:
        raise not_found()
    return json_response(render.public_user(site.world, account))


async def get_user_by_id(site: GitHubSite, call: Call) -> Response:
    """``GET /user/{account_id}``. Source: https://docs.github.com/rest/users/users#get-a-user-using-their-id ."""
    account = site.world.account_by_id(call.number("account_id"))
    if account is None:
        raise not_found()
    return json_response(render.public_user(site.world, account))


async def get_app_by_slug(site: GitHubSite, call: Call) -> Response:
    """``GET /apps/{app_slug}``."""
    if call.params["slug"] != site.world.app.slug:
        raise not_found()
    return json_response(render.app(site.world))


async def get_repository(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}``, also as ``GET /repositories/{id}``."""
    return json_response(render.full_repository(site.world, call.repository))


async def collaborator_permission(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/collaborators/{login}/permission``."""
    account = site.world.accounts.get(call.params["login"])
    if account is None:
        raise not_found()
    return json_response(render.collaborator_permission(site.world, call.repository, account))


async def root(site: GitHubSite, call: Call) -> Response:
    """``GET /``: what this is."""
    who = "an App" if isinstance(call.principal, AppPrincipal) else "you"
    return json_response(
        {"message": f"This is FlowForge's simulator of GitHub, no GitHub. Hello, {who}.", "app": site.world.app.slug}
    )


ROUTES = (
    Route("GET", "/", Anyone(), root),
    Route("GET", "/app", AppOnly(), get_app),
    Route("GET", "/app/installations", AppOnly(), list_installations),
    Route("GET", "/app/installations/{installation_id:int}", AppOnly(), get_installation),
    Route("POST", "/app/installations/{installation_id:int}/access_tokens", AppOnly(), create_token),
    Route("GET", "/app/hook/deliveries", AppOnly(), list_deliveries),
    Route("POST", "/app/hook/deliveries/{delivery_id:int}/attempts", AppOnly(), redeliver),
    Route("GET", "/repos/{owner}/{repo}/installation", AppOnly(), get_repository_installation),
    Route("GET", "/installation/repositories", Anyone(), list_token_repositories),
    Route("DELETE", "/installation/token", Anyone(), revoke_token),
    Route("GET", "/orgs/{org}/teams/{team_slug}/members", Anyone(), list_team_members),
    Route("GET", "/rate_limit", Anyone(), rate_limit),
    Route("GET", "/users/{login}", Anyone(), get_user),
    Route("GET", "/user/{account_id:int}", Anyone(), get_user_by_id),
    Route("GET", "/apps/{slug}", Anyone(), get_app_by_slug),
    Route("GET", "/repos/{owner}/{repo}", METADATA, get_repository),
    Route("GET", "/repos/{owner}/{repo}/collaborators/{login}/permission", METADATA, collaborator_permission),
)
