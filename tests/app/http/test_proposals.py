"""The approval page's doors without a forge: what they say, what they refuse, and what signs their cookies."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.crowd import Crowd, CrowdedError
from app.http.sessions import SESSION_LIFE, SIGN_IN_LIFE, Seals, leaving_for, new_session
from bot.forges.github.sign_in import github_sign_in
from bot.forges.gitlab.sign_in import gitlab_sign_in
from bot.forges.sign_in import Client
from bot.model.forge import Actor
from tests.app.http.web import Web

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = Actor(id=7, login="ada")
SEALS = Seals("github", "the-secret-of-a-client")
ID = "0" * 32


async def test_where_nobody_can_sign_in_the_page_says_so(web: Web) -> None:
    for path in (f"/proposals/github/{ID}", f"/proposals/github/{ID}/sign-in", "/sign-in/github?code=a&state=b"):
        answer = await web.http.get(path)
        assert answer.status_code == 404
        assert "has not set up signing in" in answer.text
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers


def test_a_session_lasts_for_its_time_on_its_forge_and_is_no_sign_in() -> None:
    session = new_session(ADA)
    cookie = SEALS.session(session, NOON)
    assert SEALS.read_session(cookie, NOON + SESSION_LIFE - timedelta(seconds=1)) == session
    assert SEALS.read_session(cookie, NOON + SESSION_LIFE) is None
    assert Seals("gitlab", "the-secret-of-a-client").read_session(cookie, NOON) is None
    assert Seals("github", "another-secret-of-a-client").read_session(cookie, NOON) is None
    assert SEALS.read_leaving(cookie, NOON) is None
    leaving = leaving_for(ID)
    way = SEALS.leaving(leaving, NOON)
    assert SEALS.read_leaving(way, NOON) == leaving
    assert SEALS.read_leaving(way, NOON + SIGN_IN_LIFE) is None
    assert SEALS.read_session(way, NOON) is None


@given(st.text(max_size=80))
def test_no_text_is_a_session(text: str) -> None:
    cookie = SEALS.session(new_session(ADA), NOON)
    for tried in (text, f"{text}.{text}", f"{cookie}{text or 'x'}", cookie.replace(".", f"{text}.x")):
        assert SEALS.read_session(tried, NOON) is None


def test_a_form_counts_for_its_session_proposal_commit_and_itself() -> None:
    session = new_session(ADA)
    token = SEALS.form_token(session, proposal_id=ID, commit="c", form="f")
    assert SEALS.is_form_token(token, session, proposal_id=ID, commit="c", form="f")
    assert not SEALS.is_form_token(token, new_session(ADA), proposal_id=ID, commit="c", form="f")
    for proposal_id, commit, form in ((f"1{ID[1:]}", "c", "f"), (ID, "d", "f"), (ID, "c", "g")):
        assert not SEALS.is_form_token(token, session, proposal_id=proposal_id, commit=commit, form=form)


async def test_nobody_takes_all_places() -> None:
    now = [0.0]
    crowd = Crowd(at_once=1, a_minute=2, monotonic=lambda: now[0])
    async with crowd.place():
        with pytest.raises(CrowdedError):
            async with crowd.place():
                pass
    async with crowd.place():
        await asyncio.sleep(0)
    crowd.count("ada")
    crowd.count("ada")
    crowd.count("ben")
    with pytest.raises(CrowdedError):
        crowd.count("ada")
    now[0] = 60.0
    crowd.count("ada")


@pytest.mark.parametrize(
    ("url", "api_url", "begins"),
    [
        ("https://github.com", "https://api.github.com", "https://github.com/login/oauth/authorize?"),
        ("https://ghes.acme.example", "https://ghes.acme.example/api/v3", "https://ghes.acme.example/login/oauth/"),
    ],
)
async def test_a_github_is_asked_where_it_is(url: str, api_url: str, begins: str) -> None:
    client = Client(id="Iv1", secret="the-secret")
    async with httpx.AsyncClient() as http:
        sign_in = github_sign_in("github", url=url, api_url=api_url, client=client, http=http)
        address = sign_in.address(state="s", challenge="c", back="https://f.example/sign-in/github")
    assert address.startswith(begins)
    assert "the-secret" not in address
    assert "scope" not in address
    assert "the-secret" not in repr(client)


async def test_a_gitlab_is_asked_who_somebody_is_and_no_more() -> None:
    async with httpx.AsyncClient() as http:
        client = Client(id="id", secret="the-secret")
        sign_in = gitlab_sign_in("gitlab", url="https://gitlab.example/base", client=client, http=http)
        address = sign_in.address(state="s", challenge="c", back="https://f.example/sign-in/gitlab")
    assert httpx.URL(address).path == "/base/oauth/authorize"
    assert dict(httpx.URL(address).params)["scope"] == "read_user"
    assert dict(httpx.URL(address).params)["code_challenge_method"] == "S256"
