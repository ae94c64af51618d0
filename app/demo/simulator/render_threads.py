"""Issues, pull requests, comments, reactions and check runs in GitHub's words.

In those of version 2026-03-10 of its API, that is without ``assignee`` and ``merge_commit_sha``, which webhooks keep.
"""

import hashlib
from collections import Counter
from urllib.parse import quote

from app.demo.simulator.render import Json, account, api, app, html, node_id, repository, stamp
from app.demo.simulator.state import (
    OTHER_APP_ID,
    Account,
    CheckRun,
    Comment,
    GitHubStatus,
    GitHubWorld,
    Issue,
    PullRequest,
    Reaction,
    Remark,
    Repository,
    Role,
)

EMOJI = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


def association(repository: Repository, who: Account) -> str:
    """``author_association``: a hint for people, which says nothing about what somebody may do."""
    if who is repository.owner:
        return "OWNER"
    return "MEMBER" if repository.roles.get(who.id, Role.NONE) > Role.NONE else "NONE"


def reactions(url: str, given: list[Reaction]) -> Json:
    """The counts of the emoji under something."""
    counts = Counter(reaction.content for reaction in given)
    return {"url": f"{url}/reactions", "total_count": len(given), **{name: counts[name] for name in EMOJI}}


def reaction(world: GitHubWorld, one: Reaction) -> Json:
    """One emoji."""
    return {
        "id": one.id,
        "node_id": node_id("Reaction", one.id),
        "user": account(world, one.account),
        "content": one.content,
        "created_at": stamp(one.created_at),
    }


def thread_page(world: GitHubWorld, one: Issue) -> str:
    """The page of an issue or pull request."""
    kind = "pull" if isinstance(one, PullRequest) else "issues"
    return f"{html(world, one.repository)}/{kind}/{one.number}"


def comment(world: GitHubWorld, one: Comment) -> Json:
    """A comment."""
    url = f"{api(world, one.issue.repository)}/issues/comments/{one.id}"
    return {
        "id": one.id,
        "node_id": node_id("IssueComment", one.id),
        "url": url,
        "html_url": f"{thread_page(world, one.issue)}#issuecomment-{one.id}",
        "issue_url": f"{api(world, one.issue.repository)}/issues/{one.issue.number}",
        "body": one.body,
        "user": account(world, one.author),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "author_association": association(one.issue.repository, one.author),
        "performed_via_github_app": app(world) if one.via_app else None,
        "reactions": reactions(url, one.reactions),
    }


def remark(world: GitHubWorld, pull: PullRequest, one: Remark) -> Json:
    """A comment of a review on a line."""
    where = api(world, pull.repository)
    page = f"{thread_page(world, pull)}#discussion_r{one.id}"
    about = f"{where}/pulls/{pull.number}"
    return {
        **({} if one.answers is None else {"in_reply_to_id": one.answers.id}),
        "id": one.id,
        "node_id": node_id("PullRequestReviewComment", one.id),
        "url": f"{where}/pulls/comments/{one.id}",
        "html_url": page,
        "pull_request_url": about,
        "pull_request_review_id": one.id,
        "diff_hunk": "@@ -1 +1 @@",
        "path": one.path,
        "line": one.line,
        "side": "RIGHT",
        "subject_type": "line",
        "commit_id": one.commit,
        "original_commit_id": one.commit,
        "user": account(world, one.author),
        "body": one.body,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "author_association": association(pull.repository, one.author),
        "_links": {"self": {"href": page}, "html": {"href": page}, "pull_request": {"href": about}},
    }


def label(world: GitHubWorld, where: Repository, name: str) -> Json:
    """A label; its id is made of its name, so that it is the same each time."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6])
    return {
        "id": number,
        "node_id": node_id("Label", number),
        "url": f"{api(world, where)}/labels/{quote(name, safe='')}",
        "name": name,
        "description": None,
        "color": "ededed",
        "default": False,
        "archived_by": None,
    }


def hooked_label(world: GitHubWorld, where: Repository, name: str) -> Json:
    """A label in a webhook, which says a little more."""
    return label(world, where, name) | {"archived_at": None}


def hooked_labels(world: GitHubWorld, one: Issue) -> Json:
    """The labels of an issue or pull request in a webhook."""
    return {"labels": [hooked_label(world, one.repository, name) for name in one.labels]}


def issue(world: GitHubWorld, one: Issue) -> Json:
    """An issue, or a pull request seen as one."""
    url = f"{api(world, one.repository)}/issues/{one.number}"
    body: Json = {
        "id": one.id,
        "node_id": node_id("Issue", one.id),
        "number": one.number,
        "title": one.title,
        "body": one.body or None,
        "user": account(world, one.author),
        "state": "open" if one.open else "closed",
        "state_reason": None if one.open else "completed",
        "locked": False,
        "active_lock_reason": None,
        "assignees": [account(world, who) for who in one.assignees],
        "labels": [label(world, one.repository, name) for name in one.labels],
        "milestone": None,
        "comments": len(one.comments),
        "author_association": association(one.repository, one.author),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "closed_at": stamp(one.closed_at),
        "performed_via_github_app": None,
        "reactions": reactions(url, []),
        "url": url,
        "html_url": thread_page(world, one),
        "repository_url": api(world, one.repository),
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "labels_url": f"{url}/labels{{/name}}",
        "timeline_url": f"{url}/timeline",
    }
    if isinstance(one, PullRequest):
        page = thread_page(world, one)
        body["draft"] = one.draft
        body["pull_request"] = {
            "url": f"{api(world, one.repository)}/pulls/{one.number}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": stamp(one.merged_at),
        }
    return body


def branch_side(world: GitHubWorld, where: Repository, ref: str, sha: str) -> Json:
    """The head or the base of a pull request."""
    return {
        "label": f"{where.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": account(world, where.owner),
        "repo": None if where.deleted else repository(world, where),
    }


def pull_request_simple(world: GitHubWorld, one: PullRequest) -> Json:
    """A pull request, as in lists."""
    url = f"{api(world, one.repository)}/pulls/{one.number}"
    page = thread_page(world, one)
    issue_url = f"{api(world, one.repository)}/issues/{one.number}"
    statuses = f"{api(world, one.repository)}/statuses/{one.head_sha}"
    links = {
        "self": url,
        "html": page,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{api(world, one.repository)}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": statuses,
    }
    return {
        "id": one.id,
        "node_id": node_id("PullRequest", one.id),
        "number": one.number,
        "url": url,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue_url,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": statuses,
        "state": "open" if one.open else "closed",
        "locked": False,
        "active_lock_reason": None,
        "title": one.title,
        "body": one.body or None,
        "user": account(world, one.author),
        "labels": [label(world, one.repository, name) for name in one.labels],
        "milestone": None,
        "assignees": [account(world, who) for who in one.assignees],
        "requested_reviewers": [],
        "requested_teams": [],
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "closed_at": stamp(one.closed_at),
        "merged_at": stamp(one.merged_at),
        "head": branch_side(world, one.head_repository, one.head_ref, one.head_sha),
        "base": _base(world, one),
        "author_association": association(one.repository, one.author),
        "auto_merge": None,
        "draft": one.draft,
        "_links": {name: {"href": href} for name, href in links.items()},
    }


def pull_request(world: GitHubWorld, one: PullRequest, numbers: tuple[int, int, int, int]) -> Json:
    """A pull request asked for by itself; ``numbers`` are its commits, additions, deletions and changed files."""
    commits, additions, deletions, files = numbers
    states = {None: "unknown", True: "clean", False: "dirty"}
    return pull_request_simple(world, one) | {
        "merged": one.merged_at is not None,
        "mergeable": one.mergeable,
        "rebaseable": one.mergeable,
        "mergeable_state": _waiting(one) or states[one.mergeable],
        "merged_by": None if one.merged_by is None else account(world, one.merged_by),
        "comments": len(one.comments),
        "review_comments": 0,
        "maintainer_can_modify": one.maintainer_can_modify,
        "commits": commits,
        "additions": additions,
        "deletions": deletions,
        "changed_files": files,
    }


def _base(world: GitHubWorld, one: PullRequest) -> Json:
    """The base, with the ways in which its repository merges."""
    side = branch_side(world, one.repository, one.base_ref, one.base_sha)
    ways = {"merge": "allow_merge_commit", "squash": "allow_squash_merge", "rebase": "allow_rebase_merge"}
    repository = side["repo"]
    if isinstance(repository, dict):
        repository |= {name: one.repository.merges_by in {"", way} for way, name in ways.items()}
    return side


def _waiting(one: PullRequest) -> str:
    """What a pull request that merges cleanly waits for: GitHub says that it does, and not for what."""
    if not one.mergeable:
        return ""
    return "draft" if one.draft else "blocked" if one.waits_for else ""


def _minimal_pull(world: GitHubWorld, one: PullRequest) -> Json:
    def side(where: Repository, ref: str, sha: str) -> Json:
        return {"ref": ref, "sha": sha, "repo": {"id": where.id, "url": api(world, where), "name": where.name}}

    return {
        "id": one.id,
        "number": one.number,
        "url": f"{api(world, one.repository)}/pulls/{one.number}",
        "head": side(one.head_repository, one.head_ref, one.head_sha),
        "base": side(one.repository, one.base_ref, one.base_sha),
    }


def check_pulls(world: GitHubWorld, one: CheckRun) -> list[Json]:
    """The pull requests of a check run: those from branches of its own repository, none from forks."""
    return [
        _minimal_pull(world, pull)
        for pull in one.repository.pull_requests()
        if pull.open and pull.head_sha == one.head_sha and not pull.from_fork
    ]


def check_run(world: GitHubWorld, one: CheckRun) -> Json:
    """A check run. Its buttons are not in it, as in GitHub's answers."""
    url = f"{api(world, one.repository)}/check-runs/{one.id}"
    return {
        "id": one.id,
        "node_id": node_id("CheckRun", one.id),
        "name": one.name,
        "head_sha": one.head_sha,
        "external_id": one.external_id,
        "url": url,
        "html_url": f"{html(world, one.repository)}/runs/{one.id}",
        "details_url": one.details_url,
        "status": one.status,
        "conclusion": one.conclusion,
        "started_at": stamp(one.started_at),
        "completed_at": stamp(one.completed_at),
        "output": {
            "title": one.title,
            "summary": one.summary,
            "text": one.text,
            "annotations_count": len(one.annotations),
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": one.suite_id},
        "app": _app_of(world, one),
        "pull_requests": check_pulls(world, one),
    }


def _app_of(world: GitHubWorld, one: CheckRun) -> Json:
    return app(world) | ({"id": OTHER_APP_ID, "slug": "actions", "name": "Actions"} if one.foreign else {})


def commit_status(world: GitHubWorld, one: GitHubStatus) -> Json:
    """A commit status."""
    return {
        "id": one.id,
        "node_id": node_id("StatusContext", one.id),
        "url": f"{api(world, one.repository)}/statuses/{one.sha}",
        "avatar_url": None,
        "state": one.state,
        "context": one.context,
        "description": one.description,
        "target_url": None,
        "creator": account(world, one.creator),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
    }


def check_suite(world: GitHubWorld, one: CheckRun) -> Json:
    """The suite of a check run, as in webhooks."""
    return {
        "id": one.suite_id,
        "node_id": node_id("CheckSuite", one.suite_id),
        "head_branch": next(iter(sorted(_branches_at(one))), None),
        "head_sha": one.head_sha,
        "status": one.status,
        "conclusion": one.conclusion,
        "url": f"{api(world, one.repository)}/check-suites/{one.suite_id}",
        "before": None,
        "after": one.head_sha,
        "pull_requests": check_pulls(world, one),
        "app": _app_of(world, one),
        "created_at": stamp(one.started_at),
        "updated_at": stamp(one.completed_at or one.started_at),
    }


def _branches_at(one: CheckRun) -> list[str]:
    return [name.removeprefix("refs/heads/") for name, sha in one.repository.refs.items() if sha == one.head_sha]
