"""The approval page over HTTP: sign in with the forge, look, decide.

``GET /proposals/<forge>/<id>`` shows a proposal to whoever may read its repository, ``POST`` takes a decision, and
``GET /sign-in/<forge>`` is where the forge sends the browser back to. Before somebody has signed in, the database is
not asked anything, so nobody learns which proposals there are.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs, urlsplit

import structlog
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from app.http.crowd import Crowd, CrowdedError
from app.http.sessions import Leaving, Seals, Session, leaving_for, new_session, same
from bot.errors import ForgeRefusedError, ForgeUnavailableError, StoreUnavailableError
from bot.handlers.page import DecideOnPage, LookAtProposal
from bot.model.events import PageDecision
from bot.model.forge import ForgeName
from bot.model.page import PageView
from bot.model.proposals import ProposalKind
from bot.ports.sign_in import SignIn
from bot.ports.system import Clock
from bot.report import page, page_words
from bot.report.page_html import POLICY

MAX_FORM_BYTES: Final = 4_096
"""Of what the page's form sends."""

_ID: Final = re.compile(r"[0-9a-f]{32}")
_FORM_BYTES: Final = 18
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Without it, browsers would tell the forge which page one came from; with less, forms would come from nowhere.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}

Asked = Request[Any, Any, Any]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """One forge's sign-in, and what signs the cookies of those who came in by it."""

    sign_in: SignIn
    seals: Seals


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What the page needs; ``public_url`` is the web service as browsers reach it, without a slash at the end."""

    public_url: str
    entrances: Mapping[ForgeName, Entrance]
    look: LookAtProposal
    decide: DecideOnPage
    clock: Clock
    crowd: Crowd


class _AnswerError(Exception):
    """Ends a request with a page."""

    def __init__(self, answer: Response[str]) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def page_endpoints(pages: Pages | None) -> list[HTTPRouteHandler]:
    """The page's handlers; None says that nobody set it up, which they answer in words."""

    @get("/proposals/{forge:str}/{proposal_id:str}")
    async def show(request: Asked, forge: FromPath[str], proposal_id: FromPath[str]) -> Response[str]:
        return await _guarded(pages, lambda desk: desk.show(request, forge, proposal_id))

    @post("/proposals/{forge:str}/{proposal_id:str}", request_max_body_size=MAX_FORM_BYTES)
    async def decide(request: Asked, forge: FromPath[str], proposal_id: FromPath[str]) -> Response[str]:
        return await _guarded(pages, lambda desk: desk.decide(request, forge, proposal_id))

    @get("/proposals/{forge:str}/{proposal_id:str}/sign-in")
    async def leave(forge: FromPath[str], proposal_id: FromPath[str]) -> Response[str]:
        return await _guarded(pages, lambda desk: desk.leave(forge, proposal_id))

    @get("/sign-in/{forge:str}")
    async def come_back(request: Asked, forge: FromPath[str]) -> Response[str]:
        return await _guarded(pages, lambda desk: desk.come_back(request, forge))

    return [show, decide, leave, come_back]


async def _guarded(pages: Pages | None, serve: Callable[["_Desk"], Awaitable[Response[str]]]) -> Response[str]:
    """Serve, and answer in words whatever happens."""
    if pages is None:
        return _html(page.plain_page(page_words.OFF_TITLE, page_words.OFF), HTTPStatus.NOT_FOUND)
    try:
        async with pages.crowd.place():
            return await serve(_Desk(pages))
    except _AnswerError as ended:
        return ended.answer
    except Exception as error:  # noqa: BLE001 - each gets words, and what nobody expected a line in the log
        return _apology(error)


def _apology(error: Exception) -> Response[str]:
    match error:
        case CrowdedError():
            return _html(page.plain_page(page_words.BUSY_TITLE, page_words.BUSY), HTTPStatus.TOO_MANY_REQUESTS)
        case RequestEntityTooLarge():
            said = page.plain_page(page_words.FORM_TITLE, page_words.FORM)
            return _html(said, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        case ForgeUnavailableError() | StoreUnavailableError():
            log.warning("the approval page cannot be served now", error=str(error))
            return _html(page.plain_page(page_words.AWAY_TITLE, page_words.AWAY), HTTPStatus.SERVICE_UNAVAILABLE)
        case _:
            log.error("the approval page failed", exc_info=error)
            said = page.plain_page(page_words.MISTAKE_TITLE, page_words.MISTAKE)
            return _html(said, HTTPStatus.INTERNAL_SERVER_ERROR)


class _Desk:
    """Serves one request."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._now = pages.clock.now()

    async def show(self, request: Asked, forge: str, proposal_id: str) -> Response[str]:
        entrance = self._entrance(forge, proposal_id)
        session = self._session(request, entrance)
        if session is None:
            return _html(page.sign_in_page(forge, self._start(forge, proposal_id)))
        asked = request.query_params.get("asked", "")
        seen = await self._seen(session, forge, proposal_id, asked if _ID.fullmatch(asked) else None)
        proposal = seen.view.proposal
        commit = "" if proposal is None else proposal.commit
        made = secrets.token_urlsafe(_FORM_BYTES)
        token = entrance.seals.form_token(session, proposal_id=proposal_id, commit=commit, form=made)
        return _html(page.render_proposal(seen, page.Form(form=made, token=token)))

    async def decide(self, request: Asked, forge: str, proposal_id: str) -> Response[str]:
        entrance = self._entrance(forge, proposal_id)
        session = self._session(request, entrance)
        if session is None:
            return _html(page.sign_in_page(forge, self._start(forge, proposal_id)), HTTPStatus.UNAUTHORIZED)
        sent = await self._form(request, forge, proposal_id)
        commit, made = sent.get("commit", ""), sent.get("form", "")
        ours = entrance.seals.is_form_token(
            sent.get("token", ""), session, proposal_id=proposal_id, commit=commit, form=made
        )
        decision = sent.get("decision")
        if not ours or decision not in frozenset(PageDecision):
            self._refuse_form(forge, proposal_id)
        seen = await self._seen(session, forge, proposal_id, None)
        proposal = seen.view.proposal
        if decision == PageDecision.APPROVE and proposal is not None and proposal.kind is ProposalKind.REBASE:
            self._agreed(sent, proposal.head_sha, forge, proposal_id)
        action = await self._pages.decide(
            forge, proposal_id, session.actor, decision=PageDecision(decision), commit=commit, form=made
        )
        if action is None:
            self._refuse_form(forge, proposal_id)
        log.info("decided on the page", forge=forge, proposal_id=proposal_id, decision=decision, action=action)
        return _to(f"{self._path(forge, proposal_id)}?asked={action}")

    async def leave(self, forge: str, proposal_id: str) -> Response[str]:
        entrance = self._entrance(forge, proposal_id)
        leaving = leaving_for(proposal_id)
        address = entrance.sign_in.address(state=leaving.state, challenge=leaving.challenge, back=self._back(forge))
        return _to(address, self._cookie(_leaving_name(forge), entrance.seals.leaving(leaving, self._now)))

    async def come_back(self, request: Asked, forge: str) -> Response[str]:
        entrance = self._pages.entrances.get(forge) or self._not_found()
        leaving = entrance.seals.read_leaving(self._read(request, _leaving_name(forge)), self._now)
        if leaving is None or not same(request.query_params.get("state", ""), leaving.state):
            self._not_signed_in(page_words.WRONG_STATE)
        code = request.query_params.get("code", "")
        if not code:
            self._not_signed_in(page_words.DENIED, leaving, forge)
        self._pages.crowd.count("sign-in")
        try:
            actor = await entrance.sign_in.person(code=code, verifier=leaving.verifier, back=self._back(forge))
        except ForgeRefusedError as error:
            log.warning("a sign-in was refused", forge=forge, status=error.status)
            self._not_signed_in(page_words.DENIED, leaving, forge)
        log.info("signed in", forge=forge, actor_id=actor.id)
        session = entrance.seals.session(new_session(actor), self._now)
        # The way is used up, whatever else comes with this state.
        used = self._cookie(_leaving_name(forge), "", max_age=0)
        return _to(self._path(forge, leaving.proposal_id), self._cookie(_session_name(forge), session), used)

    def _entrance(self, forge: str, proposal_id: str) -> Entrance:
        entrance = self._pages.entrances.get(forge)
        if entrance is None or not _ID.fullmatch(proposal_id):
            self._not_found()
        return entrance

    def _session(self, request: Asked, entrance: Entrance) -> Session | None:
        return entrance.seals.read_session(self._read(request, _session_name(entrance.sign_in.forge)), self._now)

    async def _seen(self, session: Session, forge: str, proposal_id: str, action: str | None) -> PageView:
        self._pages.crowd.count(f"{forge}:{session.actor.id}")
        seen = await self._pages.look(forge, proposal_id, session.actor, action=action)
        if seen is None:
            raise _AnswerError(_html(page.not_found_page(self._start(forge, proposal_id)), HTTPStatus.NOT_FOUND))
        return seen

    async def _form(self, request: Asked, forge: str, proposal_id: str) -> dict[str, str]:
        """What was sent, by a page of ours as far as the browser tells where it comes from."""
        origin = request.headers.get("origin")
        if origin is not None and origin != _origin_of(self._pages.public_url):
            self._refuse_form(forge, proposal_id)
        body = (await request.body()).decode("utf-8", "replace")
        try:
            fields = parse_qs(body, keep_blank_values=True, max_num_fields=8)
        except ValueError:
            self._refuse_form(forge, proposal_id)
        return {name: values[0] for name, values in fields.items() if len(values) == 1}

    def _agreed(self, sent: Mapping[str, str], old_head: str, forge: str, proposal_id: str) -> None:
        if not same(sent.get("replace", ""), old_head):
            said = page.plain_page(page_words.FORM_TITLE, page_words.REPLACE_FIRST, back=self._path(forge, proposal_id))
            raise _AnswerError(_html(said, HTTPStatus.BAD_REQUEST))

    def _refuse_form(self, forge: str, proposal_id: str) -> NoReturn:
        said = page.plain_page(page_words.FORM_TITLE, page_words.FORM, back=self._path(forge, proposal_id))
        raise _AnswerError(_html(said, HTTPStatus.FORBIDDEN))

    def _not_found(self) -> NoReturn:
        raise _AnswerError(_html(page.not_found_page(), HTTPStatus.NOT_FOUND))

    def _not_signed_in(self, why: str, leaving: Leaving | None = None, forge: str = "") -> NoReturn:
        back = None if leaving is None else self._path(forge, leaving.proposal_id)
        more = [page_words.FROM_THE_LINK] if back is None else []
        raise _AnswerError(_html(page.plain_page(page_words.FAILED_TITLE, why, *more, back=back), HTTPStatus.FORBIDDEN))

    def _path(self, forge: ForgeName, proposal_id: str) -> str:
        """Where the browser finds a proposal, also where a proxy has us below a path of its own."""
        return f"{urlsplit(self._pages.public_url).path}/proposals/{forge}/{proposal_id}"

    def _start(self, forge: ForgeName, proposal_id: str) -> str:
        return f"{self._path(forge, proposal_id)}/sign-in"

    def _back(self, forge: str) -> str:
        return f"{self._pages.public_url}/sign-in/{forge}"

    @property
    def _secure(self) -> bool:
        return self._pages.public_url.startswith("https://")

    def _name(self, name: str) -> str:
        """With a prefix by which browsers let no other host and no plain connection set it.

        https://www.rfc-editor.org/rfc/rfc6265bis-15#section-4.1.3.2 , in use by all browsers.
        """
        return f"__Host-{name}" if self._secure else name

    def _read(self, request: Asked, name: str) -> str | None:
        return request.cookies.get(self._name(name))

    def _cookie(self, name: str, value: str, max_age: int | None = None) -> Cookie:
        return Cookie(
            key=self._name(name),
            value=value,
            path="/",
            httponly=True,
            secure=self._secure,
            samesite="lax",
            max_age=max_age,
        )


def _session_name(forge: ForgeName) -> str:
    return f"flowforge-{forge}"


def _leaving_name(forge: ForgeName) -> str:
    return f"flowforge-sign-in-{forge}"


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _to(address: str, *cookies: Cookie) -> Response[str]:
    headers = {**_HEADERS, "location": address}
    return Response("", status_code=HTTPStatus.SEE_OTHER, headers=headers, cookies=list(cookies))


def _html(text: str, status: int = HTTPStatus.OK) -> Response[str]:
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=_HEADERS)
