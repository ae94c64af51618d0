"""Webhook payloads as GitHub documents them: whole ones, so that GitHub's own description finds nothing missing.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from collections.abc import Sequence
from typing import Any

API = "https://api.github.com"
APP_ID = 4711
OTHER_APP_ID = 12
HEAD = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
BASE = "c3d0be41ecbe669545ee3e94d31ed9a4bc91ee3c"
TIME = "2026-11-23T14:00:00Z"

Json = dict[str, Any]


def user(login: str = "octocat", id_: int = 583231, kind: str = "User") -> Json:
    url = f"{API}/users/{login}"
    return {
        "login": login,
        "id": id_,
        "node_id": "MDQ6VXNlcjU4MzIzMQ==",
        "avatar_url": "http://169.254.169.254/avatar",
        "gravatar_id": "",
        "url": url,
        "html_url": f"https://github.com/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": kind,
        "site_admin": False,
    }


_REPOSITORY_LINKS = [
    "archive_url",
    "assignees_url",
    "blobs_url",
    "branches_url",
    "collaborators_url",
    "comments_url",
    "commits_url",
    "compare_url",
    "contents_url",
    "contributors_url",
    "deployments_url",
    "downloads_url",
    "events_url",
    "forks_url",
    "git_commits_url",
    "git_refs_url",
    "git_tags_url",
    "hooks_url",
    "issue_comment_url",
    "issue_events_url",
    "issues_url",
    "keys_url",
    "labels_url",
    "languages_url",
    "merges_url",
    "milestones_url",
    "notifications_url",
    "pulls_url",
    "releases_url",
    "stargazers_url",
    "statuses_url",
    "subscribers_url",
    "subscription_url",
    "tags_url",
    "teams_url",
    "trees_url",
]


def repository(full_name: str = "octo-org/hello.world", id_: int = 1296269) -> Json:
    owner, _, name = full_name.partition("/")
    url = f"{API}/repos/{full_name}"
    return {
        "id": id_,
        "node_id": "MDEwOlJlcG9zaXRvcnkxMjk2MjY5",
        "name": name,
        "full_name": full_name,
        "private": False,
        "owner": {**user(owner, 6811672, "Organization"), "name": owner, "email": None},
        "html_url": f"https://github.com/{full_name}",
        "description": None,
        "fork": False,
        "url": url,
        **{link: f"{url}/{link}" for link in _REPOSITORY_LINKS},
        "clone_url": "http://169.254.169.254/x.git",
        "git_url": "git://169.254.169.254/x.git",
        "ssh_url": "git@169.254.169.254:x.git",
        "svn_url": "http://169.254.169.254/x",
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "forks_count": 0,
        "forks": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "watchers": 0,
        "size": 0,
        "default_branch": "main",
        "open_issues_count": 0,
        "open_issues": 0,
        "topics": [],
        "has_issues": True,
        "has_projects": True,
        "has_wiki": True,
        "has_pages": False,
        "has_downloads": True,
        "archived": False,
        "disabled": False,
        "visibility": "public",
        "pushed_at": TIME,
        "created_at": TIME,
        "updated_at": TIME,
    }


def in_repository(**more: Any) -> Json:
    """What every event about a repository carries, and ``more``."""
    return {
        "repository": repository(),
        "sender": user(),
        "installation": {"id": 99, "node_id": "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uOTk="},
        **more,
    }


_REACTIONS = {
    "url": f"{API}/reactions",
    "total_count": 0,
    "+1": 0,
    "-1": 0,
    "laugh": 0,
    "hooray": 0,
    "confused": 0,
    "heart": 0,
    "rocket": 0,
    "eyes": 0,
}


def _issue(*, number: int, on_pull_request: bool) -> Json:
    url = f"{API}/repos/octo-org/hello.world/issues/{number}"
    issue: Json = {
        "id": 1,
        "node_id": "MDU6SXNzdWUx",
        "url": url,
        "repository_url": f"{API}/repos/octo-org/hello.world",
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"https://github.com/octo-org/hello.world/pull/{number}",
        "number": number,
        "title": "A change",
        "user": user(),
        "labels": [],
        "state": "open",
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": 1,
        "created_at": TIME,
        "updated_at": TIME,
        "closed_at": None,
        "author_association": "OWNER",
        "active_lock_reason": None,
        "body": None,
        "reactions": _REACTIONS,
    }
    if on_pull_request:
        pull = f"{API}/repos/octo-org/hello.world/pulls/{number}"
        issue["pull_request"] = {"url": pull, "html_url": pull, "diff_url": pull, "patch_url": pull}
    return issue


def issue_comment(
    action: str = "created",
    *,
    body: str = "/flowforge resolve",
    before: str | None = None,
    on_pull_request: bool = True,
    sender: Json | None = None,
) -> Json:
    payload = in_repository(
        action=action,
        issue=_issue(number=7, on_pull_request=on_pull_request),
        comment={
            "id": 42,
            "node_id": "MDEyOklzc3VlQ29tbWVudDQy",
            "url": f"{API}/repos/octo-org/hello.world/issues/comments/42",
            "html_url": "https://github.com/octo-org/hello.world/pull/7#issuecomment-42",
            "issue_url": f"{API}/repos/octo-org/hello.world/issues/7",
            "user": user(),
            "created_at": TIME,
            "updated_at": TIME,
            "author_association": "OWNER",
            "body": body,
            "performed_via_github_app": None,
            "reactions": _REACTIONS,
        },
    )
    if sender is not None:
        payload["sender"] = sender
    if action == "edited":
        payload["changes"] = {} if before is None else {"body": {"from": before}}
    return payload


def _end(ref: str, sha: str) -> Json:
    return {"label": f"octo-org:{ref}", "ref": ref, "sha": sha, "user": user(), "repo": repository()}


def label(name: str) -> Json:
    return {
        "id": 1,
        "node_id": "MDU6TGFiZWwx",
        "url": f"{API}/repos/octo-org/hello.world/labels/{name}",
        "name": name,
        "color": "f00",
        "default": True,
        "description": None,
        "archived_at": None,
        "archived_by": None,
    }


def issues(action: str = "labeled", *, name: str = "bug", on_pull_request: bool = False) -> Json:
    payload = in_repository(action=action, issue=_issue(number=7, on_pull_request=on_pull_request))
    if action == "labeled":
        payload["label"] = label(name)
    if action == "assigned":
        payload["assignee"] = user("flowforge[bot]", 77, "Bot")
    return payload


def pull_request(action: str = "synchronize") -> Json:
    url = f"{API}/repos/octo-org/hello.world/pulls/7"
    links = ("self", "html", "issue", "comments", "review_comments", "review_comment", "commits", "statuses")
    pull: Json = {
        "id": 1,
        "node_id": "MDExOlB1bGxSZXF1ZXN0MQ==",
        "url": url,
        **dict.fromkeys(
            [
                "html_url",
                "diff_url",
                "patch_url",
                "issue_url",
                "commits_url",
                "review_comments_url",
                "review_comment_url",
                "comments_url",
                "statuses_url",
            ],
            url,
        ),
        "number": 7,
        "state": "closed" if action == "closed" else "open",
        "locked": False,
        "title": "A change",
        "user": user(),
        "body": None,
        "created_at": TIME,
        "updated_at": TIME,
        "closed_at": TIME if action == "closed" else None,
        "merged_at": None,
        "merge_commit_sha": None,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [],
        "milestone": None,
        "draft": False,
        "head": _end("feature", HEAD),
        "base": _end("main", BASE),
        "_links": {name: {"href": url} for name in links},
        "author_association": "OWNER",
        "auto_merge": None,
        "active_lock_reason": None,
        "merged": False,
        "mergeable": None,
        "rebaseable": None,
        "mergeable_state": "unknown",
        "merged_by": None,
        "comments": 0,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": 1,
        "additions": 1,
        "deletions": 1,
        "changed_files": 1,
    }
    payload = in_repository(action=action, number=7, pull_request=pull)
    if action == "synchronize":
        payload |= {"before": BASE, "after": HEAD}
    if action == "edited":
        payload["changes"] = {"base": {"ref": {"from": "old"}, "sha": {"from": BASE}}}
    if action == "labeled":
        payload["label"] = label("bug")
    if action == "assigned":
        payload["assignee"] = user("flowforge[bot]", 77, "Bot")
    return payload


def app(id_: int = APP_ID) -> Json:
    return {
        "id": id_,
        "slug": "flowforge",
        "node_id": "MDExOkludGVncmF0aW9uMQ==",
        "owner": user("octo-org", 6811672, "Organization"),
        "name": "FlowForge",
        "description": "",
        "external_url": "https://flowforge.example",
        "html_url": "https://github.com/apps/flowforge",
        "created_at": TIME,
        "updated_at": TIME,
        "permissions": {"checks": "write"},
        "events": ["check_run"],
    }


def checked_pull(number: int = 7, *, ref: str = "main", base_id: int | None = None) -> Json:
    """A pull request as check runs name it."""
    url = f"{API}/repos/octo-org/hello.world"
    known = {"id": repository()["id"], "url": url, "name": "hello.world"}
    return {
        "id": 8,
        "number": number,
        "url": f"{url}/pulls/{number}",
        "head": {"ref": "feature", "sha": HEAD, "repo": known},
        "base": {"ref": ref, "sha": BASE, "repo": known if base_id is None else known | {"id": base_id}},
    }


def check_run(
    action: str = "requested_action",
    *,
    app_id: int = APP_ID,
    identifier: str = "approve",
    conclusion: str = "action_required",
    pulls: Sequence[Json] = (),
) -> Json:
    url = f"{API}/repos/octo-org/hello.world/check-runs/4"
    payload = in_repository(
        action=action,
        check_run={
            "id": 4,
            "name": "FlowForge",
            "node_id": "MDg6Q2hlY2tSdW40",
            "head_sha": HEAD,
            "external_id": "job-1",
            "url": url,
            "html_url": url,
            "details_url": url,
            "status": "completed",
            "conclusion": conclusion,
            "started_at": TIME,
            "completed_at": TIME,
            "output": {
                "title": "t",
                "summary": "s",
                "text": None,
                "annotations_count": 0,
                "annotations_url": f"{url}/annotations",
            },
            "check_suite": {"id": 5},
            "app": app(app_id),
            "pull_requests": list(pulls),
        },
    )
    if action == "requested_action":
        payload["requested_action"] = {"identifier": identifier}
    return payload


def push(ref: str = "refs/heads/main", *, before: str = BASE, after: str = HEAD) -> Json:
    return in_repository(
        ref=ref,
        before=before,
        after=after,
        repository={**repository(), "created_at": 1795442400, "pushed_at": 1795442400},
        pusher={"name": "octocat", "email": "octocat@example.org"},
        created=False,
        deleted=False,
        forced=False,
        base_ref=None,
        compare="https://github.com/octo-org/hello.world/compare",
        commits=[],
        head_commit=None,
    )


def ping() -> Json:
    return {"zen": "Half measures are as bad as nothing at all.", "hook_id": 109948940, "sender": user()}


def _installation(app_id: int) -> Json:
    url = f"{API}/app/installations/99"
    return {
        "id": 99,
        "account": user("octo-org", 6811672, "Organization"),
        "repository_selection": "selected",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{API}/installation/repositories",
        "html_url": "https://github.com/organizations/octo-org/settings/installations/99",
        "app_id": app_id,
        "app_slug": "flowforge",
        "target_id": 6811672,
        "target_type": "Organization",
        "permissions": {"checks": "write", "metadata": "read"},
        "events": ["push"],
        "created_at": TIME,
        "updated_at": TIME,
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": None,
    }


def installation(action: str = "created", *, app_id: int = APP_ID) -> Json:
    return {"action": action, "installation": _installation(app_id), "sender": user(), "requester": None}


def installation_repositories(action: str = "added", *, app_id: int = APP_ID) -> Json:
    return {
        **installation(action, app_id=app_id),
        "repository_selection": "selected",
        "repositories_added": [],
        "repositories_removed": [],
    }
