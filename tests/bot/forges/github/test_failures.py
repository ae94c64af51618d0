"""Which error an answer becomes, and how long it says to wait."""

import json
from datetime import UTC, datetime

import pytest

from bot.errors import ForgeError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.forges.github.failures import LimitedError, PassingError, failure

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
TOKEN = "ghs_1234567_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl"


def fail(status: int, headers: dict[str, str] | None = None, message: str = "") -> ForgeError:
    return failure("GET /x", status, headers or {}, json.dumps({"message": message}).encode(), now=NOW)


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_not_found(status: int) -> None:
    assert type(fail(status)) is ForgeNotFoundError


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 405, 409, 413, 415, 422, 451])
def test_a_no_is_final_and_redirects_are_not_followed(status: int) -> None:
    error = fail(status, message="Resource not accessible by integration")
    assert type(error) is ForgeRefusedError
    assert error.status == status


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateways_failure_passes(status: int) -> None:
    assert type(fail(status)) is PassingError


@pytest.mark.parametrize("status", [500, 501, 520, 599])
def test_githubs_own_failure_is_an_outage(status: int) -> None:
    error = fail(status)
    assert type(error) is ForgeUnavailableError
    assert error.retry_after == 30


def test_an_outage_that_says_how_long_is_believed() -> None:
    error = fail(503, {"retry-after": "17"})
    assert type(error) is ForgeUnavailableError
    assert error.retry_after == 17


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after": "42"}, "", 42),
        ({"retry-after": "0"}, "", 1),
        ({"retry-after": "999999"}, "", 3600),
        ({"retry-after": "Mon, 23 Nov 2026 14:05:00 GMT"}, "", 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) + 90)}, "", 90),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) - 90)}, "", 1),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, "", 60),
        ({"x-ratelimit-remaining": "0"}, "", 60),
        ({"retry-after": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999999999"}, "", 5),
        ({"x-ratelimit-remaining": "4000"}, "You have exceeded a secondary rate limit. Please wait.", 60),
        ({}, "API rate limit exceeded for installation ID 99.", 60),
        ({}, "You have triggered an abuse detection mechanism.", 60),
    ],
)
def test_limits_are_waited_for(status: int, headers: dict[str, str], message: str, seconds: float) -> None:
    error = fail(status, headers, message)
    assert type(error) is LimitedError
    assert error.retry_after == seconds


def test_too_many_requests_is_a_limit_whatever_it_says() -> None:
    error = fail(429)
    assert type(error) is LimitedError
    assert error.retry_after == 60


def test_githubs_words_are_passed_on() -> None:
    body = json.dumps({"message": "Validation\nFailed", "errors": [{"field": "head_sha", "code": "invalid"}]}).encode()
    text = str(failure("POST /x", 422, {}, body, now=NOW))
    assert text == 'GitHub answered 422 to POST /x: Validation Failed [{"field": "head_sha", "code": "invalid"}]'


def test_a_credential_in_githubs_words_is_not_passed_on() -> None:
    assert str(fail(400, message=f"Bad token {TOKEN}")) == "GitHub answered 400 to GET /x: Bad token [redacted]"


def test_a_long_message_is_cut_after_it_was_redacted() -> None:
    text = str(fail(400, message="x" * 290 + " " + TOKEN))
    assert len(text) < 400
    assert "ghs_" not in text


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"message": 1}', b"[" * 100_000, b"\xff", b'{"errors": "\xff"}']
)
def test_words_that_are_not_githubs_are_left_out(body: bytes) -> None:
    assert str(failure("GET /x", 400, {}, body, now=NOW)) == "GitHub answered 400 to GET /x"
