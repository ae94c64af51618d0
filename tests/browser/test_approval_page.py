"""The approval page in a real browser: its policy blocks nothing that the page needs, and its words are seen."""

from pathlib import Path

from litestar import Litestar, MediaType, Response, get

from app.http.server import serving_loopback
from bot.report import page
from bot.report.page_html import POLICY
from tests.bot.report.test_page import FORM, PAGES, PULL
from tests.browser.chromium import load, needs_chromium


def serving_page(text: str) -> Litestar:
    """A service with ``text`` as its one page, under the approval page's policy."""

    @get("/")
    async def answer() -> Response[str]:
        return Response(text, media_type=MediaType.HTML, headers={"content-security-policy": POLICY})

    return Litestar([answer], openapi_config=None)


@needs_chromium
async def test_nothing_of_the_page_is_blocked_and_both_buttons_are_there(tmp_path: Path) -> None:
    async with serving_loopback(serving_page(page.render_proposal(PAGES["may_approve"], FORM))) as url:
        seen = await load(url, tmp_path / "profile")
    assert seen.console == ""  # where the policy would say that it blocked the style
    assert seen.dom.count("<button") == 2
    assert PULL.title not in seen.dom  # its tags are words
