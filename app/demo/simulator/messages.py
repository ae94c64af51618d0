"""Requests, answers and refusals, as the simulator's endpoints see them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

API_DOCS = "https://docs.github.com/rest"
DEFAULT_PAGE = 30
LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request, read completely. Header names are lower-case; ``raw_path`` is quoted as it was sent."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    raw_path: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, the last one of a name."""
        return dict(self.pairs)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query's parameters in order, as often as they were given."""
        return parse_qsl(self.query_string, keep_blank_values=True)

    def json(self) -> dict[str, object]:
        """The body as a JSON object; an empty body is an empty object.

        Raises:
            Refusal: 400 for anything else.
        """
        if not self.body.strip():
            return {}
        try:
            value = json.loads(self.body)
        except ValueError:
            raise Refusal(400, "Problems parsing JSON") from None
        if not isinstance(value, dict):
            raise Refusal(400, "Body should be a JSON object")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Refusal(Exception):  # noqa: N818 - an answer of the forge, no fault of ours
    """An answer with an error status and GitHub's error body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer as it goes out.

        Source: https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api .
        """
        body: dict[str, object] = {
            "message": self.message,
            "documentation_url": API_DOCS,
            "status": str(self.status),
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return json_response(body, status=self.status, headers=self.headers)


def not_found() -> Refusal:
    """What GitHub says of everything that is not there or not for the asker."""
    return Refusal(404, "Not Found")


def json_response(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a JSON body."""
    return Response(
        status=status,
        headers={"content-type": "application/json; charset=utf-8", **(headers or {})},
        body=json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"),
    )


def page_of(request: Request, base_url: str, items: Sequence[object]) -> tuple[list[object], dict[str, str]]:
    """One page of a list and its ``Link`` header.

    Source: https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api .
    """
    query = request.query
    size = min(max(_number(query.get("per_page"), DEFAULT_PAGE), 1), LARGEST_PAGE)
    page = max(_number(query.get("page"), 1), 1)
    last = max((len(items) + size - 1) // size, 1)
    wanted = {"prev": page - 1, "first": 1, "next": page + 1, "last": last}
    if page <= 1:
        del wanted["prev"], wanted["first"]
    if page >= last:
        del wanted["next"], wanted["last"]
    links = [
        f'<{base_url}{request.path}?{urlencode({**query, "page": str(number)})}>; rel="{rel}"'
        for rel, number in wanted.items()
    ]
    headers = {"link": ", ".join(links)} if links else {}
    return list(items[(page - 1) * size : page * size]), headers


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() else default
