"""Webhook payloads in the shape that GitLab documents, with data of our own.

https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from typing import Any

HEAD = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
BASE = "c3d0be41ecbe669545ee3e94d31ed9a4bc91ee3c"
TIME = "2026-11-29 08:15:00 UTC"
PROJECT_ID = 4217
FULL_PATH = "harbour/tools/crane.control"

Json = dict[str, Any]


def user(username: str = "mwinter", id_: int = 311) -> Json:
    return {
        "id": id_,
        "name": "Mira Winter",
        "username": username,
        "avatar_url": "http://169.254.169.254/avatar.png",
        "email": "[REDACTED]",
    }


def project(full_path: str = FULL_PATH, id_: int = PROJECT_ID) -> Json:
    url = f"https://gitlab.test/{full_path}"
    return {
        "id": id_,
        "name": "Crane control",
        "description": "",
        "web_url": url,
        "avatar_url": None,
        "git_ssh_url": f"git@gitlab.test:{full_path}.git",
        "git_http_url": f"{url}.git",
        "namespace": "Tools",
        "visibility_level": 0,
        "path_with_namespace": full_path,
        "default_branch": "main",
        "ci_config_path": None,
        "homepage": url,
        "url": f"git@gitlab.test:{full_path}.git",
        "ssh_url": f"git@gitlab.test:{full_path}.git",
        "http_url": f"{url}.git",
    }


def merge_request_state(action: str | None = "open", **more: Any) -> Json:
    states = {"close": "closed", "merge": "merged"}
    return {
        "id": 90210,
        "iid": 7,
        "target_branch": "main",
        "source_branch": "feature/grip",
        "source_project_id": PROJECT_ID,
        "target_project_id": PROJECT_ID,
        "author_id": 311,
        "assignee_ids": [],
        "reviewer_ids": [],
        "title": "Grip harder",
        "description": "So that nothing falls.",
        "created_at": "2026-11-29 08:00:00 UTC",
        "updated_at": TIME,
        "milestone_id": None,
        "state": states.get(action or "", "opened"),
        "blocking_discussions_resolved": True,
        "work_in_progress": False,
        "draft": False,
        "first_contribution": False,
        "merge_status": "unchecked",
        "detailed_merge_status": "unchecked",
        "url": f"https://gitlab.test/{FULL_PATH}/-/merge_requests/7",
        "source": project(),
        "target": project(),
        "last_commit": {
            "id": HEAD,
            "message": "Grip harder\n",
            "title": "Grip harder",
            "timestamp": "2026-11-29T08:10:00+00:00",
            "url": f"https://gitlab.test/{FULL_PATH}/-/commit/{HEAD}",
            "author": {"name": "Mira Winter", "email": "mira@example.com"},
        },
        **({} if action is None else {"action": action}),
        **more,
    }


def merge_request(action: str | None = "open", *, changes: Json | None = None, **more: Any) -> Json:
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": user(),
        "project": project(),
        "repository": {"name": "Crane control", "url": "", "description": "", "homepage": ""},
        "object_attributes": merge_request_state(action, **more),
        "labels": [],
        "changes": changes or {},
        "assignees": [],
        "reviewers": [],
    }


def issue_state() -> Json:
    return {
        "id": 55,
        "iid": 12,
        "project_id": PROJECT_ID,
        "title": "It squeaks",
        "description": "Loudly.",
        "state": "opened",
        "labels": [],
        "url": f"https://gitlab.test/{FULL_PATH}/-/issues/12",
    }


def issue(action: str | None = "update", *, changes: Json | None = None, **more: Any) -> Json:
    return {
        "object_kind": "issue",
        "event_type": "issue",
        "user": user(),
        "project": project(),
        "object_attributes": {**issue_state(), **({} if action is None else {"action": action})},
        "repository": {"name": "Crane control", "url": "", "description": "", "homepage": ""},
        "labels": [],
        "assignees": [],
        "changes": changes or {},
        **more,
    }


def note(
    body: str = "/flowforge resolve",
    *,
    action: str | None = "create",
    on: str = "MergeRequest",
    sender: Json | None = None,
    **more: Any,
) -> Json:
    attributes = {
        "id": 1241,
        "internal": False,
        "note": body,
        "noteable_type": on,
        "author_id": (sender or user())["id"],
        "created_at": TIME,
        "updated_at": TIME,
        "project_id": PROJECT_ID,
        "attachment": None,
        "line_code": None,
        "commit_id": "",
        "noteable_id": 90210,
        "system": False,
        "st_diff": None,
        "type": None,
        "description": body,
        "url": f"https://gitlab.test/{FULL_PATH}/-/merge_requests/7#note_1241",
        **({} if action is None else {"action": action}),
        **more,
    }
    subjects: dict[str, Json] = {
        "MergeRequest": {"merge_request": merge_request_state(None)},
        "Issue": {"issue": issue_state()},
        "Commit": {"commit": {"id": HEAD, "message": "Grip harder"}},
        "Snippet": {"snippet": {"id": 53, "title": "How to grip"}},
    }
    return {
        "object_kind": "note",
        "event_type": "note",
        "user": sender or user(),
        "project_id": PROJECT_ID,
        "project": project(),
        "repository": {"name": "Crane control", "url": "", "description": "", "homepage": ""},
        "object_attributes": attributes,
        **subjects.get(on, {}),
    }


def emoji(name: str = "rocket", *, action: str = "award", body: str = "Text", **more: Any) -> Json:
    return {
        "object_kind": "emoji",
        "event_type": action,
        "user": user(),
        "project_id": PROJECT_ID,
        "project": project(),
        "object_attributes": {
            "id": 77,
            "name": name,
            "user_id": 311,
            "awardable_id": 1241,
            "awardable_type": "Note",
            "created_at": TIME,
            "updated_at": TIME,
            "action": action,
            "awarded_on_url": f"https://gitlab.test/{FULL_PATH}/-/merge_requests/7#note_1241",
        },
        "note": {
            "id": 1241,
            "note": body,
            "noteable_type": "MergeRequest",
            "author_id": 99,
            "internal": False,
            "system": False,
            "created_at": TIME,
            "updated_at": TIME,
        },
        "merge_request": merge_request_state(None),
        **more,
    }


def push(ref: str = "refs/heads/main", *, before: str = BASE, after: str = HEAD) -> Json:
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": before,
        "after": after,
        "ref": ref,
        "ref_protected": True,
        "checkout_sha": after,
        "message": None,
        "user_id": 311,
        "user_name": "Mira Winter",
        "user_username": "mwinter",
        "user_email": "",
        "user_avatar": "",
        "project_id": PROJECT_ID,
        "project": project(),
        "commits": [],
        "total_commits_count": 0,
        "push_options": {},
        "repository": {"name": "Crane control", "url": "", "description": "", "homepage": ""},
    }


def pipeline(status: str = "failed", *, sha: str = HEAD, tag: bool = False, target: int | None = None) -> Json:
    """A pipeline of merge request 7 in the project ``target``; of a branch, without one."""
    pull = {
        "id": 99,
        "iid": 7,
        "title": "Raise the fee",
        "source_branch": "feature",
        "source_project_id": PROJECT_ID,
        "target_branch": "main",
        "target_project_id": target,
        "state": "opened",
        "merge_status": "can_be_merged",
        "detailed_merge_status": "mergeable",
        "url": "https://gitlab.test/harbour/tools/crane.control/-/merge_requests/7",
    }
    build = {"id": 380, "stage": "test", "name": "unit", "status": status, "created_at": TIME, "when": "on_success"}
    return {
        "object_kind": "pipeline",
        "object_attributes": {
            "id": 31,
            "iid": 3,
            "name": None,
            "ref": "v1" if tag else "feature",
            "tag": tag,
            "sha": sha,
            "before_sha": BASE,
            "source": "push" if target is None else "merge_request_event",
            "status": status,
            "stages": ["test"],
        },
        "merge_request": None if target is None else pull,
        "user": user(),
        "project": project(),
        "commit": {"id": sha},
        "builds": [build],
    }
