"""A browser without a screen: it keeps cookies, follows redirects and presses buttons."""

from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = told["action"]
        elif tag == "input":
            self.fields[told["name"]] = told["value"]


class Browser:
    """One browser with one page."""

    def __init__(self) -> None:
        # No host of a test has a certificate.
        self.http = httpx.AsyncClient(
            timeout=60, trust_env=False, follow_redirects=True, headers={"user-agent": "a browser"}
        )
        self.page = httpx.Response(204)
        self.visited: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def open(self, url: str) -> int:
        """Go to an address."""
        return self._shown(await self.http.get(url))

    async def press(self, **fields: str) -> int:
        """Press the only button of the page, after other values were typed into some fields."""
        form = self.form()
        return self._shown(
            await self.http.post(urljoin(str(self.page.url), form.action), data={**form.fields, **fields})
        )

    def form(self) -> _Form:
        """The form of the page."""
        form = _Form()
        form.feed(self.page.text)
        return form

    def _shown(self, answer: httpx.Response) -> int:
        self.page = answer
        self.visited += [str(one.url) for one in (*answer.history, answer)]
        assert "Traceback" not in answer.text
        return answer.status_code
