"""The validator is worth something only if it finds what is wrong: each case here is one fault."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from app.demo.simulator.asgi import BY_CLIENT, PAGES, ROUTES
from app.demo.simulator.record import Exchange, SentWebhook
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Role
from tests.contracts.github import validate_exchange, validate_sent, validate_webhook
from tests.contracts.operations import OPERATIONS
from tests.contracts.simulator import assert_contract, checked_simulator

REPO = "/repos/acme/payments"
CHECKS = f"{REPO}/check-runs"
SHA = "a" * 40
OUTPUT = {"title": "t", "summary": "s"}
BUTTON = {"label": "Approve", "description": "d", "identifier": "approve"}
NOTE = {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}


def _asked(method: str, path: str, body: object = None, *, query: str = "", **headers: str) -> Exchange:
    """A request that got a 403, so that only the request can be at fault."""
    content = b"" if body is None else json.dumps(body).encode()
    return Exchange(
        number=1,
        at=datetime(2026, 11, 23, tzinfo=UTC),
        who="nobody",
        method=method,
        path=path,
        query=query,
        request_headers={"user-agent": "x", "content-type": "application/json"} | headers,
        request_body=content,
        status=403,
        response_headers={"content-type": "application/json"},
        response_body=b'{"message": "no", "documentation_url": "https://docs.github.com/rest", "status": "403"}',
    )


GOOD = [
    _asked("POST", CHECKS, {"name": "x", "head_sha": SHA}),
    _asked("POST", CHECKS, {"name": "x", "head_sha": SHA, "status": "completed", "conclusion": "action_required"}),
    _asked("POST", CHECKS, {"name": "x", "head_sha": SHA, "output": OUTPUT | {"annotations": [NOTE] * 50}}),
    _asked("PATCH", f"{CHECKS}/1", {"status": "in_progress", "started_at": "2026-11-23T14:00:00Z"}),
    _asked("PATCH", f"{CHECKS}/1", {"conclusion": "neutral", "actions": [BUTTON] * 3}),
    _asked("POST", f"{REPO}/issues/1/comments", {"body": "x" * 65_536}),
    _asked("POST", f"{REPO}/issues/comments/1/reactions", {"content": "+1"}),
    _asked("GET", f"{REPO}/commits/{SHA}/check-runs", query="check_name=FlowForge&filter=all&app_id=7&per_page=100"),
    _asked("GET", f"{REPO}/contents/a/b/c.txt", query="ref=main"),
    _asked("GET", "/repositories/7/pulls/1"),
    _asked("POST", "/app/installations/1/access_tokens", {"repository_ids": [1], "permissions": {"contents": "write"}}),
    _asked("POST", "/app/installations/1/access_tokens"),
    _asked("GET", "/acme/payments.git/info/refs", query="service=git-upload-pack"),
]

BAD: dict[str, tuple[Exchange, str]] = {
    "no such path": (_asked("GET", f"{REPO}/pull/1"), "no such operation"),
    "no such method": (_asked("PUT", f"{REPO}/pulls/1"), "no such operation"),
    "path parameter no number": (_asked("GET", f"{REPO}/pulls/one"), "no such operation"),
    "no user agent": (replace(GOOD[0], request_headers={"content-type": "application/json"}), "no User-Agent"),
    "api version": (_asked("GET", REPO, **{"x-github-api-version": "2020-01-01"}), "unknown API version"),
    "body not declared": (replace(GOOD[0], request_headers={"user-agent": "x"}), "not declared as JSON"),
    "unknown query": (_asked("GET", f"{REPO}/pulls", query="status=open"), "unknown query parameter status"),
    "query enumeration": (_asked("GET", f"{REPO}/pulls", query="state=merged"), "query parameter state"),
    "query no number": (_asked("GET", f"{REPO}/pulls", query="page=x"), "query parameter page"),
    "page too large": (_asked("GET", f"{REPO}/pulls", query="per_page=101"), "per_page over 100"),
    "body where none belongs": (_asked("GET", REPO, {"x": 1}), "a body where none belongs"),
    "body missing": (_asked("POST", CHECKS), "a body is missing"),
    "no JSON": (replace(GOOD[0], request_body=b"{"), "Invalid JSON"),
    "head_sha missing": (_asked("POST", CHECKS, {"name": "x"}), "head_sha: Field required"),
    "unknown field": (_asked("POST", CHECKS, {"name": "x", "head_sha": SHA, "sha": SHA}), ".sha: unknown field"),
    "unknown field inside": (
        _asked("POST", CHECKS, {"name": "x", "head_sha": SHA, "output": OUTPUT | {"body": "b"}}),
        ".output.body: unknown field",
    ),
    "number as text": (_asked("POST", CHECKS, {"name": 7, "head_sha": SHA}), "valid string"),
    "conclusion": (_asked("POST", CHECKS, {"name": "x", "head_sha": SHA, "conclusion": "passed"}), "conclusion"),
    "stale": (_asked("PATCH", f"{CHECKS}/1", {"conclusion": "stale"}), "only GitHub sets stale"),
    "completed without conclusion": (
        _asked("POST", CHECKS, {"name": "x", "head_sha": SHA, "status": "completed"}),
        "conclusion",
    ),
    "completed_at without conclusion": (
        _asked("PATCH", f"{CHECKS}/1", {"completed_at": "2026-11-23T14:00:00Z"}),
        "needed for a completed check run",
    ),
    "status of Actions": (
        _asked("POST", CHECKS, {"name": "x", "head_sha": SHA, "status": "waiting"}),
        "reserved for GitHub Actions",
    ),
    "no date": (_asked("PATCH", f"{CHECKS}/1", {"started_at": "yesterday"}), "datetime"),
    "summary missing": (_asked("PATCH", f"{CHECKS}/1", {"output": {"title": "t"}}), "summary: Field required"),
    "title missing": (_asked("PATCH", f"{CHECKS}/1", {"output": {"summary": "s"}}), "title: required with an output"),
    "summary too long": (
        _asked("PATCH", f"{CHECKS}/1", {"output": OUTPUT | {"summary": "x" * 65_536}}),
        "at most 65535 characters",
    ),
    "text too long": (
        _asked("PATCH", f"{CHECKS}/1", {"output": OUTPUT | {"text": "x" * 65_536}}),
        "at most 65535 items",
    ),
    "51 annotations": (
        _asked("PATCH", f"{CHECKS}/1", {"output": OUTPUT | {"annotations": [NOTE] * 51}}),
        "at most 50 items",
    ),
    "annotation level": (
        _asked("PATCH", f"{CHECKS}/1", {"output": OUTPUT | {"annotations": [NOTE | {"annotation_level": "error"}]}}),
        "annotation_level",
    ),
    "annotation ends before it starts": (
        _asked("PATCH", f"{CHECKS}/1", {"output": OUTPUT | {"annotations": [NOTE | {"start_line": 3}]}}),
        "end after they start",
    ),
    "annotation columns": (
        _asked("PATCH", f"{CHECKS}/1", {"output": OUTPUT | {"annotations": [NOTE | {"end_line": 2, "end_column": 1}]}}),
        "only on one line",
    ),
    "annotation title": (
        _asked("PATCH", f"{CHECKS}/1", {"output": OUTPUT | {"annotations": [NOTE | {"title": "x" * 256}]}}),
        "longer than 255",
    ),
    "annotation message": (
        _asked("PATCH", f"{CHECKS}/1", {"output": OUTPUT | {"annotations": [NOTE | {"message": "x" * 65_537}]}}),
        "larger than 65536",
    ),
    "four actions": (_asked("PATCH", f"{CHECKS}/1", {"actions": [BUTTON] * 4}), "at most 3 items"),
    "label": (_asked("PATCH", f"{CHECKS}/1", {"actions": [BUTTON | {"label": "x" * 21}]}), "at most 20 char"),
    "description": (
        _asked("PATCH", f"{CHECKS}/1", {"actions": [BUTTON | {"description": "x" * 41}]}),
        "at most 40 char",
    ),
    "identifier": (
        _asked("PATCH", f"{CHECKS}/1", {"actions": [BUTTON | {"identifier": "x" * 21}]}),
        "at most 20 char",
    ),
    "comment too long": (_asked("POST", f"{REPO}/issues/1/comments", {"body": "x" * 65_537}), "longer than 65536"),
    "comment blank": (_asked("PATCH", f"{REPO}/issues/comments/1", {"body": " "}), "must not be blank"),
    "reaction": (_asked("POST", f"{REPO}/issues/comments/1/reactions", {"content": "shrug"}), "content"),
    "permission level": (
        _asked("POST", "/app/installations/1/access_tokens", {"permissions": {"contents": "execute"}}),
        "contents",
    ),
    "permission name": (
        _asked("POST", "/app/installations/1/access_tokens", {"permissions": {"content": "read"}}),
        "content: unknown field",
    ),
    "repository ids as names": (
        _asked("POST", "/app/installations/1/access_tokens", {"repository_ids": ["payments"]}),
        "valid integer",
    ),
}


@pytest.mark.parametrize("exchange", GOOD, ids=lambda one: f"{one.method} {one.path}")
def test_requests_without_fault_pass(exchange: Exchange) -> None:
    assert validate_exchange(exchange) == []


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_requests_with_a_fault_are_caught(case: tuple[Exchange, str]) -> None:
    exchange, words = case
    found = validate_exchange(exchange)
    assert any(words in fault for fault in found), found


def test_every_route_of_the_simulator_is_an_operation_of_github() -> None:
    def plain(template: str) -> str:
        return "/".join("{}" if part.startswith("{") else part for part in template.split("/"))

    # Pages for browsers are in nobody's description of an API, and what holds a client's secret is on no record.
    unseen = [one for one in ROUTES if PAGES.match(one.template) or BY_CLIENT.match(one.template)]
    routes = {(one.method, plain(one.template)) for one in ROUTES if one not in unseen}
    assert routes == {(one.method, plain(one.template)) for one in OPERATIONS}


@pytest.fixture
async def said(tmp_path: Path) -> tuple[list[Exchange], list[tuple[str, dict[str, Any]]]]:
    """Real exchanges and webhooks of the simulator, to be broken."""
    async with checked_simulator(tmp_path, webhook_secret="s") as sim:
        ada = sim.people.user("ada")
        repository = await sim.people.repository("acme/payments", files={"a": "b"}, roles={ada: Role.WRITE})
        await sim.people.commit(repository, "feature", {"a": "c"}, author=ada)
        pull = await sim.people.open_pull_request(repository, author=ada, head="feature")
        comment = sim.people.comment(pull, ada, "hello")
        token = sim.people.token(ada)
        headers = {"authorization": f"token {token}", "user-agent": "x"}
        async with httpx.AsyncClient(base_url=sim.base_url, headers=headers, trust_env=False) as client:
            for path in (REPO, f"{REPO}/pulls/1", f"{REPO}/issues/comments/{comment.id}", f"{REPO}/pulls/9"):
                await client.get(path)
            await client.post(f"{REPO}/issues/1/comments", json={})
        # The last request was wrong on purpose, its answer was right.
        wrong = sim.record.exchanges.pop()
        exchanges = [*sim.record.exchanges, replace(wrong, request_body=b'{"body": "x"}')]
        return exchanges, [(one.event, dict(one.payload)) for one in sim.webhooks.deliveries]


def _broken(exchange: Exchange, **fields: Any) -> Exchange:
    body = json.loads(exchange.response_body)
    for name, value in fields.items():
        if value is ...:
            del body[name]
        else:
            body[name] = value
    return replace(exchange, response_body=json.dumps(body).encode())


async def test_answers_with_a_fault_are_caught(said: tuple[list[Exchange], list[Any]]) -> None:
    repository, pull, comment, missing, refused = said[0]
    assert [fault for one in said[0] for fault in validate_exchange(one)] == []
    cases = [
        (_broken(repository, id="7"), "answer.id"),
        (_broken(repository, owner=None), "answer.owner"),
        (_broken(repository, made_up=1), "answer.made_up: unknown field"),
        (_broken(pull, mergeable=...), "answer.mergeable: Field required"),
        (_broken(pull, state="merged"), "answer.state"),
        (_broken(pull, head={"ref": "x"}), "answer.head"),
        (_broken(comment, created_at="now"), "answer.created_at"),
        (_broken(comment, author_association="BOSS"), "answer.author_association"),
        (replace(comment, status=202), "status 202 is not one of this operation's"),
        (replace(comment, status=304), "304 with a body"),
        (_broken(missing, message=7), "answer.message"),
        (_broken(refused, message=...), "answer"),
    ]
    for exchange, words in cases:
        found = validate_exchange(exchange)
        assert any(words in fault for fault in found), (words, found)


async def test_webhooks_with_a_fault_are_caught(said: tuple[list[Any], list[tuple[str, dict[str, Any]]]]) -> None:
    payloads = dict(said[1])
    comment, pull, push = (payloads[event] for event in ("issue_comment", "pull_request", "push"))
    cases = [
        ("issue_comment", comment | {"action": "posted"}, "no such event"),
        ("comment", comment, "no such event"),
        (
            "issue_comment",
            {name: comment[name] for name in comment if name != "installation"},
            "names its installation",
        ),
        ("issue_comment", comment | {"sender": None}, "payload.sender"),
        ("issue_comment", comment | {"comment": comment["comment"] | {"body": None}}, "payload.comment.body"),
        ("pull_request", pull | {"number": "1"}, "payload.number"),
        ("pull_request", pull | {"pull_request": pull["pull_request"] | {"draft": "no"}}, "payload.pull_request.draft"),
        ("push", push | {"commits": [{"id": SHA}]}, "payload.commits"),
        ("push", push | {"branch": "main"}, "payload.branch: unknown field"),
    ]
    for event, payload, words in cases:
        found = validate_webhook(event, payload)
        assert any(words in fault for fault in found), (words, found)


async def test_headers_of_a_delivery_are_looked_at(said: tuple[list[Any], list[tuple[str, dict[str, Any]]]]) -> None:
    event, payload = said[1][0]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/x",
        "X-GitHub-Delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": "1",
        "X-GitHub-Hook-Installation-Target-ID": "1",
        "X-GitHub-Hook-Installation-Target-Type": "integration",
    }
    sent = SentWebhook(
        number=1,
        at=datetime(2026, 11, 23, tzinfo=UTC),
        delivery_id=headers["X-GitHub-Delivery"],
        event=event,
        action=None,
        headers=headers,
        payload=payload,
        status=202,
    )
    assert validate_sent(sent) == []
    for name in headers:
        assert len(validate_sent(replace(sent, headers=headers | {name: "!"}))) == 1


async def test_a_test_that_breaks_the_contract_fails(tmp_path: Path) -> None:
    async with Simulator.serve(tmp_path, webhook_secret="s") as sim:
        now = int(sim.world.clock.now().timestamp())
        claims = {"iat": now - 60, "exp": now + 500, "iss": sim.app.client_id}
        token = jwt.encode(claims, sim.app.private_key_pem, algorithm="RS256")
        headers = {"authorization": f"Bearer {token}", "user-agent": "x"}
        async with httpx.AsyncClient(base_url=sim.base_url, headers=headers, trust_env=False) as client:
            assert (await client.get("/app")).status_code == 200
            assert_contract(sim)
            await client.get("/app/hooks")
        with pytest.raises(AssertionError, match="no such operation"):
            assert_contract(sim)
