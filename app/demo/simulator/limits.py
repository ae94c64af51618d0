"""Rate limits, and the limits on what may be written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.demo.simulator.app_auth import AppPrincipal, InstallationToken, NobodyPrincipal, Principal, UserPrincipal
from app.demo.simulator.messages import Refusal
from app.demo.simulator.secondary import SecondaryLimits

LONGEST_OUTPUT = 65_535
LONGEST_COMMENT = 65_536
MOST_ANNOTATIONS = 50
MOST_ACTIONS = 3
ACTION_LENGTHS = {"label": 20, "description": 40, "identifier": 20}
ANNOTATION_LEVELS = frozenset({"notice", "warning", "failure"})
STATUSES = frozenset({"queued", "in_progress", "completed"})
"""What an App may set: waiting, requested and pending are reserved for GitHub Actions."""
CONCLUSIONS = frozenset({"action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"})
"""What an App may set: stale is GitHub's own."""
REACTIONS = frozenset({"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"})
REQUESTS_PER_HOUR = 5000
WINDOW_SECONDS = 3600


@dataclass(slots=True, kw_only=True)
class _Window:
    reset: int
    used: int = 0


@dataclass(slots=True, kw_only=True)
class RateLimits:
    """The primary rate limit, per principal and hour, and the secondary ones. ``limit`` may be lowered by a test.

    Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api .
    """

    limit: int = REQUESTS_PER_HOUR
    secondary: SecondaryLimits = field(default_factory=SecondaryLimits)
    _windows: dict[str, _Window] = field(default_factory=dict)

    def state(self, principal: Principal, now: datetime) -> dict[str, int]:
        """Limit, remaining, used and reset (seconds since 1970)."""
        window = self._window(principal, now)
        return {
            "limit": self.limit,
            "remaining": max(self.limit - window.used, 0),
            "reset": window.reset,
            "used": window.used,
        }

    def count(self, principal: Principal, method: str, now: datetime) -> None:
        """Count one request. Raises ``Refusal`` 403 when the hour's requests are used up, or those of the minute."""
        window = self._window(principal, now)
        if window.used >= self.limit:
            raise Refusal(403, "API rate limit exceeded for installation.")
        creates = method == "POST" and isinstance(principal, InstallationToken | UserPrincipal)
        self.secondary.count(_bucket(principal), method, creates=creates, now=now)
        window.used += 1

    def forgive(self, principal: Principal, now: datetime) -> None:
        """Take back the last count: an answer of 304 costs nothing, except whoever asks without a credential.

        Source: https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api , "Use conditional
        requests if appropriate".
        """
        if isinstance(principal, NobodyPrincipal):
            return
        window = self._window(principal, now)
        window.used = max(window.used - 1, 0)

    def _window(self, principal: Principal, now: datetime) -> _Window:
        seconds = int(now.timestamp())
        window = self._windows.setdefault(_bucket(principal), _Window(reset=seconds + WINDOW_SECONDS))
        if seconds >= window.reset:
            window.reset, window.used = seconds + WINDOW_SECONDS, 0
        return window


def _bucket(principal: Principal) -> str:
    match principal:
        case AppPrincipal():
            return "app"
        case InstallationToken():
            return f"installation {principal.installation.id}"
        case UserPrincipal():
            return f"user {principal.account.id}"
        case NobodyPrincipal():
            return "nobody"


def invalid(message: str) -> Refusal:
    """The 422 of the checks API. Source: recorded answers in public issue threads; the words vary on GitHub, too."""
    return Refusal(422, f"Invalid request.\n\n{message}")


def failed(resource: str, field_name: str, code: str, message: str = "") -> Refusal:
    """The 422 of the older parts of the API, with a list of errors."""
    error = {"resource": resource, "field": field_name, "code": code}
    return Refusal(422, "Validation Failed", errors=[error | ({"message": message} if message else {})])


def text_of(body: Mapping[str, object], name: str, *, required: bool = False, longest: int | None = None) -> str | None:
    """A text in a request's body, None where it is left out. Raises ``Refusal`` 422."""
    value = body.get(name)
    if value is None:
        if required or name in body:
            raise invalid(f'"{name}" wasn\'t supplied.' if name not in body else f"For '{name}', nil is not a string.")
        return None
    if not isinstance(value, str):
        raise invalid(f"For '{name}', {value!r} is not a string.")
    if longest is not None and len(value) > longest:
        raise invalid(f"Only {longest} characters are allowed; {len(value)} were supplied.")
    return value


def moment_of(body: Mapping[str, object], name: str) -> datetime | None:
    """A moment in a request's body, in UTC; None where it is left out. Raises ``Refusal`` 422."""
    text = text_of(body, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise invalid(f"For '{name}', {text!r} is not a valid date-time.")
    return moment.astimezone(UTC)


def check_comment(body: Mapping[str, object]) -> str:
    """The text of a comment. Raises ``Refusal`` 422.

    Source: https://docs.github.com/rest/issues/comments#create-an-issue-comment ; the length is told by refusals only.
    """
    text = body.get("body")
    if not isinstance(text, str):
        raise invalid('"body" wasn\'t supplied.' if text is None else "For 'body', it is not a string.")
    if not text.strip():
        raise failed("IssueComment", "body", "missing_field", "Body cannot be blank")
    if len(text) > LONGEST_COMMENT:
        raise failed(
            "IssueComment", "data", "unprocessable", f"Body is too long (maximum is {LONGEST_COMMENT} characters)"
        )
    return text


def check_run_fields(body: Mapping[str, object]) -> None:
    """What holds for creating and for updating a check run.

    Source: https://docs.github.com/rest/checks/runs . Raises ``Refusal`` 422.
    """
    for name in ("name", "details_url", "external_id"):
        text_of(body, name)
    for name in ("started_at", "completed_at"):
        moment_of(body, name)
    status = text_of(body, "status")
    conclusion = text_of(body, "conclusion")
    if status is not None and status not in STATUSES:
        raise invalid(f"For 'status', {status} is not a member of {sorted(STATUSES)}.")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid(f"For 'conclusion', {conclusion} is not a member of {sorted(CONCLUSIONS)}.")
    if (status == "completed" or "completed_at" in body) and conclusion is None:
        raise invalid('"conclusion" wasn\'t supplied.')
    if "output" in body:
        _check_output(body["output"])
    if "actions" in body:
        _check_actions(body["actions"])


def _check_output(output: object) -> None:
    if not isinstance(output, dict):
        raise invalid("For 'output', it is not an object.")
    text_of(output, "title", required=True)
    text_of(output, "summary", required=True, longest=LONGEST_OUTPUT)
    text_of(output, "text", longest=LONGEST_OUTPUT)
    annotations = _list(output.get("annotations", []), "annotations", MOST_ANNOTATIONS)
    for annotation in annotations:
        _check_annotation(annotation)


def _check_annotation(annotation: Mapping[str, object]) -> None:
    text_of(annotation, "path", required=True)
    text_of(annotation, "message", required=True, longest=64 * 1024)
    text_of(annotation, "title", longest=255)
    text_of(annotation, "raw_details", longest=64 * 1024)
    level = text_of(annotation, "annotation_level", required=True)
    if level not in ANNOTATION_LEVELS:
        raise invalid(f"For 'annotation_level', {level} is not a member of {sorted(ANNOTATION_LEVELS)}.")
    start, end = annotation.get("start_line"), annotation.get("end_line")
    if not isinstance(start, int) or not isinstance(end, int):
        raise invalid('"start_line" and "end_line" must be integers.')
    if start < 1 or end < start:
        raise invalid("For 'end_line', it must not be before 'start_line'.")
    columns = annotation.keys() & {"start_column", "end_column"}
    if columns and start != end:
        raise invalid("Columns are only supported on one line.")


def _check_actions(actions: object) -> None:
    for action in _list(actions, "actions", MOST_ACTIONS):
        for name, longest in ACTION_LENGTHS.items():
            text_of(action, name, required=True, longest=longest)


def _list(value: object, name: str, most: int) -> Sequence[Mapping[str, object]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(f"For '{name}', it is not a list of objects.")
    if len(value) > most:
        raise invalid(f"For '{name}', no more than {most} items are allowed; {len(value)} were supplied.")
    return value
