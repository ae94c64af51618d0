"""Only GitHub's signature over exactly these bytes will do (ADV-059)."""

import hashlib
import hmac
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import SettingsError
from bot.forges.github.deliveries import SignatureVerifier, verify_signature
from tests.bot.forges.github import samples

SECRET = b"it's a secret to everybody"
NEXT = b"the secret after the rotation"
BODY = json.dumps(samples.issue_comment(body="/flowforge resolve é")).encode()


def sign(body: bytes, secret: bytes = SECRET, algorithm: str = "sha256") -> str:
    return f"{algorithm}={hmac.new(secret, body, algorithm).hexdigest()}"


def signed(header: str | None) -> dict[str, str]:
    """The headers of a request with that signature."""
    return {} if header is None else {"x-hub-signature-256": header}


def test_githubs_own_example_verifies() -> None:
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify_signature(b"Hello, World!", signature, [b"It's a Secret to Everybody"])


@pytest.mark.parametrize("secret", [SECRET, NEXT])
def test_either_of_two_secrets_will_do(secret: bytes) -> None:
    assert SignatureVerifier([SECRET, NEXT]).verify(signed(sign(BODY, secret)), BODY)


FORGERIES: dict[str, Callable[[], tuple[bytes, str | None]]] = {
    "no signature": lambda: (BODY, None),
    "an empty signature": lambda: (BODY, ""),
    "another secret": lambda: (BODY, sign(BODY, b"another secret of some length")),
    "sha1 only": lambda: (BODY, sign(BODY, algorithm="sha1")),
    "sha512": lambda: (BODY, sign(BODY, algorithm="sha512")),
    "sha1 called sha256": lambda: (BODY, sign(BODY, algorithm="sha1").replace("sha1", "sha256")),
    "upper case digits": lambda: (BODY, "sha256=" + sign(BODY)[7:].upper()),
    "upper case name": lambda: (BODY, sign(BODY).replace("sha256", "SHA256")),
    "a body with one byte more": lambda: (BODY + b" ", sign(BODY)),
    "a body with one byte changed": lambda: (BODY.replace(b"resolve", b"resolvf"), sign(BODY)),
    "the same JSON written again": lambda: (
        json.dumps(json.loads(BODY), separators=(",", ":"), ensure_ascii=False).encode(),
        sign(BODY),
    ),
    "not ASCII": lambda: (BODY, "sha256=é"),
    "64 digits of another script": lambda: (BODY, "sha256=" + "٣" * 64),
    "no name": lambda: (BODY, sign(BODY)[7:]),
    "a space in front": lambda: (BODY, " " + sign(BODY)),
    "a line feed behind": lambda: (BODY, sign(BODY) + "\n"),
    "two signatures": lambda: (BODY, f"{sign(BODY)},{sign(BODY)}"),
    "half a signature": lambda: (BODY, sign(BODY)[:39]),
    "an empty secret's": lambda: (BODY, sign(BODY, b"")),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name: str) -> None:
    body, header = FORGERIES[name]()
    assert SignatureVerifier([SECRET, NEXT]).verify(signed(header), body) is False


def test_without_a_secret_nothing_is_authentic() -> None:
    assert verify_signature(BODY, sign(BODY, b""), []) is False


@pytest.mark.parametrize(
    "secrets",
    [[], [b""], [b"fifteen bytes.."], [SECRET, b""], [SECRET, NEXT, b"a third secret, one too many"]],
)
def test_no_process_starts_without_sound_secrets(secrets: list[bytes]) -> None:
    with pytest.raises(SettingsError) as raised:
        SignatureVerifier(secrets)
    assert "secret" in str(raised.value)
    assert all(secret.decode() not in str(raised.value) for secret in secrets if secret)


@given(body=st.binary(), header=st.none() | st.text() | st.from_regex(r"sha256=[0-9a-f]{64}", fullmatch=True))
def test_a_guess_is_refused_and_nothing_raises(body: bytes, header: str | None) -> None:
    assert verify_signature(body, header, [SECRET, NEXT]) is False


@given(body=st.binary(), secret=st.binary(min_size=16))
def test_what_the_secret_signed_verifies_and_no_other_body(body: bytes, secret: bytes) -> None:
    header = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    verifier = SignatureVerifier([SECRET, secret])
    assert verifier.verify(signed(header), body)
    assert not verifier.verify(signed(header), body + b"\n")
