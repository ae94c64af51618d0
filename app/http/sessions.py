"""Sessions of the approval page: signed cookies, so that nothing of them is kept.

What signs them comes from the secret of the forge's OAuth client, which every process of the web service has: there is
no secret more to make and to keep, and a new client secret ends all sessions. A cookie says who somebody is; what they
may do is asked of the forge each time.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.model.forge import Actor, ForgeName

SESSION_LIFE: Final = timedelta(minutes=30)
"""After which somebody signs in again, which the forge does without a question."""

SIGN_IN_LIFE: Final = timedelta(minutes=10)
"""For which a sign-in may be on its way; codes of both forges live as long."""

_NONCE_BYTES: Final = 24
_LONGEST: Final = 2_048
"""Of a cookie that is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who signed in. ``nonce`` is this session's own, and goes into its forms."""

    actor: Actor
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A browser on its way to the forge: with which ``state`` and ``verifier``, and which proposal it comes back to."""

    state: str
    verifier: str
    proposal_id: str

    @property
    def challenge(self) -> str:
        """What the forge is told of the verifier: https://www.rfc-editor.org/rfc/rfc7636#section-4.2 ."""
        return _encoded(hashlib.sha256(self.verifier.encode()).digest())


def leaving_for(proposal_id: str) -> Leaving:
    """A new way to the forge and back."""
    return Leaving(
        state=secrets.token_urlsafe(_NONCE_BYTES), verifier=secrets.token_urlsafe(48), proposal_id=proposal_id
    )


def new_session(actor: Actor) -> Session:
    """A new session of somebody."""
    return Session(actor=actor, nonce=secrets.token_urlsafe(_NONCE_BYTES))


class Seals:
    """Signs cookies and forms of one forge. Every comparison takes the same time however much was guessed."""

    def __init__(self, forge: ForgeName, client_secret: str) -> None:
        """Derive the key from the secret: https://www.rfc-editor.org/rfc/rfc5869#section-2.2 with the forge as salt."""
        self._key = hmac.digest(f"flowforge approval page {forge}".encode(), client_secret.encode(), "sha256")

    def session(self, session: Session, now: datetime) -> str:
        """A session as a cookie."""
        actor = session.actor
        return self._sealed(
            "session", {"id": actor.id, "login": actor.login, "nonce": session.nonce}, now + SESSION_LIFE
        )

    def read_session(self, cookie: str | None, now: datetime) -> Session | None:
        """The session of a cookie, None for one that is not ours or too old."""
        told = self._opened("session", cookie, now)
        if told is None:
            return None
        return Session(actor=Actor(id=told["id"], login=told["login"]), nonce=told["nonce"])

    def leaving(self, leaving: Leaving, now: datetime) -> str:
        """A way to the forge as a cookie."""
        told = {"state": leaving.state, "verifier": leaving.verifier, "proposal": leaving.proposal_id}
        return self._sealed("sign-in", told, now + SIGN_IN_LIFE)

    def read_leaving(self, cookie: str | None, now: datetime) -> Leaving | None:
        """The way of a cookie, None for one that is not ours or too old."""
        told = self._opened("sign-in", cookie, now)
        if told is None:
            return None
        return Leaving(state=told["state"], verifier=told["verifier"], proposal_id=told["proposal"])

    def form_token(self, session: Session, *, proposal_id: str, commit: str, form: str) -> str:
        """What a form of this session about exactly this commit has to bring back."""
        return self._mac("form", f"{session.nonce}\0{proposal_id}\0{commit}\0{form}".encode())

    def is_form_token(self, token: str, session: Session, *, proposal_id: str, commit: str, form: str) -> bool:
        """Whether a form was made for this session, this proposal and this commit."""
        return same(token, self.form_token(session, proposal_id=proposal_id, commit=commit, form=form))

    def _sealed(self, purpose: str, told: Mapping[str, object], until: datetime) -> str:
        text = _encoded(json.dumps({**told, "until": int(until.timestamp())}).encode())
        return f"{text}.{self._mac(purpose, text.encode())}"

    def _opened(self, purpose: str, cookie: str | None, now: datetime) -> dict[str, Any] | None:
        if cookie is None or len(cookie) > _LONGEST:
            return None
        text, _, mac = cookie.partition(".")
        if not same(mac, self._mac(purpose, text.encode("utf-8", "surrogatepass"))):
            return None
        told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        until = told["until"]
        return told if isinstance(until, int) and now < datetime.fromtimestamp(until, UTC) else None

    def _mac(self, purpose: str, data: bytes) -> str:
        return _encoded(hmac.digest(self._key, purpose.encode() + b"\0" + data, "sha256"))


def same(given: str, known: str) -> bool:
    """Compare what was given with what is known, in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), known.encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
