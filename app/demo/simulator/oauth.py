"""Signing in with a simulated forge: the OAuth authorization code flow with PKCE, as both forges have it.

Sources: https://www.rfc-editor.org/rfc/rfc6749#section-4.1 , https://www.rfc-editor.org/rfc/rfc7636 .
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from urllib.parse import parse_qs, urlencode

from app.demo.simulator.messages import Request, Response
from app.demo.simulator.state import Account, AccountKind, World

CODE_LIFE = timedelta(minutes=10)


class OAuthError(Exception):
    """A sign-in that is not let through; ``name`` is the standard's word for why."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthApplication:
    """A client that may ask who people are, and where browsers may be sent back to."""

    id: str
    secret: str = field(repr=False)
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    client_id: str
    back: str
    challenge: str
    account: Account
    until: datetime


@dataclass(slots=True, kw_only=True)
class OAuthDesk:
    """The clients, and the codes that are on their way. ``spent`` counts the codes that became a token."""

    world: World
    clients: dict[str, OAuthApplication] = field(default_factory=dict)
    spent: int = 0
    _codes: dict[str, _Code] = field(default_factory=dict)

    def register(self, client_id: str, *, back: str) -> OAuthApplication:
        """Let a client in, with a new secret."""
        self.clients[client_id] = OAuthApplication(id=client_id, secret=secrets.token_hex(20), back=back)
        return self.clients[client_id]

    def authorize(self, request: Request) -> Response:
        """The page in the browser: who are you? With ``as`` in the query, somebody was chosen, and goes back.

        A real forge has a password here, and takes nobody's word.
        """
        query = request.query
        client = self.clients.get(query.get("client_id", ""))
        back = query.get("redirect_uri", "")
        if client is None or back != client.back:
            return _page("This is no sign-in that the simulated forge knows.", status=404)
        chosen = query.get("as")
        if chosen is None:
            return _page(_chooser(request, self.world.accounts.values()))
        told = {"state": query.get("state", "")}
        account = self.world.accounts.get(chosen)
        if account is None or query.get("code_challenge_method") != "S256":
            return _to(back, told | {"error": "access_denied"})
        code = secrets.token_hex(16)
        self._codes[code] = _Code(
            client_id=client.id,
            back=back,
            challenge=query.get("code_challenge", ""),
            account=account,
            until=self.world.now() + CODE_LIFE,
        )
        return _to(back, told | {"code": code})

    def exchange(self, request: Request) -> Account:
        """Whose code it is; it is worth something once. Raises ``OAuthError``."""
        form = form_of(request)
        self.check_client(form.get("client_id", ""), form.get("client_secret", ""))
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.until <= self.world.now() or code.client_id != form["client_id"]:
            raise OAuthError("invalid_grant")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
        if form.get("redirect_uri") != code.back or not hmac.compare_digest(challenge, code.challenge):
            raise OAuthError("invalid_grant")
        self.spent += 1
        return code.account

    def check_client(self, client_id: str, secret: str) -> None:
        """Raises ``OAuthError`` for a client that is none."""
        client = self.clients.get(client_id)
        if client is None or not hmac.compare_digest(client.secret, secret):
            raise OAuthError("invalid_client")


def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form."""
    return {name: values[-1] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def _to(back: str, query: Mapping[str, str]) -> Response:
    return Response(status=302, headers={"location": f"{back}?{urlencode(query)}"})


def _chooser(request: Request, accounts: Iterable[Account]) -> str:
    people = [one.login for one in accounts if one.kind is AccountKind.USER]
    rows = "".join(
        f'<p><a href="{escape(request.path)}?{escape(urlencode({**request.query, "as": login}))}">{escape(login)}</a>'
        for login in people
    )
    return f"This is FlowForge's simulation of a forge, which takes everybody's word. Who are you?{rows}"


def _page(body: str, *, status: int = 200) -> Response:
    text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Simulated sign-in</title><p>{body}</html>'
    return Response(status=status, headers={"content-type": "text/html; charset=utf-8"}, body=text.encode())
