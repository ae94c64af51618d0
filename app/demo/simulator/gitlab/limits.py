"""GitLab's rate limits, and the limits on what may be written."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from app.demo.simulator.gitlab.auth import Asker
from app.demo.simulator.gitlab.messages import denied
from app.demo.simulator.messages import Refusal, Response

REQUESTS_PER_MINUTE = 2000
NOTES_PER_MINUTE = 300
WINDOW_SECONDS = 60
LONGEST_NOTE = 1_000_000
LONGEST_TITLE = 255
LONGEST_STATUS_TEXT = 255
"""Of a status's name, description and target URL."""


class RetryLater(Refusal):
    """429 as GitLab's front gate answers it: plain text.

    Source: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#rate-limit-error-responses .
    """

    def response(self) -> Response:
        """The answer as it goes out."""
        return Response(status=429, headers={"content-type": "text/plain", **self.headers}, body=b"Retry later\n")


@dataclass(slots=True, kw_only=True)
class _Window:
    reset: int
    used: int = 0


@dataclass(slots=True, kw_only=True)
class RateLimits:
    """Requests per user and minute, and comments per user and minute. Both may be lowered by a test."""

    limit: int = REQUESTS_PER_MINUTE
    notes: int = NOTES_PER_MINUTE
    _windows: dict[str, _Window] = field(default_factory=dict)

    def headers(self, asker: Asker, now: datetime) -> dict[str, str]:
        """What every answer tells of the limit.

        Source: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers .
        """
        window = self._window(_bucket(asker), now)
        return {
            "ratelimit-limit": str(self.limit),
            "ratelimit-name": "throttle_authenticated_api" if asker.token else "throttle_unauthenticated_api",
            "ratelimit-observed": str(window.used),
            "ratelimit-remaining": str(max(self.limit - window.used, 0)),
            "ratelimit-reset": str(window.reset),
            "ratelimit-resettime": format_datetime(datetime.fromtimestamp(window.reset, UTC), usegmt=True),
        }

    def count(self, asker: Asker, now: datetime) -> None:
        """Count one request. Raises ``RetryLater`` when the minute's are used up."""
        window = self._window(_bucket(asker), now)
        if window.used >= self.limit:
            wait = max(window.reset - int(now.timestamp()), 1)
            raise RetryLater(429, "Retry later", headers={"retry-after": str(wait)})
        window.used += 1

    def count_note(self, asker: Asker, now: datetime) -> None:
        """Count one comment. Raises ``Denial`` 429, which has no ``Retry-After``."""
        window = self._window(f"{_bucket(asker)} notes", now)
        if window.used >= self.notes:
            raise denied(429, {"error": "This endpoint has been requested too many times. Try again later."})
        window.used += 1

    def _window(self, name: str, now: datetime) -> _Window:
        seconds = int(now.timestamp())
        window = self._windows.setdefault(name, _Window(reset=seconds + WINDOW_SECONDS))
        if seconds >= window.reset:
            window.reset, window.used = seconds + WINDOW_SECONDS, 0
        return window


def _bucket(asker: Asker) -> str:
    return "nobody" if asker.account is None else f"user {asker.account.id}"
