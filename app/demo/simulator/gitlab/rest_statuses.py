"""Endpoints of commit statuses and pipelines. Source: https://docs.gitlab.com/api/commits/#commit-status ."""

from app.demo.simulator.gitlab import render
from app.demo.simulator.gitlab.acts_pipelines import ALLOWED, move, new_pipeline, new_status
from app.demo.simulator.gitlab.limits import LONGEST_STATUS_TEXT
from app.demo.simulator.gitlab.messages import denied, forbidden, malformed, not_found, page_of
from app.demo.simulator.gitlab.render import Json
from app.demo.simulator.gitlab.rest_threads import find_pull
from app.demo.simulator.gitlab.routes import DEVELOP, SEE, Call, Route
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.gitlab.state import CommitStatus, Pipeline
from app.demo.simulator.messages import Response, json_response
from app.demo.simulator.state import Role


def _status(site: GitLabSite, one: CommitStatus) -> Json:
    """A status. The answer to who posts one does not tell its pipeline's id."""
    return {
        "id": one.id,
        "sha": one.pipeline.sha,
        "ref": one.pipeline.ref,
        "status": one.status,
        "name": one.name,
        "target_url": one.target_url,
        "description": one.description,
        "created_at": render.stamp(one.created_at),
        "started_at": render.stamp(one.started_at),
        "finished_at": render.stamp(one.finished_at),
        "allow_failure": False,
        "coverage": one.coverage,
        "author": render.user(site.world, one.author),
    }


async def list_statuses(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/repository/commits/:sha/statuses?ref=&name=&pipeline_id=&all=``, oldest first."""
    query = call.request.query
    sha = await site.git.resolve(call.repository, call.params["sha"])
    if sha is None:
        raise not_found("Commit")
    found = [
        _status(site, one) | {"pipeline_id": one.pipeline.id}
        for one in site.world.statuses_of(call.repository, sha)
        if (query.get("all") in {"true", "1"} or not one.retried)
        and query.get("ref") in {None, one.pipeline.ref}
        and query.get("name") in {None, one.name}
        and query.get("pipeline_id") in {None, str(one.pipeline.id)}
    ]
    return page_of(call.request, site.world.base_url, found)


async def post_status(site: GitLabSite, call: Call) -> Response:
    """``POST /projects/:id/statuses/:sha``.

    It goes into the newest pipeline of the commit (and ``ref``, and ``pipeline_id``), and makes an external one where
    there is none. A status of the same name, person and ref that is pending or running moves on; one that ended stays,
    and another takes its place.
    """
    repository = call.repository
    sha = await site.git.resolve(repository, call.params["sha"])
    if sha is None:
        raise not_found("Commit")
    state = call.needed("state")
    if state not in ALLOWED:
        raise malformed("state does not have a valid value")
    for name in ("name", "context", "description", "target_url"):
        call.text(name, longest=LONGEST_STATUS_TEXT)
    pipeline = await _pipeline_for(site, call, sha)
    if pipeline.ref in repository.protected and repository.role_of(call.actor) < Role.MAINTAIN:
        raise forbidden()
    name = call.text("name") or call.text("context") or "default"
    going = [one for one in pipeline.latest if one.name == name and one.author is call.actor and not one.is_job]
    status = next((one for one in going if one.status in {"created", "pending", "running"}), None)
    if status is None:
        status = new_status(site, pipeline, name, call.actor)
    move(site, status, state)
    given = call.given()
    status.target_url = call.text("target_url") if "target_url" in given else status.target_url
    status.description = call.text("description") if "description" in given else status.description
    return json_response(_status(site, status), status=201)


async def _pipeline_for(site: GitLabSite, call: Call, sha: str) -> Pipeline:
    ref, wanted = call.text("ref"), call.given().get("pipeline_id")
    found = [
        one
        for one in site.world.pipelines_of(call.repository)
        if one.sha == sha and ref in {None, one.ref} and (wanted is None or str(wanted) == str(one.id))
    ]
    if found:
        return found[0]
    if wanted is not None:
        raise not_found("Pipeline for pipeline_id, sha and ref")
    if ref is None:
        command = ("for-each-ref", "--contains", sha, "--format=%(refname:lstrip=2)", "refs/heads")
        branches = (await site.git.text(call.repository.directory, *command)).splitlines()
        if not branches:
            raise not_found("References for commit")
        ref = branches[0]
    return new_pipeline(site, call.repository, sha=sha, ref=ref, source="external", user=call.actor)


def _pipeline(site: GitLabSite, one: Pipeline) -> Json:
    return {
        "id": one.id,
        "iid": one.iid,
        "project_id": one.repository.id,
        "sha": one.sha,
        "ref": one.ref,
        "status": one.status,
        "source": one.source,
        "name": None,
        "created_at": render.stamp(one.created_at),
        "updated_at": render.stamp(one.updated_at),
        "web_url": f"{render.page(site.world, one.repository)}/-/pipelines/{one.id}",
    }


async def list_pipelines(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/pipelines?sha=&ref=&status=``, the newest first."""
    query = call.request.query
    found = [
        _pipeline(site, one)
        for one in site.world.pipelines_of(call.repository)
        if query.get("sha") in {None, one.sha}
        and query.get("ref") in {None, one.ref}
        and query.get("status") in {None, one.status}
    ]
    return page_of(call.request, site.world.base_url, found)


async def list_pull_pipelines(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/merge_requests/:iid/pipelines``, the newest first."""
    found = [_pipeline(site, one) for one in site.world.pipelines_for(find_pull(call))]
    return page_of(call.request, site.world.base_url, found)


def _find(site: GitLabSite, call: Call) -> Pipeline:
    pipeline = site.world.pipelines.get(call.number("pipeline_id"))
    if pipeline is None or pipeline.repository is not call.repository:
        raise not_found()
    return pipeline


async def get_pipeline(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/pipelines/:pipeline_id``."""
    pipeline = _find(site, call)
    more = {"before_sha": "0" * 40, "tag": False, "yaml_errors": None, "user": render.user(site.world, pipeline.user)}
    return json_response(_pipeline(site, pipeline) | more)


async def list_jobs(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/pipelines/:pipeline_id/jobs?scope[]=``: statuses from outside are none."""
    scopes = [value for name, value in call.request.pairs if name in {"scope", "scope[]"}]
    found = [_job(site, one) for one in _find(site, call).latest if one.is_job and (not scopes or one.status in scopes)]
    return page_of(call.request, site.world.base_url, found)


def _job(site: GitLabSite, one: CommitStatus) -> Json:
    page = render.page(site.world, one.pipeline.repository)
    return {
        "id": one.id,
        "name": one.name,
        "stage": one.stage,
        "status": one.status,
        "ref": one.pipeline.ref,
        "tag": False,
        "allow_failure": False,
        "coverage": one.coverage,
        "created_at": render.stamp(one.created_at),
        "started_at": render.stamp(one.started_at),
        "finished_at": render.stamp(one.finished_at),
        "duration": None,
        "failure_reason": "script_failure" if one.status == "failed" else None,
        "user": render.user(site.world, one.author),
        "pipeline": _pipeline(site, one.pipeline),
        "web_url": f"{page}/-/jobs/{one.id}",
        "artifacts": [],
        "runner": None,
    }


async def get_trace(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/jobs/:job_id/trace``. Source: https://docs.gitlab.com/api/jobs/#get-a-log-file ."""
    wanted = call.number("job_id")
    for one in site.world.statuses_of(call.repository):
        if one.id == wanted and one.trace is not None:
            return Response(headers={"content-type": "text/plain"}, body=one.trace.encode())
    raise denied(404, "404 Not Found")


_PROJECT = "/projects/{project}"

ROUTES = (
    Route("GET", _PROJECT + "/repository/commits/{sha}/statuses", SEE, list_statuses),
    Route("POST", _PROJECT + "/statuses/{sha}", DEVELOP, post_status),
    Route("GET", _PROJECT + "/pipelines", SEE, list_pipelines),
    Route("GET", _PROJECT + "/pipelines/{pipeline_id:int}", SEE, get_pipeline),
    Route("GET", _PROJECT + "/pipelines/{pipeline_id:int}/jobs", SEE, list_jobs),
    Route("GET", _PROJECT + "/jobs/{job_id:int}/trace", SEE, get_trace),
    Route("GET", _PROJECT + "/merge_requests/{iid:int}/pipelines", SEE, list_pull_pipelines),
)
