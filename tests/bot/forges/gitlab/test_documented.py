"""Every event that GitLab documents, in its documented shape with data of our own: decoded or unused, never an error.

https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

from bot.forges.gitlab.deliveries import DECODED_EVENTS, SYSTEM_HOOK, DeliveryDecoder, identify
from bot.model.deliveries import Delivery
from bot.model.events import Event
from bot.model.forge import ForgeKind
from tests.bot.forges.gitlab.samples import (
    BASE,
    HEAD,
    PROJECT_ID,
    TIME,
    issue,
    merge_request,
    note,
    pipeline,
    project,
    push,
    user,
)

Json = dict[str, Any]

NOTHING: Final = "0" * 40
COMMENT: Final = "CommentPosted"
CHANGED: Final = "PullRequestChanged"
PUSHED: Final = "BranchPushed"
UNUSED: Final = "Unused"

LABEL: Final = {"id": 9, "title": "flowforge", "color": "#6699cc", "project_id": PROJECT_ID, "type": "ProjectLabel"}
LABELLED: Final = {"labels": {"previous": [], "current": [LABEL]}}
ASSIGNED: Final = {"assignees": {"previous": [], "current": [user("flowforge", 400)]}}


def about(kind: str, **more: Any) -> Json:
    """An event of which the bot reads nothing."""
    return {"object_kind": kind, "user": user(), "project": project(), **more}


def emoji(action: str) -> Json:
    award = {"id": 1, "name": "thumbsup", "awardable_type": "Note", "awardable_id": 1241, "user_id": 311}
    attributes = {**award, "action": action, "awarded_on_url": "https://gitlab.test/note", "created_at": TIME}
    return about("emoji", event_type="award" if action == "award" else "revoke", object_attributes=attributes)


DOCUMENTED: Final[tuple[tuple[str, Json, str], ...]] = (
    ("Push Hook", push(), PUSHED),
    ("Push Hook", push("refs/heads/a/b", before=NOTHING), PUSHED),
    ("Push Hook", push("refs/heads/gone", after=NOTHING), PUSHED),
    ("Tag Push Hook", {**push("refs/tags/v1", before=NOTHING), "object_kind": "tag_push"}, UNUSED),
    *(("Issue Hook", issue(action), UNUSED) for action in ("open", "close", "reopen", "update")),
    ("Issue Hook", issue(changes=LABELLED), "LabelAdded"),
    ("Issue Hook", issue(changes=ASSIGNED), "Assigned"),
    ("Issue Hook", issue("open", object_kind="work_item"), UNUSED),
    ("Confidential Issue Hook", issue(event_type="confidential_issue"), UNUSED),
    ("Note Hook", note(), COMMENT),
    ("Note Hook", note(action="update"), UNUSED),
    ("Note Hook", note(on="Issue"), COMMENT),
    ("Note Hook", note(on="Commit"), UNUSED),
    ("Note Hook", note(on="Snippet"), UNUSED),
    ("Note Hook", note(system=True), UNUSED),
    ("Confidential Note Hook", note(on="Issue", internal=True), UNUSED),
    *(
        ("Merge Request Hook", merge_request(action), CHANGED)
        for action in ("open", "close", "reopen", "update", "merge")
    ),
    *(
        ("Merge Request Hook", merge_request(action), CHANGED)
        for action in ("approval", "approved", "unapproval", "unapproved")
    ),
    ("Merge Request Hook", merge_request("update", oldrev=BASE), CHANGED),
    ("Merge Request Hook", merge_request("update", changes=LABELLED), "LabelAdded"),
    ("Merge Request Hook", merge_request("update", changes=ASSIGNED), "Assigned"),
    ("Wiki Page Hook", about("wiki_page", object_attributes={"title": "Home", "action": "create"}), UNUSED),
    *(("Pipeline Hook", pipeline(status), UNUSED) for status in ("pending", "running", "success", "canceled")),
    ("Pipeline Hook", pipeline("failed"), "CheckFailed"),
    ("Pipeline Hook", pipeline("failed", target=PROJECT_ID), "CheckFailed"),
    ("Job Hook", about("build", build_id=380, build_name="unit", build_status="failed", sha=HEAD), UNUSED),
    ("Deployment Hook", about("deployment", status="success", deployment_id=15, environment="staging"), UNUSED),
    ("Feature Flag Hook", about("feature_flag", object_attributes={"id": 6, "name": "new", "active": True}), UNUSED),
    ("Release Hook", about("release", id=1, tag="v1", action="create", created_at=TIME), UNUSED),
    ("Milestone Hook", about("milestone", action="create", object_attributes={"id": 61, "title": "v1"}), UNUSED),
    ("Emoji Hook", emoji("award"), UNUSED),
    ("Emoji Hook", emoji("revoke"), UNUSED),
    ("Vulnerability Hook", about("vulnerability", object_attributes={"title": "Old library"}), UNUSED),
    ("Resource Access Token Hook", about("access_token", event_name="expiring_access_token"), UNUSED),
    ("Resource Deploy Token Hook", about("deploy_token", event_name="expiring_deploy_token"), UNUSED),
    ("Member Hook", {"event_name": "user_add_to_group", "group_id": 78, "user_username": "mwinter"}, UNUSED),
    ("Project Hook", {"event_name": "project_create", "project_id": PROJECT_ID, "name": "crane"}, UNUSED),
    ("Subgroup Hook", {"event_name": "subgroup_create", "group_id": 10, "full_path": "harbour/tools"}, UNUSED),
    ("System Hook", push(), PUSHED),
    ("System Hook", merge_request(), CHANGED),
    ("System Hook", {"event_name": "repository_update", "project_id": PROJECT_ID, "refs": []}, UNUSED),
)


def decoded(header: str, payload: Json) -> Event:
    """What becomes of it at the door and behind it."""
    body = json.dumps(payload).encode()
    told = identify({"x-gitlab-event": header, "idempotency-key": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"}, body)
    assert told is not None
    delivery_id, event = told
    return DeliveryDecoder().decode(
        Delivery(
            forge=ForgeKind.GITLAB,
            delivery_id=delivery_id,
            event=event,
            headers={},
            body=body,
            received_at=datetime.now(UTC),
        )
    )


def test_every_documented_event_is_decoded_or_unused() -> None:
    found = [(header, type(decoded(header, payload)).__name__) for header, payload, _ in DOCUMENTED]
    assert found == [(header, becomes) for header, _, becomes in DOCUMENTED]


def test_each_event_that_the_bot_uses_is_among_them() -> None:
    headers = Counter(header.lower().replace(" ", "_") for header, _, _ in DOCUMENTED)
    assert headers.keys() >= DECODED_EVENTS
    assert SYSTEM_HOOK in headers
