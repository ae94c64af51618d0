"""Endpoints of check runs. Source: https://docs.github.com/rest/checks/runs ."""

from collections.abc import Mapping

from app.demo.simulator import render_threads
from app.demo.simulator.github_voice import announce_check
from app.demo.simulator.limits import check_run_fields, moment_of, text_of
from app.demo.simulator.messages import Refusal, Response, json_response, not_found, page_of
from app.demo.simulator.routes import CHECKS, CHECKS_WRITE, STATUSES, Call, Route
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import OTHER_APP_ID, CheckRun


async def create_check_run(site: GitHubSite, call: Call) -> Response:
    """``POST /repos/{owner}/{repo}/check-runs``."""
    call.token()
    body = call.request.json()
    name = text_of(body, "name", required=True)
    head_sha = text_of(body, "head_sha", required=True)
    check_run_fields(body)
    repository = call.repository
    sha = None if head_sha is None else await site.git.resolve(repository, head_sha)
    if sha is None or name is None:
        raise Refusal(422, f"No commit found for SHA: {head_sha}")
    suite = site.world.suites.setdefault((repository.id, sha), site.world.new_id())
    check = CheckRun(
        id=site.world.new_id(),
        suite_id=suite,
        repository=repository,
        name=name,
        head_sha=sha,
        external_id="",
        details_url=f"{site.world.base_url}/apps/{site.world.app.slug}/home",
        status="queued",
        conclusion=None,
        started_at=site.world.now(),
        completed_at=None,
    )
    site.world.check_runs[check.id] = check
    _apply(site, check, body)
    announce_check(site, "created", check, call.actor(site))
    if check.status == "completed":
        announce_check(site, "completed", check, call.actor(site))
    return json_response(render_threads.check_run(site.world, check), status=201)


def _apply(site: GitHubSite, check: CheckRun, body: Mapping[str, object]) -> None:
    """Write the given fields. A conclusion completes the run; another status takes the conclusion away."""
    check.name = text_of(body, "name") or check.name
    check.external_id = text_of(body, "external_id") or check.external_id
    check.details_url = text_of(body, "details_url") or check.details_url
    check.started_at = moment_of(body, "started_at") or check.started_at
    conclusion, status = text_of(body, "conclusion"), text_of(body, "status")
    if conclusion is not None:
        check.status, check.conclusion = "completed", conclusion
        check.completed_at = moment_of(body, "completed_at") or site.world.now()
    elif status is not None:
        check.status, check.conclusion, check.completed_at = status, None, None
    output = body.get("output")
    if isinstance(output, dict):
        check.title = text_of(output, "title")
        check.summary = text_of(output, "summary")
        if "text" in output:
            check.text = text_of(output, "text")
        check.annotations.extend(output.get("annotations", []))
    actions = body.get("actions")
    if isinstance(actions, list):
        check.actions = [dict(action) for action in actions]


def _check(site: GitHubSite, call: Call) -> CheckRun:
    check = site.world.check_runs.get(call.number("check_run_id"))
    if check is None or check.repository is not call.repository:
        raise not_found()
    return check


async def update_check_run(site: GitHubSite, call: Call) -> Response:
    """``PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}``: annotations are added, all else is replaced."""
    call.token()
    check = _check(site, call)
    body = call.request.json()
    check_run_fields(body)
    was_completed = check.status == "completed"
    _apply(site, check, body)
    if check.status == "completed" and not was_completed:
        announce_check(site, "completed", check, call.actor(site))
    site.world.changed()
    return json_response(render_threads.check_run(site.world, check))


async def get_check_run(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/check-runs/{check_run_id}``."""
    return json_response(render_threads.check_run(site.world, _check(site, call)))


async def list_annotations(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations``."""
    check = _check(site, call)
    empty = {"start_column": None, "end_column": None, "title": None, "raw_details": None}
    href = f"{site.world.base_url}/{call.repository.full_name}/blob/{check.head_sha}"
    found = [{**empty, **annotation, "blob_href": f"{href}/{annotation['path']}"} for annotation in check.annotations]
    page, headers = page_of(call.request, site.world.base_url, found)
    return json_response(page, headers=headers)


async def list_check_runs(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/commits/{ref}/check-runs?check_name=&status=&filter=&app_id=``, newest first."""
    query = call.request.query
    repository = call.repository
    sha = await site.git.resolve(repository, call.params["ref"])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {call.params['ref']}")
    found = [
        check
        for check in reversed(site.world.check_runs.values())
        if check.repository is repository
        and check.head_sha == sha
        and query.get("check_name") in {None, check.name}
        and query.get("status") in {None, check.status}
        and query.get("app_id") in {None, str(OTHER_APP_ID if check.foreign else site.world.app.id)}
    ]
    if query.get("filter", "latest") == "latest":
        found = list({check.name: check for check in reversed(found)}.values())[::-1]
    page, headers = page_of(
        call.request, site.world.base_url, [render_threads.check_run(site.world, check) for check in found]
    )
    return json_response({"total_count": len(found), "check_runs": page}, headers=headers)


async def list_statuses(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/commits/{ref}/statuses``, newest first."""
    sha = await site.git.resolve(call.repository, call.params["ref"])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {call.params['ref']}")
    found = [
        render_threads.commit_status(site.world, one)
        for one in reversed(site.world.statuses)
        if one.repository is call.repository and one.sha == sha
    ]
    page, headers = page_of(call.request, site.world.base_url, found)
    return json_response(page, headers=headers)


_CHECK = "/repos/{owner}/{repo}/check-runs/{check_run_id:int}"

ROUTES = (
    Route("POST", "/repos/{owner}/{repo}/check-runs", CHECKS_WRITE, create_check_run),
    Route("GET", _CHECK, CHECKS, get_check_run),
    Route("PATCH", _CHECK, CHECKS_WRITE, update_check_run),
    Route("GET", _CHECK + "/annotations", CHECKS, list_annotations),
    Route("GET", "/repos/{owner}/{repo}/commits/{ref:rest}/check-runs", CHECKS, list_check_runs),
    Route("GET", "/repos/{owner}/{repo}/commits/{ref:rest}/statuses", STATUSES, list_statuses),
)
