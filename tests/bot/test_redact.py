"""No known shape of a credential survives redaction, whatever surrounds it (ADV-015)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.redact import MARK, redact

NEW_INSTALLATION_TOKEN = "ghs_1234567_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"

SECRETS = [
    NEW_INSTALLATION_TOKEN,
    "ghs_1234567_" + "eyJhbGciOiJSUzI1NiJ9." + "A" * 400 + "." + "b-_" * 40,
    "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "gho_short",
    "ghu_x",
    "ghr_1B4a2e77838347a7E420ce178F2E7c6912E169246c34E1ccbF66C46812d16D5B1A9Dc86A1498",
    "github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789",
    "sk-ant-api03-AbC_dEf-123456789",
    "glpat-AbCdEf_0123456789.01.0w0abcd",
    "glrt-t1_AbCdEf0123456789",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MDAwMDAwMDB9.c2lnbmF0dXJlX29mX3RoZV9hcHA",
    PEM,
    PEM.partition("-----END")[0],
    base64.b64encode(f"x-access-token:{NEW_INSTALLATION_TOKEN}".encode()).decode(),
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "token ", "=", '"', "a: ", "\n", "/", "(", "é"])
def test_no_secret_survives(secret: str, before: str) -> None:
    assert redact(f"{before}{secret}") == f"{before}{MARK}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {MARK}"),
        ('{"authorization": "bearer abc"}', f'{{"authorization": "bearer {MARK}"}}'),
        ("AUTHORIZATION: token abc; next", f"AUTHORIZATION: token {MARK}; next"),
        ("sent Bearer abcdefgh-run-token to us", f"sent Bearer {MARK} to us"),
        ("x-api-key: short", f"x-api-key: {MARK}"),
        ("PRIVATE-TOKEN=abc", f"PRIVATE-TOKEN={MARK}"),
        ("https://me:pass@host/x.git failed", f"https://{MARK}@host/x.git failed"),
        ("https://ghs_abc@host/x.git", f"https://{MARK}@host/x.git"),
        ("could not read x-access-token:abc@github.com", f"could not read {MARK}@github.com"),
    ],
)
def test_credentials_lose_their_value_and_keep_their_name(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "it laughs_at highs_and_lows and weighs_in",
        "https://github.com/octo/hello/pull/1 by me@example.org",
        "git@github.com:octo/hello.git",
        "basic functionality for the bearer of news",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "github_pattern, sk-antelope, eyJ",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(before=st.text(), after=st.text(), secret=st.sampled_from(SECRETS[:3] + SECRETS[7:10]))
def test_a_secret_amid_anything_is_gone(before: str, after: str, secret: str) -> None:
    # A word in front may belong to another token; the secret itself must be gone whatever it is.
    assert secret not in redact(f"{before} {secret} {after}")


PIECES = ["ghs_", "ey", "eyJ", "a.", "://", "@", ":", "Bearer ", "-", " ", "x" * 9, "=", "authorization", "\n"]


@given(st.lists(st.sampled_from([*PIECES, *SECRETS])).map("".join))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


HOSTILE = ["eyJ", "oauth2:", "ghs", "://", "-----BEGIN PRIVATE KEY-----", "authorization:", "bearer ", "_eyJ", "basic "]


@pytest.mark.timeout(60)  # what explodes takes minutes
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    # A quadratic pattern needs minutes for this; the bound is wide because machines are slow at times.
    text = piece * (1_000_000 // len(piece))
    redact(text)
