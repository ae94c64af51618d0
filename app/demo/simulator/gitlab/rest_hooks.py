"""Endpoints of the webhooks of projects and groups. Source: https://docs.gitlab.com/api/project_webhooks/ ."""

from app.demo.simulator.gitlab import render, render_hooks
from app.demo.simulator.gitlab.messages import denied, invalid, malformed, not_found, page_of
from app.demo.simulator.gitlab.render import Json
from app.demo.simulator.gitlab.rest_projects import find_group
from app.demo.simulator.gitlab.routes import MAINTAIN, Call, Route, SignedIn
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.gitlab.state import HOOK_EVENTS, Hook
from app.demo.simulator.gitlab.webhooks import EVENT_NAMES
from app.demo.simulator.messages import Response, json_response
from app.demo.simulator.state import Account, Repository, Role
from app.demo.simulator.voice import Push
from app.demo.simulator.webhooks import Delivery

GOES_WITHOUT_SAYING = "push_events"


def _hook(site: GitLabSite, one: Hook) -> Json:
    """A hook. Its secrets are never told."""
    body: Json = {
        "id": one.id,
        "url": one.url or site.webhooks.url or "",
        "name": one.name,
        "description": one.description,
        "created_at": render.stamp(one.created_at),
        "push_events_branch_filter": one.branch_filter or None,
        "branch_filter_strategy": "wildcard",
        "enable_ssl_verification": one.ssl,
        "repository_update_events": False,
        "alert_status": site.webhooks.alert_status(one),
        "disabled_until": render.stamp(one.disabled_until),
        "url_variables": [],
        "custom_webhook_template": None,
        "custom_headers": [],
        **({"token_present": bool(one.token), "signing_token_present": bool(one.signing_token)} if site.signs else {}),
        **{name: name in one.events for name in HOOK_EVENTS},
    }
    if one.repository is not None:
        body["project_id"] = one.repository.id
    if one.group is not None:
        body["group_id"] = one.group.id
    return body


def _group(site: GitLabSite, call: Call) -> Account:
    """The group of the path, for its Owners only. Raises ``Denial`` 403 or 404."""
    group = find_group(site, call)
    held = [one.role_of(call.actor) for one in site.world.repositories.values() if one.owner is group]
    if not held or max(held) < Role.ADMIN:
        raise denied(403, "403 Forbidden")
    return group


def _owned(site: GitLabSite, call: Call) -> list[Hook]:
    if call.found is not None:
        return [one for one in site.world.hooks.values() if one.repository is call.found]
    group = _group(site, call)
    return [one for one in site.world.hooks.values() if one.group is group]


def _find(site: GitLabSite, call: Call) -> Hook:
    wanted = call.number("hook_id")
    for hook in _owned(site, call):
        if hook.id == wanted:
            return hook
    raise not_found()


async def list_hooks(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/hooks``, ``GET /groups/:id/hooks``."""
    return page_of(call.request, site.world.base_url, [_hook(site, one) for one in _owned(site, call)])


async def get_hook(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/hooks/:hook_id``."""
    return json_response(_hook(site, _find(site, call)))


def _write(hook: Hook, call: Call, *, signs: bool) -> None:
    """Take over what was sent along; a GitLab that cannot sign ignores a signing token. Raises ``Denial`` 400 or 422.

    Source: https://gitlab.com/gitlab-org/gitlab/-/merge_requests/231325 .
    """
    url = call.text("url")
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise denied(422, {"error": "Invalid url given"})
        hook.url = url
    token, signing = call.text("token"), call.text("signing_token")
    if token is not None and "\n" in token:
        raise invalid("token", "must not contain newlines")
    hook.token = hook.token if token is None else token
    hook.signing_token = hook.signing_token if signing is None or not signs else signing
    hook.name = call.text("name") or hook.name
    hook.description = call.text("description") or hook.description
    hook.branch_filter = call.text("push_events_branch_filter") or hook.branch_filter
    ssl = call.flag("enable_ssl_verification")
    hook.ssl = hook.ssl if ssl is None else ssl
    for name in HOOK_EVENTS:
        wanted = call.flag(name)
        if wanted is not None:
            (hook.events.add if wanted else hook.events.discard)(name)


async def create_hook(site: GitLabSite, call: Call) -> Response:
    """``POST /projects/:id/hooks``, ``POST /groups/:id/hooks``: pushes are told unless it says otherwise."""
    call.needed("url")
    hook = Hook(
        id=site.world.new_id(),
        url="",
        created_at=site.world.now(),
        events={GOES_WITHOUT_SAYING},
        repository=call.found,
        group=None if call.found is not None else _group(site, call),
    )
    _write(hook, call, signs=site.signs)
    site.world.hooks[hook.id] = hook
    site.world.changed()
    return json_response(_hook(site, hook), status=201)


async def update_hook(site: GitLabSite, call: Call) -> Response:
    """``PUT /projects/:id/hooks/:hook_id``. Another address starts without failures."""
    hook = _find(site, call)
    before = hook.url
    _write(hook, call, signs=site.signs)
    if hook.url != before:
        hook.failures, hook.disabled_until = 0, None
    site.world.changed()
    return json_response(_hook(site, hook))


async def delete_hook(site: GitLabSite, call: Call) -> Response:
    """``DELETE /projects/:id/hooks/:hook_id``."""
    del site.world.hooks[_find(site, call).id]
    site.world.changed()
    return Response(status=204)


async def test_hook(site: GitLabSite, call: Call) -> Response:
    """``POST /projects/:id/hooks/:hook_id/test/:trigger``, which is sent even where the hook is turned off.

    A good answer turns it on again.
    """
    hook, trigger = _find(site, call), call.params["trigger"]
    if trigger not in EVENT_NAMES:
        raise malformed("trigger does not have a valid value")
    repository = call.found or next(one for one in site.world.repositories.values() if hook.covers(one))
    payload = await _example(site, trigger, repository, call.actor)
    delivery = site.webhooks.delivery(hook, EVENT_NAMES[trigger], payload, repository)
    site.webhooks.deliveries.append(delivery)
    return _told(await site.webhooks.send_now(delivery), delivery)


async def _example(site: GitLabSite, trigger: str, repository: Repository, actor: Account) -> dict[str, object]:
    """What a test tells: something that is there. Raises ``Denial`` 422 where there is nothing."""
    world = site.world
    pulls = repository.pull_requests()
    if trigger in {"push_events", "tag_push_events"}:
        sha = repository.branch(repository.default_branch)
        if sha is None:
            raise denied(422, "Ensure the project has at least one commit.")
        commits = await site.git.commits(repository.directory, sha, limit=1)
        push = Push(
            repository=repository,
            ref=f"refs/heads/{repository.default_branch}",
            old=sha,
            new=sha,
            forced=False,
            commits=commits,
            head=commits[-1],
            paths=await site.git.changed_paths(repository.directory, [sha]),
        )
        return render_hooks.push_event(world, push, actor)
    if trigger == "merge_requests_events" and pulls:
        return render_hooks.merge_request_event(world, pulls[-1], None, "open", actor, changes={})
    if trigger == "issues_events" and repository.issues:
        return render_hooks.issue_event(world, list(repository.issues.values())[-1], "open", actor, {})
    notes = [note for thread in (*pulls, *repository.issues.values()) for note in thread.comments.values()]
    if trigger == "note_events" and notes:
        return render_hooks.note_event(world, notes[-1], None, "create", actor)
    pipelines = world.pipelines_of(repository)
    if trigger == "pipeline_events" and pipelines:
        return render_hooks.pipeline_event(world, pipelines[0], None)
    raise denied(422, f"Ensure the project has {trigger.removesuffix('_events').replace('_', ' ')}.")


def _told(status: int, delivery: Delivery) -> Response:
    """How a test or another sending ended."""
    del delivery
    if status == 0:
        return json_response({"message": "Hook execution failed: no answer"}, status=422)
    if status >= 400:  # noqa: PLR2004 - HTTP
        return json_response({"message": f"Hook executed successfully but returned HTTP {status}"}, status=422)
    return json_response({"message": "201 Created"}, status=201)


async def list_hook_events(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/hooks/:hook_id/events?status=``: attempts of the last 7 days, newest first."""
    hook = _find(site, call)
    wanted = call.request.query.get("status", "")
    found = [
        {
            "id": attempt.id,
            "url": hook.url or site.webhooks.url,
            "trigger": delivery.event.removesuffix(" Hook").lower().replace(" ", "_") + "_hooks",
            "request_headers": {
                name: "[REDACTED]" if name == "X-Gitlab-Token" else value
                for name, value in site.webhooks.headers(delivery).items()
            },
            "request_data": delivery.payload,
            "response_headers": {},
            "response_body": "",
            "execution_duration": attempt.seconds,
            "response_status": str(attempt.status_code) if attempt.status_code else "internal error",
        }
        for delivery, attempt in site.webhooks.attempts()
        if delivery.hook_id == hook.id and _matches(wanted, attempt.status_code)
    ]
    return page_of(call.request, site.world.base_url, found)


def _matches(wanted: str, code: int) -> bool:
    """Whether an attempt is among those that were asked for: by a code, or by a class of codes."""
    classes = {"successful": range(200, 300), "client_failure": range(400, 500), "server_failure": range(500, 600)}
    if wanted == "":
        return True
    if wanted == "server_failure" and code == 0:
        return True
    return code in classes[wanted] if wanted in classes else wanted == str(code)


async def resend_hook_event(site: GitLabSite, call: Call) -> Response:
    """``POST /projects/:id/hooks/:hook_id/events/:hook_event_id/resend``, with the same ``Idempotency-Key``."""
    hook, wanted = _find(site, call), call.number("event_id")
    for delivery, attempt in site.webhooks.attempts():
        if attempt.id == wanted and delivery.hook_id == hook.id:
            return json_response({"response_status": await site.webhooks.send_now(delivery)}, status=201)
    raise not_found()


def _of(where: str, access: SignedIn | None) -> tuple[Route, ...]:
    needs = MAINTAIN if access is None else access
    return (
        Route("GET", f"{where}/hooks", needs, list_hooks),
        Route("POST", f"{where}/hooks", needs, create_hook),
        Route("GET", f"{where}/hooks/{{hook_id:int}}", needs, get_hook),
        Route("PUT", f"{where}/hooks/{{hook_id:int}}", needs, update_hook),
        Route("DELETE", f"{where}/hooks/{{hook_id:int}}", needs, delete_hook),
        Route("POST", f"{where}/hooks/{{hook_id:int}}/test/{{trigger}}", needs, test_hook),
        Route("GET", f"{where}/hooks/{{hook_id:int}}/events", needs, list_hook_events),
        Route("POST", f"{where}/hooks/{{hook_id:int}}/events/{{event_id:int}}/resend", needs, resend_hook_event),
    )


ROUTES = (*_of("/projects/{project}", None), *_of("/groups/{group}", SignedIn()))
