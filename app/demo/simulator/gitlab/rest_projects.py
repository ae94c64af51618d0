"""Endpoints of users, projects, members, labels and protected branches."""

import re

from app.demo.simulator.gitlab import render
from app.demo.simulator.gitlab.levels import LEVELS
from app.demo.simulator.gitlab.messages import denied, invalid, not_found, page_of
from app.demo.simulator.gitlab.routes import MAINTAIN, REPORT, SEE, Anyone, Call, Route, SignedIn
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.gitlab.state import Label
from app.demo.simulator.messages import Response, json_response
from app.demo.simulator.state import Account, AccountKind, Repository, Role

VERSION = "19.5.0"
COLOR = re.compile(r"#(?:[0-9A-Fa-f]{3}){1,2}")


async def get_version(site: GitLabSite, call: Call) -> Response:
    """``GET /version``. Source: https://docs.gitlab.com/api/version/ ."""
    del site, call
    return json_response({"version": VERSION, "revision": "simulator"})


async def get_metadata(site: GitLabSite, call: Call) -> Response:
    """``GET /metadata``: among the rest, that this is no GitLab. Source: https://docs.gitlab.com/api/metadata/ ."""
    del call
    return json_response(
        {
            "version": VERSION,
            "revision": "simulator",
            "kas": {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None},
            "enterprise": False,
            "message": "This is FlowForge's simulator of GitLab, no GitLab.",
            "url": site.world.base_url,
        }
    )


async def get_own_user(site: GitLabSite, call: Call) -> Response:
    """``GET /user``. Source: https://docs.gitlab.com/api/users/ ."""
    return json_response(render.own_user(site.world, call.actor))


async def get_user(site: GitLabSite, call: Call) -> Response:
    """``GET /users/:id``."""
    account = site.world.account_by_id(call.number("user_id"))
    if account is None or account.kind is AccountKind.ORGANIZATION:
        raise not_found("User")
    return json_response(render.full_user(site.world, account))


async def list_users(site: GitLabSite, call: Call) -> Response:
    """``GET /users?username=``, which ignores case."""
    wanted = call.request.query.get("username", "").casefold()
    found = [
        render.user(site.world, one)
        for one in site.world.accounts.values()
        if one.kind is not AccountKind.ORGANIZATION and wanted in {"", one.login.casefold()}
    ]
    return page_of(call.request, site.world.base_url, found)


async def get_own_token(site: GitLabSite, call: Call) -> Response:
    """``GET /personal_access_tokens/self``. Source: https://docs.gitlab.com/api/personal_access_tokens/ ."""
    token = call.asker.token
    if token is None:
        raise not_found()
    return json_response(
        {
            "id": token.id,
            "name": token.name,
            "description": None,
            "revoked": token.revoked,
            "created_at": render.stamp(token.created_at),
            "scopes": sorted(token.scopes),
            "user_id": token.account.id,
            "last_used_at": render.stamp(site.world.now()),
            "active": True,
            "expires_at": None if token.expires_at is None else token.expires_at.date().isoformat(),
        }
    )


async def get_project(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id``. Source: https://docs.gitlab.com/api/projects/ ."""
    return json_response(render.project(site.world, call.repository, call.asker.account))


async def list_projects(site: GitLabSite, call: Call) -> Response:
    """``GET /projects?membership=&min_access_level=&archived=``, also with ``pagination=keyset``, by id."""
    query = call.request.query
    least = int(query.get("min_access_level", "0"))
    asker = call.asker.account
    found: list[Repository] = []
    for one in site.world.repositories.values():
        role = Role.NONE if asker is None else one.role_of(asker)
        member = asker is not None and one.roles.get(asker.id, Role.NONE) > Role.NONE
        if one.deleted or (one.private and role < Role.READ) or (query.get("membership") == "true" and not member):
            continue
        if LEVELS[role] >= least:
            found.append(one)
    found.sort(key=lambda one: one.id, reverse=query.get("sort", "desc") == "desc")
    return page_of(call.request, site.world.base_url, [render.project(site.world, one, asker) for one in found])


async def get_group(site: GitLabSite, call: Call) -> Response:
    """``GET /groups/:id``. Source: https://docs.gitlab.com/api/groups/ ."""
    group = find_group(site, call)
    parent, _, path = group.login.rpartition("/")
    above = site.world.accounts.get(parent)
    return json_response(
        {
            "id": group.id,
            "name": path,
            "path": path,
            "full_name": group.login.replace("/", " / "),
            "full_path": group.login,
            "parent_id": None if above is None else above.id,
            "visibility": "private",
            "web_url": f"{site.world.base_url}/groups/{group.login}",
            "created_at": render.stamp(group.created_at),
        }
    )


async def list_group_projects(site: GitLabSite, call: Call) -> Response:
    """``GET /groups/:id/projects?include_subgroups=``."""
    group = find_group(site, call)
    deep = call.request.query.get("include_subgroups") == "true"
    asker = call.asker.account
    found = [
        render.project(site.world, one, asker)
        for one in site.world.repositories.values()
        if not one.deleted
        and (asker is not None and one.role_of(asker) >= Role.READ)
        and (one.owner is group or (deep and one.owner.login.startswith(f"{group.login}/")))
    ]
    return page_of(call.request, site.world.base_url, found)


def find_group(site: GitLabSite, call: Call) -> Account:
    """The group of the path, by id or by path. Raises ``Denial`` 404."""
    name = call.params["group"]
    group = site.world.account_by_id(int(name)) if name.isdecimal() else site.world.accounts.get(name)
    if group is None or group.kind is not AccountKind.ORGANIZATION:
        raise not_found("Group")
    return group


async def get_group_member(site: GitLabSite, call: Call) -> Response:
    """``GET /groups/:id/members/:user_id``: direct members only.

    Source: https://docs.gitlab.com/api/group_members/ .
    """
    account = site.world.account_by_id(call.number("user_id"))
    members = site.world.members.get(find_group(site, call).id, {})
    if account is None or account.id not in members:
        raise not_found()
    return json_response(render.member(site.world, account, members[account.id]))


async def get_member(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/members/all/:user_id``: who is no member is not found, even where all may read.

    Source: https://docs.gitlab.com/api/project_members/ .
    """
    repository = call.repository
    account = site.world.account_by_id(call.number("user_id"))
    owner = account is not None and account is repository.owner
    if account is None or (not owner and repository.roles.get(account.id, Role.NONE) == Role.NONE):
        raise not_found()
    return json_response(render.member(site.world, account, repository.role_of(account)))


async def list_members(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/members/all``."""
    repository = call.repository
    members = [one for one in site.world.accounts.values() if repository.roles.get(one.id, Role.NONE) > Role.NONE]
    rendered = [render.member(site.world, one, repository.role_of(one)) for one in members]
    return page_of(call.request, site.world.base_url, rendered)


async def list_labels(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/labels``. Source: https://docs.gitlab.com/api/labels/ ."""
    labels = site.world.labels.get(call.repository.id, {}).values()
    return page_of(call.request, site.world.base_url, [render.label(one, call.repository) for one in labels])


async def get_label(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/labels/:label_id``, by id or by name."""
    wanted = call.params["label"]
    for label in site.world.labels.get(call.repository.id, {}).values():
        if wanted in {label.name, str(label.id)}:
            return json_response(render.label(label, call.repository))
    raise not_found("Label")


async def create_label(site: GitLabSite, call: Call) -> Response:
    """``POST /projects/:id/labels``: 409 where there is one of that name."""
    name, color = call.needed("name"), call.needed("color")
    labels = site.world.labels.setdefault(call.repository.id, {})
    if name in labels:
        raise denied(409, "Label already exists")
    if COLOR.fullmatch(color) is None:
        raise invalid("color", "must be a valid color code")
    label = Label(id=site.world.new_id(), name=name, color=color, description=call.text("description"))
    labels[name] = label
    return json_response(render.label(label, call.repository), status=201)


async def list_group_labels(site: GitLabSite, call: Call) -> Response:
    """``GET /groups/:id/labels``. Source: https://docs.gitlab.com/api/group_labels/ ."""
    labels = site.world.labels.get(find_group(site, call).id, {}).values()
    return page_of(call.request, site.world.base_url, [render.group_label(one) for one in labels])


async def create_group_label(site: GitLabSite, call: Call) -> Response:
    """``POST /groups/:id/labels``: 409 where there is one of that name."""
    name, color = call.needed("name"), call.needed("color")
    labels = site.world.labels.setdefault(find_group(site, call).id, {})
    if name in labels:
        raise denied(409, "Label already exists")
    if COLOR.fullmatch(color) is None:
        raise invalid("color", "must be a valid color code")
    labels[name] = Label(id=site.world.new_id(), name=name, color=color, description=call.text("description"))
    return json_response(render.group_label(labels[name]), status=201)


async def list_protected_branches(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/protected_branches``. Source: https://docs.gitlab.com/api/protected_branches/ ."""
    found = [render.protected_branch(call.repository, name) for name in sorted(call.repository.protected)]
    return page_of(call.request, site.world.base_url, found)


async def get_protected_branch(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/protected_branches/:name``."""
    del site
    if call.params["branch"] not in call.repository.protected:
        raise not_found()
    return json_response(render.protected_branch(call.repository, call.params["branch"]))


_PROJECT = "/projects/{project}"

ROUTES = (
    Route("GET", "/version", SignedIn(), get_version),
    Route("GET", "/metadata", SignedIn(), get_metadata),
    Route("GET", "/user", SignedIn(), get_own_user),
    Route("GET", "/users", Anyone(), list_users),
    Route("GET", "/users/{user_id:int}", Anyone(), get_user),
    Route("GET", "/personal_access_tokens/self", SignedIn(), get_own_token),
    Route("GET", "/projects", Anyone(), list_projects),
    Route("GET", "/groups/{group}", SignedIn(), get_group),
    Route("GET", "/groups/{group}/projects", SignedIn(), list_group_projects),
    Route("GET", "/groups/{group}/members/{user_id:int}", SignedIn(), get_group_member),
    Route("GET", "/groups/{group}/labels", SignedIn(), list_group_labels),
    Route("POST", "/groups/{group}/labels", SignedIn(), create_group_label),
    Route("GET", _PROJECT, SEE, get_project),
    Route("GET", _PROJECT + "/members/all", SEE, list_members),
    Route("GET", _PROJECT + "/members/all/{user_id:int}", SEE, get_member),
    Route("GET", _PROJECT + "/labels", SEE, list_labels),
    Route("GET", _PROJECT + "/labels/{label}", SEE, get_label),
    Route("POST", _PROJECT + "/labels", REPORT, create_label),
    Route("GET", _PROJECT + "/protected_branches", MAINTAIN, list_protected_branches),
    Route("GET", _PROJECT + "/protected_branches/{branch}", MAINTAIN, get_protected_branch),
)
