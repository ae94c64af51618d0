"""What GitLab's webhooks say. Source: https://docs.gitlab.com/user/project/integrations/webhook_events/ ."""

from datetime import datetime

from app.demo.simulator.git import CommitInfo
from app.demo.simulator.gitlab import render
from app.demo.simulator.gitlab.render import Json
from app.demo.simulator.gitlab.state import CommitStatus, GitLabWorld, Pipeline
from app.demo.simulator.state import ZERO_OID, Account, Comment, Issue, PullRequest, Reaction, Repository
from app.demo.simulator.voice import Push

MOST_PUSHED_COMMITS = 20


def stamp(moment: datetime | None) -> str | None:
    """A moment as webhooks write it, which is not how the API does."""
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def user(one: Account) -> Json:
    """Whoever acted."""
    return {"id": one.id, "name": one.name, "username": one.login, "avatar_url": None, "email": "[REDACTED]"}


def project(world: GitLabWorld, one: Repository) -> Json:
    """The project."""
    page = render.page(world, one)
    ssh = f"git@{world.base_url.removeprefix('http://')}:{one.full_name}.git"
    return {
        "id": one.id,
        "name": one.name,
        "description": None,
        "web_url": page,
        "avatar_url": None,
        "git_ssh_url": ssh,
        "git_http_url": f"{page}.git",
        "namespace": one.owner.login.rpartition("/")[2],
        "visibility_level": render.VISIBLE[one.private][1],
        "path_with_namespace": one.full_name,
        "default_branch": one.default_branch,
        "ci_config_path": one.ci_config_path,
        "homepage": page,
        "url": ssh,
        "ssh_url": ssh,
        "http_url": f"{page}.git",
    }


def _repository(world: GitLabWorld, one: Repository) -> Json:
    told = project(world, one)
    return {name: told[name] for name in ("name", "url", "description", "homepage")}


def _labels(world: GitLabWorld, one: Issue) -> list[Json]:
    known = world.labels.get(one.repository.id, {})
    return [
        {
            "id": label.id,
            "title": label.name,
            "color": label.color,
            "project_id": one.repository.id,
            "created_at": stamp(one.repository.created_at),
            "updated_at": stamp(one.repository.created_at),
            "template": False,
            "description": label.description,
            "type": "ProjectLabel",
            "group_id": None,
        }
        for name in one.labels
        if (label := known.get(name)) is not None
    ]


def commit(world: GitLabWorld, repository: Repository, one: CommitInfo) -> Json:
    """A commit."""
    return {
        "id": one.sha,
        "message": one.message,
        "title": one.message.partition("\n")[0],
        "timestamp": one.when,
        "url": f"{render.page(world, repository)}/-/commit/{one.sha}",
        "author": {"name": one.author_name, "email": one.author_email},
    }


def _thread(world: GitLabWorld, one: Issue) -> Json:
    return {
        "id": one.id,
        "iid": one.number,
        "title": render.title_of(one) if isinstance(one, PullRequest) else one.title,
        "description": one.body,
        "author_id": one.author.id,
        "assignee_ids": [assignee.id for assignee in one.assignees],
        "assignee_id": next((assignee.id for assignee in one.assignees), None),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "milestone_id": None,
        "labels": _labels(world, one),
        "time_estimate": 0,
        "total_time_spent": 0,
        "url": render.thread_page(world, one),
    }


def issue(world: GitLabWorld, one: Issue) -> Json:
    """An issue."""
    return _thread(world, one) | {
        "project_id": one.repository.id,
        "state": "opened" if one.open else "closed",
        "closed_at": stamp(one.closed_at),
        "confidential": False,
        "discussion_locked": None,
        "due_date": None,
        "moved_to_id": None,
        "duplicated_to_id": None,
        "relative_position": None,
        "updated_by_id": None,
        "last_edited_at": None,
        "last_edited_by_id": None,
        "type": "Issue",
        "severity": "unknown",
    }


def merge_request(world: GitLabWorld, one: PullRequest, last: CommitInfo | None) -> Json:
    """A merge request; ``last`` is the commit at its head."""
    source = one.head_repository
    return _thread(world, one) | {
        "source": None if source.deleted else project(world, source),
        "source_branch": one.head_ref,
        "source_project_id": None if source.deleted else source.id,
        "target": project(world, one.repository),
        "target_branch": one.base_ref,
        "target_project_id": one.repository.id,
        "state": render.state_of(one),
        "state_id": {"opened": 1, "closed": 2, "merged": 3}[render.state_of(one)],
        "merge_status": "unchecked" if one.mergeable is None else render.merge_request(world, one)["merge_status"],
        "detailed_merge_status": render.detailed_status(one),
        "merge_commit_sha": one.merge_commit_sha,
        "merge_when_pipeline_succeeds": False,
        "draft": one.draft,
        "work_in_progress": one.draft,
        "blocking_discussions_resolved": True,
        "first_contribution": False,
        "head_pipeline_id": None,
        "reviewer_ids": [],
        "last_commit": None if last is None else commit(world, source, last),
    }


def _base(world: GitLabWorld, kind: str, event_type: str, repository: Repository, sender: Account) -> Json:
    return {
        "object_kind": kind,
        "event_type": event_type,
        "user": user(sender),
        "project": project(world, repository),
        "repository": _repository(world, repository),
    }


def issue_event(
    world: GitLabWorld, one: Issue, action: str, sender: Account, changes: dict[str, Json]
) -> dict[str, object]:
    """An ``Issue Hook``."""
    return _base(world, "issue", "issue", one.repository, sender) | {
        "object_attributes": issue(world, one) | {"action": action},
        "assignees": [user(assignee) for assignee in one.assignees],
        "labels": _labels(world, one),
        "changes": changes,
    }


def merge_request_event(
    world: GitLabWorld,
    one: PullRequest,
    last: CommitInfo | None,
    action: str,
    sender: Account,
    *,
    changes: dict[str, Json],
    oldrev: str | None = None,
) -> dict[str, object]:
    """A ``Merge Request Hook``."""
    attributes = merge_request(world, one, last) | {"action": action}
    if oldrev is not None:
        attributes["oldrev"] = oldrev
    return _base(world, "merge_request", "merge_request", one.repository, sender) | {
        "object_attributes": attributes,
        "labels": _labels(world, one),
        "changes": changes,
        "assignees": [user(assignee) for assignee in one.assignees],
        "reviewers": [],
    }


def note(world: GitLabWorld, one: Comment) -> Json:
    """A comment."""
    return {
        "id": one.id,
        "note": one.body,
        "description": one.body,
        "noteable_type": "MergeRequest" if isinstance(one.issue, PullRequest) else "Issue",
        "noteable_id": one.issue.id,
        "author_id": one.author.id,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "project_id": one.issue.repository.id,
        "attachment": None,
        "line_code": None,
        "commit_id": "",
        "system": one.system,
        "st_diff": None,
        "type": None,
        "internal": False,
        "resolved_at": None,
        "discussion_id": f"{one.id:040x}",
        "url": render.note_page(world, one),
    }


def _noteable(world: GitLabWorld, one: Issue, last: CommitInfo | None) -> dict[str, object]:
    if isinstance(one, PullRequest):
        return {"merge_request": merge_request(world, one, last)}
    return {"issue": issue(world, one)}


def note_event(
    world: GitLabWorld, one: Comment, last: CommitInfo | None, action: str, sender: Account
) -> dict[str, object]:
    """A ``Note Hook``: ``create`` or ``update``."""
    repository = one.issue.repository
    return (
        _base(world, "note", "note", repository, sender)
        | {"project_id": repository.id, "object_attributes": note(world, one) | {"action": action}}
        | _noteable(world, one.issue, last)
    )


def emoji_event(
    world: GitLabWorld, one: Comment, given: Reaction, last: CommitInfo | None, action: str
) -> dict[str, object]:
    """An ``Emoji Hook``: ``award`` or ``revoke``."""
    repository = one.issue.repository
    attributes: Json = {
        "user_id": given.account.id,
        "created_at": stamp(given.created_at),
        "id": given.id,
        "name": given.content,
        "awardable_type": "Note",
        "awardable_id": one.id,
        "updated_at": stamp(given.created_at),
        "action": action,
        "awarded_on_url": render.note_page(world, one),
    }
    return (
        _base(world, "emoji", action, repository, given.account)
        | {"project_id": repository.id, "object_attributes": attributes, "note": note(world, one)}
        | _noteable(world, one.issue, last)
    )


def push_event(world: GitLabWorld, push: Push, pusher: Account) -> dict[str, object]:
    """A ``Push Hook`` or ``Tag Push Hook``."""
    repository = push.repository
    kind = "tag_push" if push.ref.startswith("refs/tags/") else "push"
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": push.old or ZERO_OID,
        "after": push.new or ZERO_OID,
        "ref": push.ref,
        "ref_protected": push.ref.removeprefix("refs/heads/") in repository.protected,
        "checkout_sha": push.new,
        "message": None,
        "user_id": pusher.id,
        "user_name": pusher.name,
        "user_username": pusher.login,
        "user_email": "",
        "user_avatar": None,
        "project_id": repository.id,
        "project": project(world, repository),
        "commits": [
            commit(world, repository, one) | {name: list(paths) for name, paths in push.paths[one.sha].items()}
            for one in push.commits[-MOST_PUSHED_COMMITS:]
        ],
        "total_commits_count": len(push.commits),
        "push_options": {},
        "repository": _repository(world, repository)
        | {
            "git_http_url": f"{render.page(world, repository)}.git",
            "git_ssh_url": project(world, repository)["git_ssh_url"],
            "visibility_level": render.VISIBLE[repository.private][1],
        },
    }


def pipeline_event(world: GitLabWorld, one: Pipeline, pull: PullRequest | None) -> dict[str, object]:
    """A ``Pipeline Hook``; ``pull`` is the merge request it runs for."""
    repository = one.repository
    ended = max((status.finished_at for status in one.latest if status.finished_at is not None), default=None)
    return {
        "object_kind": "pipeline",
        "object_attributes": {
            "id": one.id,
            "iid": one.iid,
            "name": None,
            "ref": one.ref,
            "tag": False,
            "sha": one.sha,
            "before_sha": ZERO_OID,
            "source": one.source,
            "status": one.status,
            "detailed_status": one.status,
            "stages": sorted({status.stage for status in one.latest}),
            "created_at": stamp(one.created_at),
            "finished_at": stamp(ended),
            "duration": None,
            "queued_duration": None,
            "variables": [],
            "url": f"{render.page(world, repository)}/-/pipelines/{one.id}",
        },
        "merge_request": None
        if pull is None
        else {
            "id": pull.id,
            "iid": pull.number,
            "title": render.title_of(pull),
            "source_branch": pull.head_ref,
            "source_project_id": pull.head_repository.id,
            "target_branch": pull.base_ref,
            "target_project_id": pull.repository.id,
            "state": render.state_of(pull),
            "merge_status": "unchecked",
            "detailed_merge_status": render.detailed_status(pull),
            "url": render.thread_page(world, pull),
        },
        "user": user(one.user),
        "project": project(world, repository),
        "builds": [_build(status) for status in one.latest if status.is_job],
    }


def _build(one: CommitStatus) -> Json:
    return {
        "id": one.id,
        "stage": one.stage,
        "name": one.name,
        "status": one.status,
        "created_at": stamp(one.created_at),
        "started_at": stamp(one.started_at),
        "finished_at": stamp(one.finished_at),
        "duration": None,
        "queued_duration": None,
        "failure_reason": "script_failure" if one.status == "failed" else None,
        "when": "on_success",
        "manual": False,
        "allow_failure": False,
        "user": user(one.author),
        "runner": None,
        "artifacts_file": {"filename": None, "size": None},
        "environment": None,
    }
