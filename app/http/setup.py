"""The set-up's pages over HTTP: a link that opens once, the form, and where GitHub sends the browser back to."""

from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import Cookie
from litestar.params import FromPath

from app.setup import page
from app.setup.session import Refusal, SetupRefusedError
from bot.errors import FlowForgeError, ForgeNotFoundError

OPEN_PATH: Final = "/setup/open"
FORM_PATH: Final = "/setup"
BACK_PATH: Final = "/setup/github"
"""As ``app-manifest.yml`` has it."""

_COOKIE: Final = "flowforge_setup"
_HEADERS: Final = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_STATUS: Final = {
    Refusal.WRONG_LINK: HTTPStatus.NOT_FOUND,
    Refusal.LINK_USED: HTTPStatus.GONE,
    Refusal.LINK_EXPIRED: HTTPStatus.GONE,
    Refusal.ANSWERED: HTTPStatus.GONE,
    Refusal.EXPIRED: HTTPStatus.GONE,
    Refusal.OTHER_BROWSER: HTTPStatus.FORBIDDEN,
    Refusal.WRONG_STATE: HTTPStatus.FORBIDDEN,
}


class Desk(Protocol):
    """Who serves the set-up. Each raises ``SetupRefusedError`` where the asker may not."""

    def open(self, token: str) -> str:
        """The cookie of the one browser, for the link's token."""
        ...

    def form(self, cookie: str | None) -> page.Form:
        """What the browser takes to GitHub."""
        ...

    async def answer(self, cookie: str | None, *, state: str | None, code: str | None) -> str:
        """Take GitHub's answer: the last page. Raises another ``FlowForgeError`` where the App is not set up by it."""
        ...


def create_setup(desk: Desk, *, address: str) -> Litestar:
    """The set-up as an application that answers at ``address`` and to no other name.

    A page elsewhere must not get at it by a name of its own that it lets point to this machine.
    """
    host = urlsplit(address).netloc

    def other_host(request: Request[Any, Any, Any]) -> Response[str] | None:
        if request.headers.get("host") == host:
            return None
        return _html(page.failed_page("This is not the address of the set-up.", f"Open {address} instead."), status=421)

    @get(f"{OPEN_PATH}/{{token:str}}", sync_to_thread=False)
    def open_link(token: FromPath[str]) -> Response[str]:
        # The token does not stay in the address bar.
        cookie = Cookie(key=_COOKIE, value=desk.open(token), path=FORM_PATH, httponly=True, samesite="lax")
        headers = {**_HEADERS, "location": FORM_PATH}
        return Response("", status_code=HTTPStatus.SEE_OTHER, headers=headers, cookies=[cookie])

    @get(FORM_PATH, sync_to_thread=False)
    def form(request: Request[Any, Any, Any]) -> Response[str]:
        shown = desk.form(request.cookies.get(_COOKIE))
        target = urlsplit(shown.action)
        return _html(page.form_page(shown), form_action=f"{target.scheme}://{target.netloc}")

    @get(BACK_PATH)
    async def back(request: Request[Any, Any, Any]) -> Response[str]:
        query = request.query_params
        return _html(await desk.answer(request.cookies.get(_COOKIE), state=query.get("state"), code=query.get("code")))

    return Litestar(
        route_handlers=[open_link, form, back],
        before_request=other_host,
        openapi_config=None,
        exception_handlers={SetupRefusedError: _refused, FlowForgeError: _failed, 404: _nothing, 500: _unexpected},
        logging_config=None,
        debug=False,
    )


def _html(text: str, *, status: int = HTTPStatus.OK, form_action: str = "'none'") -> Response[str]:
    headers = {**_HEADERS, "content-security-policy": page.policy(form_action)}
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=headers)


def _refused(_: Request[Any, Any, Any], error: SetupRefusedError) -> Response[str]:
    return _html(page.refused_page(error.refusal), status=_STATUS[error.refusal])


def _failed(_: Request[Any, Any, Any], error: FlowForgeError) -> Response[str]:
    status = HTTPStatus.GONE if isinstance(error, ForgeNotFoundError) else HTTPStatus.BAD_GATEWAY
    return _html(page.failed_page(f"{error}.", "The terminal says what to do."), status=status)


def _nothing(_: Request[Any, Any, Any], __: Exception) -> Response[str]:
    return _html(page.failed_page("There is no such page.", "Take the link from the terminal."), status=404)


def _unexpected(_: Request[Any, Any, Any], __: Exception) -> Response[str]:
    return _html(page.failed_page("FlowForge made a mistake.", "Start the command again."), status=500)
