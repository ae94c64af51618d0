"""Several forges deliver to one service: each at its own door, which opens to its own secrets alone."""

import base64
import hmac
import time

import httpx
import pytest

from bot.model.forge import ForgeKind
from tests.app.http.web import BODY, GHES, NEW, SIGNING, TOKEN, Web, signature

UUID = "2f7c1f7e-8a52-4d1f-9a8a-0f3a6f4f0c11"
NOTE = {"x-gitlab-event": "Note Hook", "idempotency-key": UUID, "x-gitlab-event-uuid": "another-uuid-of-it"}
WITH_TOKEN = NOTE | {"x-gitlab-token": TOKEN.decode()}


async def post(web: Web, name: str, headers: dict[str, str]) -> httpx.Response:
    return await web.http.post(f"/webhooks/{name}", content=BODY, headers=headers)


def of_github(secret: bytes) -> dict[str, str]:
    return {
        "x-hub-signature-256": signature(BODY, secret),
        "x-github-delivery": "delivery-1",
        "x-github-event": "push",
    }


def signed(*, at: float | None = None) -> dict[str, str]:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md ."""
    sent = str(int(time.time() if at is None else at))
    key = base64.b64decode(SIGNING.removeprefix("whsec_"))
    digest = base64.b64encode(hmac.digest(key, f"{UUID}.{sent}.".encode() + BODY, "sha256")).decode()
    named = {"webhook-id": UUID, "webhook-timestamp": sent, "webhook-signature": f"v1,{digest}"}
    return {"x-gitlab-event": "Note Hook", **named}


@pytest.mark.parametrize("has_signature", [False, True], ids=["token", "signature"])
async def test_a_delivery_of_gitlab_is_kept_as_it_came_once_and_rung_once(web: Web, *, has_signature: bool) -> None:
    headers = signed() if has_signature else WITH_TOKEN  # a signature counts for minutes only
    answers = [(await post(web, "gitlab", headers)).status_code for _ in range(2)]
    assert answers == [202, 202]
    kept = await web.store.deliveries.get(ForgeKind.GITLAB, UUID)
    assert kept is not None
    assert (kept.forge, kept.event, kept.body) == ("gitlab", "note_hook", BODY)
    assert TOKEN.decode() not in str(kept.headers)
    assert web.rung == [("delivery", f"gitlab:{UUID}")]


@pytest.mark.parametrize(
    "headers",
    [
        NOTE,
        NOTE | {"x-gitlab-token": ""},
        NOTE | {"x-gitlab-token": "the-secret-token-of-another"},
        WITH_TOKEN | {"x-gitlab-token": f"{TOKEN.decode()}é"},
        # a signature that does not hold is not made up for by a token
        WITH_TOKEN | signed() | {"webhook-signature": "v1," + "A" * 43 + "="},
        signed(at=time.time() - 3600),
    ],
    ids=["none", "empty", "another", "more", "signature", "old"],
)
async def test_what_gitlab_did_not_send_is_refused(web: Web, headers: dict[str, str]) -> None:
    answer = await web.http.post(
        "/webhooks/gitlab", content=BODY, headers={name.encode(): value.encode() for name, value in headers.items()}
    )
    assert (answer.status_code, web.rung) == (401, [])


async def test_each_door_opens_to_its_own_secrets_alone(web: Web) -> None:
    assert (await post(web, "github", of_github(GHES))).status_code == 401
    assert (await post(web, "github-ghes", of_github(NEW))).status_code == 401
    assert (await post(web, "github", of_github(NEW))).status_code == 202
    assert (await post(web, "github-ghes", of_github(GHES))).status_code == 202
    assert (await post(web, "github-other", of_github(NEW))).status_code == 404
    # one id at two forges is two deliveries
    assert web.rung == [("delivery", "github:delivery-1"), ("delivery", "github-ghes:delivery-1")]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-gitlab-token": TOKEN.decode()},
        WITH_TOKEN | {"x-gitlab-event": "Wiki Page Hook"},
        WITH_TOKEN | {"x-gitlab-event": "no event; at all"},
        {"x-gitlab-token": TOKEN.decode(), "x-gitlab-event": "Note Hook"},
    ],
    ids=["nothing said", "unused", "malformed", "no id"],
)
async def test_gitlab_is_never_told_of_a_failure_that_would_end_its_hook(web: Web, headers: dict[str, str]) -> None:
    answer = await post(web, "gitlab", headers)
    assert (answer.status_code, answer.json()) == (202, {"detail": "not used"})
    assert web.rung == []
