"""What GitLab documents of its answers and webhooks, as shapes of our own, and whether the simulator keeps to it.

Sources: https://docs.gitlab.com/api/rest/ and https://docs.gitlab.com/user/project/integrations/webhook_events/ .
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.demo.simulator.record import Exchange, Record, SentWebhook
from bot.forges.gitlab.deliveries import DeliveryDecoder, identify
from bot.model.deliveries import Delivery
from bot.model.events import Unused
from bot.model.forge import ForgeKind

TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?(?:Z|[+-]\d\d:\d\d)")
HOOK_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
SHA: Final = re.compile(r"[0-9a-f]{40}")

Rule = type | re.Pattern[str] | frozenset[str] | Mapping[str, object] | Sequence[object] | None
"""A type, a pattern, a set of words, a shape, a list of one rule (a list of such), a tuple (any of these), or null."""

USER: Final = {"id": int, "username": str, "name": str, "state": str, "avatar_url": (str, None), "web_url": str}
NOTE: Final = {
    "id": int,
    "body": str,
    "author": USER,
    "created_at": TIME,
    "updated_at": TIME,
    "system": bool,
    "noteable_id": int,
    "noteable_type": frozenset({"Issue", "MergeRequest"}),
    "noteable_iid": int,
    "project_id": int,
    "resolvable": bool,
    "internal": bool,
}
THREAD: Final = {
    "id": int,
    "iid": int,
    "project_id": int,
    "title": str,
    "description": (str, None),
    "created_at": TIME,
    "updated_at": TIME,
    "closed_at": (TIME, None),
    "labels": [str],
    "author": USER,
    "user_notes_count": int,
    "web_url": str,
}
MERGE_STATUSES: Final = frozenset(
    {"unchecked", "checking", "mergeable", "conflict", "draft_status", "not_open", "not_approved"}
    | {"discussions_not_resolved", "ci_must_pass", "need_rebase"}
)
MERGE_REQUEST: Final = THREAD | {
    "state": frozenset({"opened", "closed", "merged", "locked"}),
    "source_branch": str,
    "target_branch": str,
    "source_project_id": (int, None),
    "target_project_id": int,
    "draft": bool,
    "work_in_progress": bool,
    "merge_status": str,
    "detailed_merge_status": MERGE_STATUSES,
    "sha": SHA,
    "merge_commit_sha": (SHA, None),
    "merged_at": (TIME, None),
    "has_conflicts": bool,
    "squash": bool,
    "blocking_discussions_resolved": bool,
    "references": {"short": str, "relative": str, "full": str},
}
ONE_MERGE_REQUEST: Final = MERGE_REQUEST | {
    "diff_refs": {"base_sha": SHA, "head_sha": SHA, "start_sha": SHA},
    "changes_count": str,
    "user": {"can_merge": bool},
}
ISSUE: Final = THREAD | {"state": frozenset({"opened", "closed"}), "issue_type": str, "confidential": bool}
PROJECT: Final = {
    "id": int,
    "name": str,
    "path": str,
    "path_with_namespace": str,
    "default_branch": (str, None),
    "visibility": frozenset({"private", "internal", "public"}),
    "http_url_to_repo": str,
    "web_url": str,
    "namespace": {"id": int, "kind": frozenset({"user", "group"}), "full_path": str},
    "squash_option": frozenset({"never", "always", "default_on", "default_off"}),
    "permissions": dict,
}
STATUS: Final = {
    "id": int,
    "sha": SHA,
    "ref": str,
    "status": frozenset({"created", "pending", "running", "success", "failed", "canceled", "skipped"}),
    "name": str,
    "target_url": (str, None),
    "description": (str, None),
    "created_at": TIME,
    "started_at": (TIME, None),
    "finished_at": (TIME, None),
    "author": USER,
}
PIPELINE: Final = {"id": int, "iid": int, "sha": SHA, "ref": str, "status": str, "source": str, "web_url": str}
JOB: Final = {"id": int, "name": str, "stage": str, "status": str, "pipeline": PIPELINE, "web_url": str}
HOOK: Final = {
    "id": int,
    "url": str,
    "created_at": TIME,
    "push_events": bool,
    "merge_requests_events": bool,
    "note_events": bool,
    "emoji_events": bool,
    "enable_ssl_verification": bool,
    "alert_status": frozenset({"executable", "temporarily_disabled", "disabled"}),
    "disabled_until": (TIME, None),
}
EMOJI: Final = {"id": int, "name": str, "user": USER, "created_at": TIME, "awardable_id": int, "awardable_type": str}
COMMIT: Final = {"id": SHA, "short_id": str, "parent_ids": [SHA], "title": str, "message": str, "web_url": str}
BRANCH: Final = {"name": str, "commit": COMMIT, "protected": bool, "default": bool, "can_push": bool, "web_url": str}
FILE: Final = {"file_name": str, "file_path": str, "size": int, "encoding": str, "content": str, "blob_id": SHA}
TREE: Final = {"id": SHA, "name": str, "type": frozenset({"tree", "blob", "commit"}), "path": str, "mode": str}
TOKEN: Final = {"id": int, "name": str, "revoked": bool, "scopes": [str], "user_id": int, "active": bool}
LABEL: Final = {"id": int, "name": str, "color": str, "is_project_label": bool}
PROTECTED: Final = {
    "id": int,
    "name": str,
    "push_access_levels": [{"access_level": int}],
    "merge_access_levels": [{"access_level": int}],
    "allow_force_push": bool,
}
MEMBER: Final = USER | {"access_level": int, "expires_at": (str, None)}
HOOK_EVENT: Final = {"id": int, "url": str, "trigger": str, "response_status": str, "request_data": dict}
QUICK: Final = {"commands_changes": dict, "summary": [str]}
"""The answer to a comment that held nothing but quick actions."""
MESSAGE: Final = {"message": str}

_P: Final = r"/projects/[^/]+"
_T: Final = _P + r"/(?:merge_requests|issues)/\d+"
_H: Final = r"/(?:projects|groups)/[^/]+/hooks"
ENDPOINTS: Final[Sequence[tuple[str, str, Rule]]] = (
    ("GET", r"/version", {"version": str, "revision": str}),
    ("GET", r"/metadata", {"version": str, "revision": str, "enterprise": bool}),
    ("GET", r"/user", USER | {"email": str, "bot": bool}),
    ("GET", r"/users", [USER]),
    ("GET", r"/users/\d+", USER | {"bot": bool, "created_at": TIME}),
    ("GET", r"/personal_access_tokens/self", TOKEN),
    ("GET", r"/projects", [PROJECT]),
    ("GET", r"/groups/[^/]+", {"id": int, "full_path": str, "path": str, "web_url": str}),
    ("GET", r"/groups/[^/]+/projects", [PROJECT]),
    ("GET", r"/groups/[^/]+/members/\d+", MEMBER),
    ("GET", _P, PROJECT),
    ("GET", _P + r"/members/all", [MEMBER]),
    ("GET", _P + r"/members/all/\d+", MEMBER),
    ("GET", _P + r"/labels", [LABEL]),
    ("GET", _P + r"/labels/[^/]+", LABEL),
    ("POST", _P + r"/labels", LABEL),
    ("GET", _P + r"/protected_branches", [PROTECTED]),
    ("GET", _P + r"/protected_branches/[^/]+", PROTECTED),
    ("GET", _P + r"/merge_requests", [MERGE_REQUEST]),
    ("POST", _P + r"/merge_requests", ONE_MERGE_REQUEST),
    ("GET", _P + r"/merge_requests/\d+", ONE_MERGE_REQUEST),
    ("PUT", _P + r"/merge_requests/\d+", ONE_MERGE_REQUEST),
    ("GET", _P + r"/merge_requests/\d+/pipelines", [PIPELINE]),
    ("GET", _P + r"/issues", [ISSUE]),
    ("GET", _P + r"/issues/\d+", ISSUE),
    ("PUT", _P + r"/issues/\d+", ISSUE),
    ("GET", _T + r"/notes", [NOTE]),
    ("POST", _T + r"/notes", NOTE),
    ("GET", _T + r"/notes/\d+", NOTE),
    ("PUT", _T + r"/notes/\d+", NOTE),
    ("GET", _T + r"/notes/\d+/award_emoji", [EMOJI]),
    ("POST", _T + r"/notes/\d+/award_emoji", EMOJI),
    ("GET", _P + r"/repository/files/[^/]+", FILE),
    ("GET", _P + r"/repository/tree", [TREE]),
    ("GET", _P + r"/repository/commits/[^/]+/merge_requests", [MERGE_REQUEST]),
    ("GET", _P + r"/repository/branches", [BRANCH]),
    ("GET", _P + r"/repository/branches/[^/]+", BRANCH),
    ("GET", _P + r"/repository/commits/[^/]+", COMMIT),
    ("GET", _P + r"/repository/commits/[^/]+/statuses", [STATUS]),
    ("POST", _P + r"/statuses/[^/]+", STATUS),
    ("GET", _P + r"/pipelines", [PIPELINE]),
    ("GET", _P + r"/pipelines/\d+", PIPELINE),
    ("GET", _P + r"/pipelines/\d+/jobs", [JOB]),
    ("GET", _H, [HOOK]),
    ("POST", _H, HOOK),
    ("GET", _H + r"/\d+", HOOK),
    ("PUT", _H + r"/\d+", HOOK),
    ("POST", _H + r"/\d+/test/\w+", MESSAGE),
    ("GET", _H + r"/\d+/events", [HOOK_EVENT]),
    ("POST", _H + r"/\d+/events/\d+/resend", {"response_status": int}),
)
BARE: Final = (
    ("DELETE", r".*"),
    ("HEAD", r".*"),
    ("GET", _P + r"/jobs/\d+/trace"),
    ("GET", _P + r"/repository/files/[^/]+/raw"),
)
"""What answers without JSON."""

HOOK_USER: Final = {"id": int, "name": str, "username": str, "avatar_url": (str, None), "email": str}
HOOK_PROJECT: Final = {
    "id": int,
    "name": str,
    "web_url": str,
    "git_http_url": str,
    "namespace": str,
    "visibility_level": int,
    "path_with_namespace": str,
    "default_branch": str,
}
HOOK_THREAD: Final = {
    "id": int,
    "iid": int,
    "title": str,
    "description": str,
    "author_id": int,
    "created_at": HOOK_TIME,
    "updated_at": HOOK_TIME,
    "state": str,
    "labels": list,
}
HOOK_PULL: Final = HOOK_THREAD | {
    "source_branch": str,
    "source_project_id": (int, None),
    "target_branch": str,
    "target_project_id": int,
    "source": (HOOK_PROJECT, None),
    "target": HOOK_PROJECT,
    "last_commit": ({"id": SHA, "message": str, "timestamp": str, "url": str}, None),
    "draft": bool,
    "detailed_merge_status": MERGE_STATUSES,
}
HOOK_NOTE: Final = {
    "id": int,
    "note": str,
    "noteable_type": str,
    "noteable_id": int,
    "author_id": int,
    "created_at": HOOK_TIME,
    "updated_at": HOOK_TIME,
    "project_id": int,
    "system": bool,
    "url": str,
}
_BASE: Final = {"object_kind": str, "user": HOOK_USER, "project": HOOK_PROJECT}
EVENTS: Final[Mapping[str, Rule]] = {
    "Note Hook": _BASE
    | {"event_type": str, "object_attributes": HOOK_NOTE | {"action": frozenset({"create", "update"})}},
    "Merge Request Hook": _BASE
    | {
        "object_attributes": HOOK_PULL | {"action": frozenset({"open", "update", "close", "reopen", "merge"})},
        "labels": list,
        "changes": dict,
    },
    "Issue Hook": _BASE | {"object_attributes": HOOK_THREAD | {"action": str}, "labels": list, "changes": dict},
    "Emoji Hook": _BASE
    | {
        "event_type": frozenset({"award", "revoke"}),
        "object_attributes": {"id": int, "user_id": int, "name": str, "awardable_type": str, "awardable_id": int},
        "note": HOOK_NOTE,
    },
    "Pipeline Hook": _BASE
    | {
        "object_attributes": {"id": int, "iid": int, "sha": SHA, "ref": str, "status": str, "source": str},
        "builds": list,
    },
    "Push Hook": {
        "object_kind": str,
        "before": SHA,
        "after": SHA,
        "ref": str,
        "checkout_sha": (SHA, None),
        "user_id": int,
        "user_username": str,
        "project_id": int,
        "project": HOOK_PROJECT,
        "commits": [{"id": SHA, "message": str, "added": list, "modified": list, "removed": list}],
        "total_commits_count": int,
    },
    "Tag Push Hook": {"object_kind": str, "ref": str, "project": HOOK_PROJECT},
}


def faults(value: object, rule: Rule | object, where: str) -> Iterator[str]:
    """Where a JSON value is not as a rule says."""
    match rule:
        case tuple():
            if all(any(True for _ in faults(value, one, where)) for one in rule):
                yield f"{where}: {value!r} is none of what it may be"
        case Mapping():
            yield from _object_faults(value, rule, where)
        case list():
            yield from _list_faults(value, rule[0], where)
        case _:
            if not _is_plain(value, rule):
                yield f"{where}: {value!r} is no {rule}"


def _object_faults(value: object, rule: Mapping[str, object], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: no object"
        return
    for name, inner in rule.items():
        if name in value:
            yield from faults(value[name], inner, f"{where}.{name}")
        else:
            yield f"{where}.{name}: missing"


def _list_faults(value: object, rule: object, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where}: no list"
        return
    for position, one in enumerate(value):
        yield from faults(one, rule, f"{where}[{position}]")


def _is_plain(value: object, rule: object) -> bool:
    match rule:
        case re.Pattern():
            return isinstance(value, str) and rule.fullmatch(value) is not None
        case frozenset():
            return value in rule
        case type():
            return isinstance(value, rule) and not (rule is int and isinstance(value, bool))
        case _:
            assert rule is None, f"no rule: {rule!r}"
            return value is None


@dataclass(frozen=True, slots=True)
class _Wire:
    """An answer with what decides how it is read."""

    path: str
    where: str


def validate_exchange(exchange: Exchange) -> list[str]:
    """Where an exchange with the API is not as GitLab describes it."""
    quoted = exchange.raw_path.partition("?")[0].rstrip("/")
    if not quoted.startswith("/api/v4/"):
        return []
    wire = _Wire(path=quoted.removeprefix("/api/v4"), where=f"{exchange.method} {quoted} {exchange.status}")
    limits = [name for name in ("ratelimit-limit", "ratelimit-remaining") if name not in exchange.response_headers]
    found = [f"{wire.where}: no header {name}" for name in limits]
    if exchange.status == 202:
        return [*found, *faults(exchange.response_json(), QUICK, wire.where)]
    if exchange.status >= 400:
        return found + _refusal(exchange, wire)
    rule = next((rule for method, path, rule in ENDPOINTS if _is(exchange, wire, method, path)), None)
    if rule is None:
        return found if any(_is(exchange, wire, *one) for one in BARE) else [*found, f"{wire.where}: no such endpoint"]
    if isinstance(rule, list) and "x-next-page" not in exchange.response_headers:
        found.append(f"{wire.where}: a list without pages")
    if (exchange.method == "POST") is not (exchange.status == 201):
        found.append(f"{wire.where}: another status is documented")
    return found + list(faults(exchange.response_json(), rule, wire.where))


def _is(exchange: Exchange, wire: _Wire, method: str, path: str) -> bool:
    return exchange.method == method and re.fullmatch(path, wire.path) is not None


def _refusal(exchange: Exchange, wire: _Wire) -> list[str]:
    if exchange.response_headers.get("content-type") == "text/plain":
        return []
    body = exchange.response_json()
    known = isinstance(body, dict) and ({"message"} <= body.keys() or {"error"} <= body.keys())
    return [] if known else [f"{wire.where}: a refusal says message or error"]


def validate_payload(event: str, payload: Mapping[str, object]) -> list[str]:
    """Where a webhook's body is not as GitLab describes it."""
    if event not in EVENTS:
        return [f"{event}: no such event"]
    return list(faults(json.loads(json.dumps(payload)), EVENTS[event], event))


def validate_sent(sent: SentWebhook) -> list[str]:
    """Where a webhook's headers are not as documented, or its body is not what our own decoder takes."""
    named = {name.casefold(): value for name, value in sent.headers.items()}
    needed = ("x-gitlab-event", "x-gitlab-event-uuid", "x-gitlab-webhook-uuid", "x-gitlab-instance", "idempotency-key")
    found = [f"{sent.event}: no header {name}" for name in needed if not named.get(name)]
    body = json.dumps(sent.payload).encode()
    identity = identify(named, body)
    if identity is None:
        return [*found, f"{sent.event}: headers that tell nothing"]
    delivery_id, event = identity
    delivery = Delivery(
        forge=ForgeKind.GITLAB, delivery_id=delivery_id, event=event, headers={}, body=body, received_at=sent.at
    )
    decoded = DeliveryDecoder().decode(delivery)
    if isinstance(decoded, Unused) and not decoded.reason:
        found.append(f"{sent.event}: not used, without a reason")
    return found


def validate_record(record: Record) -> Iterator[str]:
    """Where anything that was said or sent is not as documented. A fault that a test armed is no answer of GitLab's."""
    for exchange in record.exchanges:
        yield from validate_exchange(exchange)
    for sent in record.webhooks:
        yield from validate_payload(sent.event, sent.payload)
        yield from validate_sent(sent)
