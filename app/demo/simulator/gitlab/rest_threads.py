"""Endpoints of merge requests and issues. Source: https://docs.gitlab.com/api/merge_requests/ ."""

from collections.abc import Sequence

from app.demo.simulator.acts_refs import find_mergeable, open_pull
from app.demo.simulator.acts_threads import close_pull
from app.demo.simulator.gitlab import render
from app.demo.simulator.gitlab.limits import LONGEST_TITLE
from app.demo.simulator.gitlab.messages import denied, forbidden, malformed, not_found, page_of
from app.demo.simulator.gitlab.routes import REPORT, SEE, TALK, Call, Route, role_of, visible_project
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.messages import Response, json_response
from app.demo.simulator.state import Issue, PullRequest, Repository, Role

DRAFT = "draft:"


def find_pull(call: Call) -> PullRequest:
    """The merge request of the path. Raises ``Denial`` 404."""
    pull = call.repository.threads.get(call.number("iid"))
    if not isinstance(pull, PullRequest):
        raise not_found()
    return pull


def find_issue(call: Call) -> Issue:
    """The issue of the path. Raises ``Denial`` 404."""
    issue = call.repository.issues.get(call.number("iid"))
    if issue is None:
        raise not_found("Issue")
    return issue


def _recheck(site: GitLabSite, pull: PullRequest) -> None:
    """GitLab looks whether a merge request merges once somebody asks for it, and answers before it knows."""
    if pull.open and pull.mergeable is None:
        site.spawn(find_mergeable(site, pull), name=f"mergeable {pull.number}")


async def full(site: GitLabSite, call: Call, pull: PullRequest) -> dict[str, object]:
    """A merge request with what only one asked for by itself has."""
    git, target = site.git, pull.repository.directory
    _, out = await git.run(target, "merge-base", pull.base_sha, pull.head_sha, accept=(0, 1, 128))
    base = out.decode("ascii").strip() or pull.base_sha
    changed_files = site.numbers.get((pull.base_sha, pull.head_sha), (0, 0, 0, 0))[3]
    return render.full_merge_request(
        site.world,
        pull,
        start_sha=pull.base_sha,
        base_sha=base,
        changed_files=changed_files,
        asker=call.asker.account,
    )


async def get_pull(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/merge_requests/:iid``."""
    pull = find_pull(call)
    body = await full(site, call, pull)
    _recheck(site, pull)
    return json_response(body)


async def list_pulls(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/merge_requests?state=&source_branch=&target_branch=&iids[]=&order_by=&sort=&labels=``."""
    query = call.request.query
    wanted = query.get("state", "all")
    if wanted not in {"opened", "closed", "locked", "merged", "all"}:
        raise malformed("state does not have a valid value")
    found = [
        pull
        for pull in call.repository.pull_requests()
        if wanted in {"all", render.state_of(pull)}
        and query.get("source_branch") in {None, pull.head_ref}
        and query.get("target_branch") in {None, pull.base_ref}
        and query.get("source_project_id") in {None, str(pull.head_repository.id)}
        and (query.get("labels") is None or set(query["labels"].split(",")) <= set(pull.labels))
    ]
    ordered = _ordered(call, found)
    if query.get("with_merge_status_recheck") == "true":
        for pull in ordered:
            _recheck(site, pull)
    rendered = [render.merge_request(site.world, pull) for pull in ordered]
    return page_of(call.request, site.world.base_url, rendered)


def _ordered(call: Call, found: Sequence[PullRequest]) -> list[PullRequest]:
    """The newest first, unless it says otherwise."""
    query = call.request.query
    by_update = query.get("order_by") == "updated_at"
    return sorted(
        found,
        key=lambda pull: (pull.updated_at if by_update else pull.created_at, pull.id),
        reverse=query.get("sort", "desc") == "desc",
    )


async def create_pull(site: GitLabSite, call: Call) -> Response:
    """``POST /projects/:id/merge_requests``: in the *source* project, into ``target_project_id`` or itself.

    Source: https://docs.gitlab.com/api/merge_requests/#create-mr .
    """
    source = call.repository
    head, base, title = call.needed("source_branch"), call.needed("target_branch"), call.needed("title")
    target = _target(site, call, source)
    if role_of(call.asker, source) < Role.WRITE:
        raise forbidden()
    if len(title) > LONGEST_TITLE:
        raise denied(400, {"title": [f"is too long (maximum is {LONGEST_TITLE} characters)"]})
    same = [one for one in target.pull_requests() if one.open and one.head_repository is source]
    for pull in same:
        if (pull.head_ref, pull.base_ref) == (head, base):
            raise denied(409, [f"Another open merge request already exists for this source branch: !{pull.number}"])
    if source is target and head == base:
        raise denied(400, ["You can't use same project/branch for source and target"])
    for branch, where in ((head, source), (base, target)):
        if where.branch(branch) is None:
            raise denied(400, [f'{"Source" if branch == head else "Target"} branch "{branch}" does not exist'])
    draft = title.casefold().startswith(DRAFT)
    pull = await open_pull(
        site,
        target,
        call.actor,
        head_repository=source,
        head=head,
        base=base,
        title=title[len(DRAFT) :].strip() if draft else title,
        body=call.text("description") or "",
        draft=draft,
        maintainer_can_modify=call.flag("allow_collaboration") is True,
    )
    pull.labels = _labels(call.given().get("labels"))
    return json_response(await full(site, call, pull), status=201)


def _target(site: GitLabSite, call: Call, source: Repository) -> Repository:
    wanted = call.given().get("target_project_id")
    return source if wanted is None else visible_project(site, call.asker, str(wanted))


def _labels(value: object) -> list[str]:
    """Labels as a list, or with commas between them."""
    names = value if isinstance(value, list) else str(value or "").split(",")
    return [name.strip() for name in map(str, names) if name.strip()]


async def update_pull(site: GitLabSite, call: Call) -> Response:
    """``PUT /projects/:id/merge_requests/:iid``: title, description, labels, and ``state_event``."""
    pull = find_pull(call)
    author = pull.author is call.actor
    if not author and role_of(call.asker, call.repository) < Role.WRITE:
        raise forbidden()
    changes: dict[str, tuple[object, object]] = {}
    title, body = call.text("title"), call.text("description")
    if title is not None:
        draft = title.casefold().startswith(DRAFT)
        plain = title[len(DRAFT) :].strip() if draft else title
        if draft is not pull.draft:
            changes["draft"] = (pull.draft, draft)
        if plain != pull.title:
            changes["title"] = (pull.title, plain)
        pull.title, pull.draft = plain, draft
    if body is not None and body != pull.body:
        changes["body"] = (pull.body, body)
        pull.body = body
    relabel(call, pull, changes)
    if changes:
        pull.updated_at = site.world.now()
        site.voice.pull("edited", pull, call.actor, changes)
    if call.text("state_event") == "close" and pull.open:
        close_pull(site, pull, call.actor)
    site.world.changed()
    return json_response(await full(site, call, pull))


def relabel(call: Call, thread: Issue, changes: dict[str, tuple[object, object]]) -> None:
    """Take over ``labels``, ``add_labels`` and ``remove_labels``."""
    given, before = call.given(), list(thread.labels)
    if "labels" in given:
        thread.labels = _labels(given["labels"])
    thread.labels += [name for name in _labels(given.get("add_labels")) if name not in thread.labels]
    gone = _labels(given.get("remove_labels"))
    thread.labels = [name for name in thread.labels if name not in gone]
    if thread.labels != before:
        old: list[object] = [{"title": name} for name in before]
        changes["labels"] = (old, [{"title": name} for name in thread.labels])


async def get_issue(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/issues/:iid``. Source: https://docs.gitlab.com/api/issues/ ."""
    return json_response(render.issue(site.world, find_issue(call)))


async def list_issues(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/issues?state=&labels=``, the newest first."""
    query = call.request.query
    wanted = query.get("state", "all")
    found = [
        render.issue(site.world, issue)
        for issue in reversed(call.repository.issues.values())
        if wanted in {"all", "opened" if issue.open else "closed"}
        and (query.get("labels") is None or set(query["labels"].split(",")) <= set(issue.labels))
    ]
    return page_of(call.request, site.world.base_url, found)


async def update_issue(site: GitLabSite, call: Call) -> Response:
    """``PUT /projects/:id/issues/:iid``: labels, by Reporters and above."""
    issue = find_issue(call)
    changes: dict[str, tuple[object, object]] = {}
    relabel(call, issue, changes)
    if changes:
        issue.updated_at = site.world.now()
        site.voice.issue("edited", issue, call.actor, changes)
    site.world.changed()
    return json_response(render.issue(site.world, issue))


_PULLS = "/projects/{project}/merge_requests"
_ISSUES = "/projects/{project}/issues"

ROUTES = (
    Route("GET", _PULLS, SEE, list_pulls),
    Route("POST", _PULLS, TALK, create_pull),
    Route("GET", _PULLS + "/{iid:int}", SEE, get_pull),
    Route("PUT", _PULLS + "/{iid:int}", TALK, update_pull),
    Route("GET", _ISSUES, SEE, list_issues),
    Route("GET", _ISSUES + "/{iid:int}", SEE, get_issue),
    Route("PUT", _ISSUES + "/{iid:int}", REPORT, update_issue),
)
