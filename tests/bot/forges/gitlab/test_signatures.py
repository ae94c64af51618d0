"""Only GitLab's signature over exactly these bytes will do, or where there is none, a secret token (ADV-059)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import SettingsError
from bot.forges.gitlab.deliveries import MAX_SECRETS, TOLERANCE, SignatureVerifier, identify
from tests.bot.forges.gitlab import samples

KEY: Final = b"thirty-two bytes that sign hooks"
SIGNING: Final = b"whsec_" + base64.b64encode(KEY)
TOKEN: Final = b"a token that is sent in clear text"
OTHER: Final = b"the token of another project"
BODY: Final = json.dumps(samples.note("/flowforge resolve é")).encode()
NOW: Final = datetime(2026, 11, 29, 8, 15, tzinfo=UTC)
ID: Final = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"

Headers = dict[str, str]


class Clock:
    def now(self) -> datetime:
        return NOW


def verifier(*secrets: bytes) -> SignatureVerifier:
    return SignatureVerifier(secrets, clock=Clock())


def sign(body: bytes, *, key: bytes = KEY, at: float = NOW.timestamp(), id_: str = ID) -> Headers:
    time = str(int(at))
    digest = hmac.new(key, f"{id_}.{time}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": id_, "webhook-timestamp": time, "webhook-signature": signature}


def test_the_example_of_the_standard_verifies() -> None:
    # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    class Then:
        def now(self) -> datetime:
            return datetime.fromtimestamp(1614265330, tz=UTC)

    assert SignatureVerifier([secret], clock=Then()).verify(headers, body)
    assert not SignatureVerifier([secret], clock=Clock()).verify(headers, body)


def test_any_of_the_configured_secrets_will_do() -> None:
    ours = verifier(OTHER, SIGNING, TOKEN)
    assert ours.verify(sign(BODY), BODY)
    assert ours.verify({"x-gitlab-token": TOKEN.decode()}, BODY)
    assert ours.verify({"x-gitlab-token": OTHER.decode()}, BODY)


def test_a_secret_that_is_bound_to_a_project_speaks_for_no_other() -> None:
    here, elsewhere = b"project:%d:" % samples.PROJECT_ID, b"project:%d:" % (samples.PROJECT_ID + 1)
    by_token = {"x-gitlab-token": TOKEN.decode()}
    for headers, secret in ((by_token, TOKEN), (sign(BODY), SIGNING)):
        assert verifier(here + secret).verify(headers, BODY)
        assert not verifier(elsewhere + secret).verify(headers, BODY)
        assert verifier(elsewhere + secret, here + secret).verify(headers, BODY)
        assert verifier(elsewhere + secret, secret).verify(headers, BODY), "unbound, it speaks for all"
    twice = BODY.replace(
        b'"project": {"id": %d' % samples.PROJECT_ID, b'"project": {"id": %d, "id": 1' % samples.PROJECT_ID
    )
    assert twice != BODY
    for odd in (twice, b"", b"[]", b"{", b'{"project": null}'):
        assert not verifier(here + TOKEN).verify(by_token, odd)
    assert not verifier(here + TOKEN).verify({"x-gitlab-token": (here + TOKEN).decode()}, BODY)


def test_one_of_several_signatures_will_do() -> None:
    headers = sign(BODY)
    old = sign(BODY, key=b"the key before it was changed...")["webhook-signature"]
    headers["webhook-signature"] = f"v1a,AAAA {old} {headers['webhook-signature']}"
    assert verifier(SIGNING).verify(headers, BODY)


@pytest.mark.parametrize("off", [-TOLERANCE, TOLERANCE])
def test_clocks_may_differ_a_little(off: int) -> None:
    assert verifier(SIGNING).verify(sign(BODY, at=NOW.timestamp() + off), BODY)


def _with_token(headers: Headers) -> Headers:
    return headers | {"x-gitlab-token": TOKEN.decode()}


FORGERIES: dict[str, Callable[[], tuple[Headers, bytes]]] = {
    "nothing": lambda: ({}, BODY),
    "an empty token": lambda: ({"x-gitlab-token": ""}, BODY),
    "another token": lambda: ({"x-gitlab-token": TOKEN.decode() + "x"}, BODY),
    "half a token": lambda: ({"x-gitlab-token": TOKEN.decode()[:-1]}, BODY),
    "a token that is not ASCII": lambda: ({"x-gitlab-token": "é\udc80"}, BODY),
    "another key": lambda: (sign(BODY, key=b"another key of sufficient length"), BODY),
    "the secret's text as the key": lambda: (sign(BODY, key=SIGNING), BODY),
    "a body with one byte more": lambda: (sign(BODY), BODY + b" "),
    "another id": lambda: (sign(BODY) | {"webhook-id": ID.replace("f", "a")}, BODY),
    "another time": lambda: (sign(BODY) | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}, BODY),
    "too old": lambda: (sign(BODY, at=NOW.timestamp() - TOLERANCE - 1), BODY),
    "from the future": lambda: (sign(BODY, at=NOW.timestamp() + TOLERANCE + 1), BODY),
    "a time that is none": lambda: (sign(BODY) | {"webhook-timestamp": "now"}, BODY),
    "a time of other digits": lambda: (sign(BODY) | {"webhook-timestamp": "١٧٦٤"}, BODY),
    "a signature without its version": lambda: (
        sign(BODY) | {"webhook-signature": sign(BODY)["webhook-signature"][3:]},
        BODY,
    ),
    "an empty signature": lambda: (sign(BODY) | {"webhook-signature": ""}, BODY),
    "a wrong signature beside the right token": lambda: (_with_token(sign(BODY, key=b"k" * 32)), BODY),
    "a signature alone beside the right token": lambda: (_with_token({"webhook-signature": "v1,x"}), BODY),
    "an id alone beside the right token": lambda: (_with_token({"webhook-id": ID}), BODY),
    "an old signature beside the right token": lambda: (_with_token(sign(BODY, at=0)), BODY),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name: str) -> None:
    headers, body = FORGERIES[name]()
    assert verifier(SIGNING, TOKEN).verify(headers, body) is False


def test_a_signature_that_nobody_can_check_is_refused() -> None:
    assert verifier(TOKEN).verify(_with_token(sign(BODY)), BODY) is False


@pytest.mark.parametrize(
    "secrets",
    [
        [],
        [b""],
        [b"fifteen bytes.."],
        [TOKEN, b""],
        [TOKEN] * (MAX_SECRETS + 1),
        [b"whsec_not base64 at all"],
        [b"whsec_" + base64.b64encode(b"too short")],
    ],
)
def test_no_process_starts_without_sound_secrets(secrets: list[bytes]) -> None:
    with pytest.raises(SettingsError) as raised:
        SignatureVerifier(secrets, clock=Clock())
    assert "GitLab" in str(raised.value)
    assert all(secret.decode() not in str(raised.value) for secret in secrets if secret)


NAMES: Final = ["x-gitlab-token", "webhook-id", "webhook-timestamp", "webhook-signature"]


@given(headers=st.dictionaries(st.sampled_from(NAMES), st.text() | st.just("1764404100")), body=st.binary())
def test_a_guess_is_refused_and_nothing_raises(headers: Headers, body: bytes) -> None:
    assert verifier(SIGNING, TOKEN).verify(headers, body) is False


@given(body=st.binary(), key=st.binary(min_size=16, max_size=64))
def test_what_the_key_signed_verifies_and_no_other_body(body: bytes, key: bytes) -> None:
    ours = verifier(b"whsec_" + base64.b64encode(key))
    assert ours.verify(sign(body, key=key), body)
    assert not ours.verify(sign(body, key=key), body + b"\n")


def test_a_delivery_has_the_id_that_it_keeps_when_it_is_sent_again() -> None:
    event = {"x-gitlab-event": "Merge Request Hook", "x-gitlab-event-uuid": "13792a34-cac6-4fda-95a8-c58e00a3954e"}
    assert identify(event | {"webhook-id": ID, "idempotency-key": ID}, BODY) == (ID, "merge_request_hook")
    assert identify(event | {"idempotency-key": ID}, BODY) == (ID, "merge_request_hook")


def test_two_events_of_one_request_are_told_apart_where_their_id_is_shared() -> None:
    headers = {"x-gitlab-event": "Push Hook", "x-gitlab-event-uuid": "13792a34-cac6-4fda-95a8-c58e00a3954e"}
    one, other = identify(headers, b"one branch"), identify(headers, b"another branch")
    assert one is not None
    assert other is not None
    assert one != other
    assert one == identify(headers, b"one branch")
    assert len(one[0]) <= 64


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-gitlab-event": "Note Hook"},
        {"idempotency-key": ID},
        {"x-gitlab-event": "Note Hook", "idempotency-key": "x"},
        {"x-gitlab-event": "Note Hook", "idempotency-key": "../../../etc/passwd"},
        {"x-gitlab-event": "Note Hook", "idempotency-key": "a" * 65},
        {"x-gitlab-event": "Note\nHook", "idempotency-key": ID},
        {"x-gitlab-event": "Nöte Hook", "idempotency-key": ID},
        {"x-gitlab-event": "", "idempotency-key": ID},
    ],
)
def test_a_delivery_without_a_name_or_an_id_is_none(headers: Headers) -> None:
    assert identify(headers, BODY) is None
