"""Does what was said on the wire obey GitHub's own description of its API?

``validate_exchange`` and ``validate_webhook`` say what is wrong with one entry of the simulator's record;
``validate_record`` with all of it. What the description leaves out and GitHub refuses all the same is checked by hand.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from githubkit_schemas.v2026_03_10 import models
from pydantic import TypeAdapter, ValidationError

from app.demo.simulator.record import Exchange, Record, SentWebhook
from tests.contracts.operations import Operation, find_operation
from tests.contracts.schema import faults

GIT = re.compile(r"/[^/]+/[^/]+/(info/refs|git-upload-pack|git-receive-pack)")
API_VERSIONS = frozenset({"2022-11-28", "2026-03-10"})
RAW = "application/vnd.github.raw"
COMMENT_LIMIT = 65_536
TEXT_LIMIT = 64 * 1024
TITLE_LIMIT = 255
REFUSALS = frozenset({301, 307, 400, 401, 403, 404, 410, 413, 422, 429})
UNAVAILABLE = 500
NOT_MODIFIED = 304
UNPROCESSABLE = 422
OWN_STATUSES = frozenset({"waiting", "requested", "pending"})


def validate_exchange(exchange: Exchange) -> list[str]:
    """Every way in which a request or its answer is not as GitHub describes it."""
    if GIT.fullmatch(exchange.path):
        return []
    where = f"#{exchange.number} {exchange.method} {exchange.path}"
    # Undocumented, but where GitHub itself redirects to after a rename.
    path = re.sub(r"^/repositories/[0-9]+(?=/|$)", "/repos/owner/repo", exchange.path)
    operation = find_operation(exchange.method, path)
    if operation is None:
        return [f"{where}: GitHub has no such operation"]
    return [
        f"{where}: {fault}"
        for check in (_headers, _query, _request_body, _answer)
        for fault in check(operation, exchange)
    ]


def _headers(operation: Operation, exchange: Exchange) -> Iterator[str]:
    del operation
    headers = exchange.request_headers
    if "user-agent" not in headers:
        yield "no User-Agent"
    if headers.get("x-github-api-version", "2022-11-28") not in API_VERSIONS:
        yield f"unknown API version {headers['x-github-api-version']}"
    if exchange.request_body and "json" not in headers.get("content-type", ""):
        yield "a body that is not declared as JSON"


def _query(operation: Operation, exchange: Exchange) -> Iterator[str]:
    for name, value in parse_qsl(exchange.query, keep_blank_values=True):
        if name not in operation.query:
            yield f"unknown query parameter {name}"
            continue
        try:
            TypeAdapter(operation.query[name]).validate_python(value)
        except ValidationError as error:
            yield f"query parameter {name}: {error.errors()[0]['msg']}"
    if re.search(r"(?:^|&)per_page=(\d+)", exchange.query) and int(dict(parse_qsl(exchange.query))["per_page"]) > 100:
        yield "per_page over 100"


def _request_body(operation: Operation, exchange: Exchange) -> Iterator[str]:
    if not exchange.request_body:
        if operation.body_required:
            yield "a body is missing"
        return
    if operation.body is None:
        yield "a body where none belongs"
        return
    found = faults(operation.body, exchange.request_body, "request")
    yield from found
    if not found:
        yield from _beyond_the_description(operation, exchange.request_json())


def _beyond_the_description(operation: Operation, body: Any) -> Iterator[str]:
    """What GitHub refuses though its description does not say so."""
    if operation.template.endswith("/check-runs") or operation.template.endswith("{check_run_id:int}"):
        yield from _check_run(body)
    if "comment" in operation.template and "body" in body:
        if not body["body"].strip():
            yield "request.body: a comment must not be blank"
        if len(body["body"]) > COMMENT_LIMIT:
            yield f"request.body: longer than {COMMENT_LIMIT} characters"


def _check_run(body: Mapping[str, Any]) -> Iterator[str]:
    if "conclusion" not in body and (body.get("status") == "completed" or "completed_at" in body):
        yield "request.conclusion: needed for a completed check run"
    if body.get("conclusion") == "stale":
        yield "request.conclusion: only GitHub sets stale"
    if body.get("status") in OWN_STATUSES:
        yield "request.status: reserved for GitHub Actions"
    output = body.get("output")
    if output is not None:
        if not output.get("title"):
            yield "request.output.title: required with an output"
        for position, annotation in enumerate(output.get("annotations", [])):
            for fault in _annotation(annotation):
                yield f"request.output.annotations[{position}].{fault}"


def _annotation(annotation: Mapping[str, Any]) -> Iterator[str]:
    start, end = annotation["start_line"], annotation["end_line"]
    if start < 1 or end < start:
        yield "end_line: lines count from 1 and end after they start"
    if start != end and annotation.keys() & {"start_column", "end_column"}:
        yield "start_column: only on one line"
    if len(annotation.get("title", "")) > TITLE_LIMIT:
        yield f"title: longer than {TITLE_LIMIT} characters"
    for name in ("message", "raw_details"):
        if len(annotation.get(name, "").encode()) > TEXT_LIMIT:
            yield f"{name}: larger than {TEXT_LIMIT} bytes"


def _answer(operation: Operation, exchange: Exchange) -> Iterator[str]:
    status = exchange.status
    if status == NOT_MODIFIED:
        if exchange.response_body:
            yield "304 with a body"
        return
    if status in operation.answers:
        model = operation.answers[status]
        if model is None:
            if exchange.response_body:
                yield f"{status} with a body"
        elif not exchange.response_headers.get("content-type", "").startswith(RAW):
            yield from faults(model, exchange.response_body, "answer")
        return
    if status >= UNAVAILABLE:
        return
    if status not in REFUSALS:
        yield f"status {status} is not one of this operation's"
        return
    model = models.ValidationError | models.ValidationErrorSimple if status == UNPROCESSABLE else models.BasicError
    body = json.loads(exchange.response_body)
    body.pop("status", None)  # in every real answer, in the description's basic error only
    yield from faults(model, json.dumps(body).encode(), "answer")


UNEVENLY_DESCRIBED = frozenset(
    f"payload.pull_request.{name}: unknown field" for name in ("assignee", "merge_commit_sha")
)
"""In the real payloads of all actions; the description has them for ``synchronize``, not for ``opened``."""

MARKS_UNEVENLY_DESCRIBED = re.compile(
    r".*\.(labels\[\d+\]\.archived_(at|by)|assignees\[\d+\]\.user_view_type): unknown field"
)
"""The description has these fields in the events that add a label or an assignee, and not in most others."""


def validate_webhook(event: str, payload: Mapping[str, object]) -> list[str]:
    """Every way in which a webhook's payload is not as GitHub describes it."""
    action = payload.get("action")
    name = "Webhook" + "".join(part.capitalize() for part in f"{event}_{action or ''}".split("_"))
    model = getattr(models, name, None)
    where = event if action is None else f"{event} {action}"
    if model is None:
        return [f"{where}: GitHub has no such event"]
    found = [
        f"{where}: {fault}"
        for fault in faults(model, json.dumps(payload).encode(), "payload")
        if fault not in UNEVENLY_DESCRIBED and not MARKS_UNEVENLY_DESCRIBED.fullmatch(fault)
    ]
    installation = payload.get("installation")
    if event != "ping" and not (isinstance(installation, dict) and isinstance(installation.get("id"), int)):
        found.append(f"{where}: a delivery to an App names its installation")
    return found


DELIVERY_HEADERS = {
    "content-type": r"application/json",
    "user-agent": r"GitHub-Hookshot/\S+",
    "x-github-delivery": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "x-github-event": r"[a-z_]+",
    "x-github-hook-id": r"[0-9]+",
    "x-github-hook-installation-target-id": r"[0-9]+",
    "x-github-hook-installation-target-type": r"integration",
}
"""Source: https://docs.github.com/webhooks/webhook-events-and-payloads#delivery-headers ."""


def validate_sent(webhook: SentWebhook) -> list[str]:
    """Every way in which a delivery's headers or payload are not as GitHub describes them."""
    headers = {name.casefold(): value for name, value in webhook.headers.items()}
    found = [
        f"{webhook.event}: header {name} is {headers.get(name)!r}"
        for name, pattern in DELIVERY_HEADERS.items()
        if not re.fullmatch(pattern, headers.get(name, ""))
    ]
    return found + validate_webhook(webhook.event, webhook.payload)


def validate_record(record: Record) -> list[str]:
    """Everything wrong in a record."""
    return [fault for exchange in record.exchanges for fault in validate_exchange(exchange)] + [
        fault for webhook in record.webhooks for fault in validate_sent(webhook)
    ]
