"""Deliveries that GitHub and its Enterprise Servers really sent: each is decoded or left aside, none is an error."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.errors import PayloadError
from bot.forges.github.deliveries import DECODED_EVENTS, DeliveryDecoder
from bot.model.deliveries import Delivery
from bot.model.events import Event, Unused
from bot.model.forge import ForgeKind
from tests.npm.packages import or_skip, package

INSTALLATION = {"id": 1, "node_id": "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uMQ=="}
"""What GitHub adds to the deliveries of an App; most examples come from webhooks of repositories."""

SERVERS = ("api.github.com", "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35")


@pytest.fixture(scope="module")
def examples() -> dict[str, list[dict[str, Any]]]:
    found = or_skip(lambda: package("@octokit/webhooks-examples"))
    return {server: json.loads(Path(found, server, "index.json").read_text(encoding="utf-8")) for server in SERVERS}


def decoded(event: str, payload: dict[str, Any], *, app_id: int | None = None) -> Event:
    """What the App makes of it that the example is about, or another one."""
    app = (payload.get("check_run") or {}).get("app") or {}
    app_id = app_id or app.get("id") or payload.get("installation", {}).get("app_id") or 1
    delivery = Delivery(
        forge=ForgeKind.GITHUB,
        delivery_id="1",
        event=event,
        headers={},
        body=json.dumps({"installation": INSTALLATION, **payload}).encode(),
        received_at=datetime.now(UTC),
    )
    return DeliveryDecoder(app_id=app_id).decode(delivery)


@pytest.mark.parametrize("server", SERVERS)
def test_every_example_of_every_event_is_decoded_or_unused(
    examples: dict[str, list[dict[str, Any]]], server: str
) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for kind in examples[server]:
        for payload in kind["examples"]:
            event = decoded(kind["name"], payload)
            assert isinstance(event, Unused) or kind["name"] in DECODED_EVENTS
            seen[kind["name"], type(event).__name__] += 1
            assert isinstance(decoded(kind["name"], payload, app_id=1), Event)
    # All that there were: none was passed over.
    assert sum(seen.values()) == sum(len(kind["examples"]) for kind in examples[server]) >= 49
    used = {event for event, _ in seen} & DECODED_EVENTS
    assert used == DECODED_EVENTS
    assert {("issue_comment", "CommentPosted"), ("pull_request", "PullRequestChanged"), ("ping", "Pinged")} <= set(seen)


def test_what_github_com_sends_makes_an_event_of_every_kind(examples: dict[str, list[dict[str, Any]]]) -> None:
    made = {
        type(decoded(kind["name"], payload)).__name__
        for kind in examples["api.github.com"]
        for payload in kind["examples"]
    }
    assert made >= {
        *("CommentPosted", "CommentEdited", "PullRequestChanged", "LabelAdded", "Assigned", "BranchPushed", "Pinged"),
        *("CheckActionRequested", "CheckRerequested", "InstallationChanged", "Unused"),
    }


def test_the_webhook_of_a_repository_is_no_delivery_to_an_app(examples: dict[str, list[dict[str, Any]]]) -> None:
    kind = next(kind for kind in examples["api.github.com"] if kind["name"] == "issue_comment")
    payload = next(one for one in kind["examples"] if "installation" not in one and one["action"] == "created")
    body = json.dumps(payload).encode()
    delivery = Delivery(
        forge=ForgeKind.GITHUB,
        delivery_id="1",
        event="issue_comment",
        headers={},
        body=body,
        received_at=datetime.now(UTC),
    )
    with pytest.raises(PayloadError):
        DeliveryDecoder(app_id=1).decode(delivery)
