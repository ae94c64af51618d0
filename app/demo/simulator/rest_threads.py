"""Endpoints of pull requests, comments and reactions."""

from app.demo.simulator import acts_threads, render_threads
from app.demo.simulator.acts_refs import find_mergeable, open_pull
from app.demo.simulator.acts_threads import close_pull
from app.demo.simulator.app_auth import InstallationToken, UserPrincipal, may
from app.demo.simulator.limits import LONGEST_COMMENT, REACTIONS, check_comment, failed, invalid, text_of
from app.demo.simulator.messages import Refusal, Response, json_response, not_found, page_of
from app.demo.simulator.routes import PULLS, PULLS_WRITE, TALK, TALK_WRITE, Call, Route
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import Comment, Issue, PullRequest, Role

LONGEST_TITLE = 256
"""Source: GitHub's refusal, "title is too long (maximum is 256 characters)"."""


async def get_pull(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/pulls/{number}``.

    The first request after a change finds ``mergeable`` null and makes GitHub compute it in the background.
    Source: https://docs.github.com/rest/pulls/pulls#get-a-pull-request .
    """
    pull = call.repository.threads.get(call.number("number"))
    if not isinstance(pull, PullRequest):
        raise not_found()
    body = render_threads.pull_request(site.world, pull, site.numbers.get((pull.base_sha, pull.head_sha), (0, 0, 0, 0)))
    if pull.open and pull.mergeable is None:
        site.spawn(find_mergeable(site, pull), name=f"mergeable {pull.number}")
    return json_response(body)


async def list_remarks(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/pulls/{number}/comments?sort=&direction=``, oldest first unless asked otherwise."""
    pull = call.repository.threads.get(call.number("number"))
    if not isinstance(pull, PullRequest):
        raise not_found()
    found = [render_threads.remark(site.world, pull, one) for one in pull.remarks]
    if call.request.query.get("direction") == "desc":
        found.reverse()
    page, headers = page_of(call.request, site.world.base_url, found)
    return json_response(page, headers=headers)


async def list_pulls(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/pulls?state=&head=owner:branch&base=&direction=``, by when they were opened."""
    query = call.request.query
    state = query.get("state", "open")
    if state not in {"open", "closed", "all"}:
        raise invalid(f"For 'state', {state} is not a member of ['open', 'closed', 'all'].")
    pulls = sorted(call.repository.pull_requests(), key=lambda pull: pull.number)
    found = [
        render_threads.pull_request_simple(site.world, pull)
        for pull in (pulls if query.get("direction") == "asc" else reversed(pulls))
        if state in {"all", "open" if pull.open else "closed"}
        and query.get("base") in {None, "", pull.base_ref}
        and query.get("head") in {None, "", f"{pull.head_repository.owner.login}:{pull.head_ref}"}
    ]
    page, headers = page_of(call.request, site.world.base_url, found)
    return json_response(page, headers=headers)


async def create_pull(site: GitHubSite, call: Call) -> Response:
    """``POST /repos/{owner}/{repo}/pulls``, from a branch of the repository itself.

    Source: https://docs.github.com/rest/pulls/pulls#create-a-pull-request .
    """
    body, repository = call.request.json(), call.repository
    title = text_of(body, "title", required=True, longest=LONGEST_TITLE) or ""
    head = (text_of(body, "head", required=True) or "").removeprefix(f"{repository.owner.login}:")
    base = text_of(body, "base", required=True) or ""
    for name, branch in (("head", head), ("base", base)):
        if repository.branch(branch) is None:
            raise failed("PullRequest", name, "invalid")
    if any(
        pull.repository is repository and pull.base_ref == base
        for pull in site.world.pull_requests_from(repository, head)
    ):
        raise failed("PullRequest", "", "custom", f"A pull request already exists for {repository.owner.login}:{head}.")
    tips = repository.refs[f"refs/heads/{head}"], repository.refs[f"refs/heads/{base}"]
    if await site.git.is_ancestor(repository.directory, *tips):
        raise failed("PullRequest", "", "custom", f"No commits between {base} and {head}")
    pull = await open_pull(
        site,
        repository,
        call.actor(site),
        head_repository=repository,
        head=head,
        base=base,
        title=title,
        body=text_of(body, "body", longest=LONGEST_COMMENT) or "",
        draft=body.get("draft") is True,
        maintainer_can_modify=False,
    )
    rendered = render_threads.pull_request(site.world, pull, site.numbers[pull.base_sha, pull.head_sha])
    return json_response(rendered, status=201, headers={"location": str(rendered["url"])})


async def update_pull(site: GitHubSite, call: Call) -> Response:
    """``PATCH /repos/{owner}/{repo}/pulls/{number}``, of which only closing is simulated.

    Source: https://docs.github.com/rest/pulls/pulls#update-a-pull-request .
    """
    pull = call.repository.threads.get(call.number("number"))
    if not isinstance(pull, PullRequest):
        raise not_found()
    if call.request.json() != {"state": "closed"}:
        raise invalid("The simulator only closes pull requests.")
    if pull.open:
        close_pull(site, pull, call.actor(site))
    numbers = site.numbers.get((pull.base_sha, pull.head_sha), (0, 0, 0, 0))
    return json_response(render_threads.pull_request(site.world, pull, numbers))


def _issue(call: Call, *, write: bool) -> Issue:
    issue = call.repository.threads.get(call.number("number"))
    if issue is None:
        raise not_found()
    _on_thread(call, issue, write=write)
    return issue


def _on_thread(call: Call, issue: Issue, *, write: bool) -> None:
    """A plain issue takes the permission on issues; for a pull request either of the two is enough."""
    if isinstance(call.principal, InstallationToken) and not isinstance(issue, PullRequest):
        may(call.principal, call.repository, (("issues", "write" if write else "read"),))


async def get_issue(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/issues/{number}``."""
    return json_response(render_threads.issue(site.world, _issue(call, write=False)))


async def create_comment(site: GitHubSite, call: Call) -> Response:
    """``POST /repos/{owner}/{repo}/issues/{number}/comments``."""
    issue = _issue(call, write=True)
    body = check_comment(call.request.json())
    via_app = isinstance(call.principal, InstallationToken)
    comment = acts_threads.create_comment(site, issue, call.actor(site), body, via_app=via_app)
    rendered = render_threads.comment(site.world, comment)
    return json_response(rendered, status=201, headers={"location": str(rendered["url"])})


async def list_comments(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/issues/{number}/comments``, oldest first."""
    comments = [render_threads.comment(site.world, one) for one in _issue(call, write=False).comments.values()]
    page, headers = page_of(call.request, site.world.base_url, comments)
    return json_response(page, headers=headers)


def _comment(call: Call, *, write: bool) -> Comment:
    wanted = call.number("comment_id")
    for issue in call.repository.threads.values():
        if wanted in issue.comments:
            _on_thread(call, issue, write=write)
            return issue.comments[wanted]
    raise not_found()


def _may_change(site: GitHubSite, call: Call, comment: Comment) -> None:
    """People change their own comments, those with write access everybody's; an App only its own."""
    match call.principal:
        case InstallationToken():
            allowed = comment.author is site.world.bot
        case UserPrincipal(account=account):
            allowed = comment.author is account or call.repository.role_of(account) >= Role.WRITE
        case _:
            allowed = False
    if not allowed:
        raise Refusal(403, "Resource not accessible by integration")


async def get_comment(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/issues/comments/{comment_id}``."""
    return json_response(render_threads.comment(site.world, _comment(call, write=False)))


async def update_comment(site: GitHubSite, call: Call) -> Response:
    """``PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}``."""
    comment = _comment(call, write=True)
    _may_change(site, call, comment)
    acts_threads.edit_comment(site, comment, call.actor(site), check_comment(call.request.json()))
    return json_response(render_threads.comment(site.world, comment))


async def delete_comment(site: GitHubSite, call: Call) -> Response:
    """``DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}``."""
    comment = _comment(call, write=True)
    _may_change(site, call, comment)
    acts_threads.delete_comment(site, comment, call.actor(site))
    return Response(status=204)


async def list_reactions(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions``."""
    given = [render_threads.reaction(site.world, one) for one in _comment(call, write=False).reactions]
    page, headers = page_of(call.request, site.world.base_url, given)
    return json_response(page, headers=headers)


async def react(site: GitHubSite, call: Call) -> Response:
    """``POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions``: 201, or 200 when it was there."""
    comment = _comment(call, write=True)
    content = call.request.json().get("content")
    if content not in REACTIONS:
        raise invalid(f"For 'content', {content} is not a member of {sorted(REACTIONS)}.")
    reaction, new = acts_threads.react(site, comment, call.actor(site), str(content))
    return json_response(render_threads.reaction(site.world, reaction), status=201 if new else 200)


_COMMENT = "/repos/{owner}/{repo}/issues/comments/{comment_id:int}"
_ISSUE = "/repos/{owner}/{repo}/issues/{number:int}"

ROUTES = (
    Route("GET", "/repos/{owner}/{repo}/pulls", PULLS, list_pulls),
    Route("GET", "/repos/{owner}/{repo}/pulls/{number:int}", PULLS, get_pull),
    Route("GET", "/repos/{owner}/{repo}/pulls/{number:int}/comments", PULLS, list_remarks),
    Route("POST", "/repos/{owner}/{repo}/pulls", PULLS_WRITE, create_pull),
    Route("PATCH", "/repos/{owner}/{repo}/pulls/{number:int}", PULLS_WRITE, update_pull),
    Route("GET", _ISSUE, TALK, get_issue),
    Route("GET", _ISSUE + "/comments", TALK, list_comments),
    Route("POST", _ISSUE + "/comments", TALK_WRITE, create_comment),
    Route("GET", _COMMENT, TALK, get_comment),
    Route("PATCH", _COMMENT, TALK_WRITE, update_comment),
    Route("DELETE", _COMMENT, TALK_WRITE, delete_comment),
    Route("GET", _COMMENT + "/reactions", TALK, list_reactions),
    Route("POST", _COMMENT + "/reactions", TALK_WRITE, react),
)
