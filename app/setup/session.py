"""Who may go through a set-up: one browser, once, in time.

The link that the command prints holds a token. Whoever opens it first gets a cookie, and the token is worth nothing
from then on. With the cookie comes a ``state`` for the way to GitHub and back; an answer without it, or from another
browser, is not GitHub's answer to this person (https://datatracker.ietf.org/doc/html/rfc6749#section-10.12).
"""

import hmac
import secrets
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Final

from bot.errors import BadInputError
from bot.ports.system import Clock

LINK_LIFE: Final = timedelta(minutes=10)
"""For which the link can be opened."""

ANSWER_LIFE: Final = timedelta(hours=1)
"""From the opening to GitHub's answer; its code is worth something for as long."""

_BYTES: Final = 32


class Refusal(StrEnum):
    """Why a request is not served."""

    WRONG_LINK = "wrong_link"
    LINK_USED = "link_used"
    LINK_EXPIRED = "link_expired"
    OTHER_BROWSER = "other_browser"
    WRONG_STATE = "wrong_state"
    ANSWERED = "answered"
    EXPIRED = "expired"


class SetupRefusedError(BadInputError):
    """A request that is not served; ``refusal`` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class SetupSession:
    """One set-up. Every comparison takes the same time however much of a secret was guessed."""

    def __init__(self, clock: Clock, *, random: Callable[[int], str] = secrets.token_urlsafe) -> None:
        """Begin now; ``random`` makes a secret of so many bytes."""
        self.token: Final = random(_BYTES)
        self._cookie: Final = random(_BYTES)
        self._state: Final = random(_BYTES)
        self._clock = clock
        self._link_ends = clock.now() + LINK_LIFE
        self._ends = self._link_ends
        self._opened = False
        self._answered = False

    def open(self, token: str) -> str:
        """Open the link: the cookie of the one browser.

        Raises:
            SetupRefusedError: it is another link, was opened before, or is too old.
        """
        if not _same(token, self.token):
            raise SetupRefusedError(Refusal.WRONG_LINK)
        if self._opened:
            raise SetupRefusedError(Refusal.LINK_USED)
        if self._clock.now() >= self._link_ends:
            raise SetupRefusedError(Refusal.LINK_EXPIRED)
        self._opened = True
        self._ends = self._clock.now() + ANSWER_LIFE
        return self._cookie

    def state(self, cookie: str | None) -> str:
        """The ``state`` to go to GitHub with.

        Raises:
            SetupRefusedError: it is not the browser that opened the link, GitHub answered already, or it is too late.
        """
        self._check(cookie)
        return self._state

    def answer(self, cookie: str | None, state: str | None) -> None:
        """Take GitHub's answer; there is no second one. A wrong one uses nothing up.

        Raises:
            SetupRefusedError: it is not the answer to this set-up, there was one before, or it is too late.
        """
        self._check(cookie)
        if state is None or not _same(state, self._state):
            raise SetupRefusedError(Refusal.WRONG_STATE)
        self._answered = True

    def _check(self, cookie: str | None) -> None:
        if not self._opened or cookie is None or not _same(cookie, self._cookie):
            raise SetupRefusedError(Refusal.OTHER_BROWSER)
        if self._answered:
            raise SetupRefusedError(Refusal.ANSWERED)
        if self._clock.now() >= self._ends:
            raise SetupRefusedError(Refusal.EXPIRED)

    @property
    def seconds_left(self) -> float:
        """For how long it still makes sense to wait."""
        return max((self._ends - self._clock.now()).total_seconds(), 0.0)


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), known.encode("ascii"))
