"""A person's browser in front of the approval page: it signs in with the simulated forge, reads and presses."""

from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import httpx

from app.demo.simulator.state import Account


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.buttons: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "input":
            self.fields[told["name"]] = told["value"]
        elif tag == "button":
            self.buttons.append(told["value"])

    def handle_data(self, data: str) -> None:
        self.words.append(data)


class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.http = httpx.AsyncClient(timeout=60, trust_env=False, headers={"user-agent": "a browser"})
        self.page = httpx.Response(204)
        self.visited: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def open(self, url: str) -> int:
        """Go to an address, and wherever that leads."""
        return await self._follow(await self.http.get(url))

    async def sign_in(self, url: str) -> int:
        """Open a proposal, press the button that signs in, and choose oneself on the forge's page."""
        await self.open(url)
        await self.open(f"{url}/sign-in")
        return await self.open(self.chosen())

    def chosen(self) -> str:
        """The link of the forge's page by which this person says who they are."""
        parts = urlsplit(str(self.page.url))
        query = urlencode([*parse_qsl(parts.query), ("as", self.account.login)])
        return urlunsplit(parts._replace(query=query))

    async def press(self, decision: str, **fields: str) -> int:
        """Press a button of the page, with some fields changed."""
        return await self.post({**self.seen().fields, "decision": decision, **fields})

    async def post(self, fields: dict[str, str], **headers: str) -> int:
        """Send what a form would."""
        url = str(self.page.url).partition("?")[0]
        return await self._follow(await self.http.post(url, data=fields, headers=headers))

    @property
    def words(self) -> str:
        """What the page says, without its tags."""
        return " ".join(" ".join(self.seen().words).split())

    def seen(self) -> _Seen:
        """The page, taken apart."""
        seen = _Seen()
        seen.feed(self.page.text)
        return seen

    async def _follow(self, answer: httpx.Response) -> int:
        self.visited.append(str(answer.url))
        while answer.is_redirect:
            answer = await self.http.get(urljoin(str(answer.url), answer.headers["location"]))
            self.visited.append(str(answer.url))
        self.page = answer
        return answer.status_code
