"""GitLab's refusals and pages."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from app.demo.simulator.messages import Refusal, Request, Response, json_response

DEFAULT_PAGE = 20
LARGEST_PAGE = 100


class Denial(Refusal):
    """An answer with an error status and one of GitLab's error bodies.

    Source: https://docs.gitlab.com/api/rest/troubleshooting/ .
    """

    def __init__(self, status: int, body: Mapping[str, object], *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, str(body), headers=headers)
        self._body = body

    def response(self) -> Response:
        """The answer as it goes out."""
        return json_response(self._body, status=self.status, headers=self.headers)


def denied(status: int, message: object) -> Denial:
    """A refusal with a ``message``."""
    return Denial(status, {"message": message})


def malformed(error: str) -> Denial:
    """What GitLab says of a parameter that is missing or none: ``error`` instead of ``message``."""
    return Denial(400, {"error": error})


def invalid(field: str, *faults: str) -> Denial:
    """What GitLab says of a value it does not take."""
    return Denial(400, {"message": {field: list(faults)}})


def not_found(what: str = "") -> Denial:
    """What GitLab says of everything that is not there or not for the asker."""
    return denied(404, f"404 {what} Not Found" if what else "404 Not Found")


def forbidden() -> Denial:
    """What GitLab says to somebody who may see a thing, but not do this to it."""
    return denied(403, "403 Forbidden")


def unauthorized() -> Denial:
    """What GitLab says to who has no credential, or a wrong one."""
    return denied(401, "401 Unauthorized")


def page_of(request: Request, base_url: str, items: Sequence[object]) -> Response:
    """One page of a list, with GitLab's headers.

    Source: https://docs.gitlab.com/api/rest/#offset-based-pagination .
    """
    query = request.query
    size = min(_number(query, "per_page", DEFAULT_PAGE), LARGEST_PAGE)
    page = _number(query, "page", 1)
    last = max((len(items) + size - 1) // size, 1)
    wanted = {"prev": page - 1, "next": page + 1, "first": 1, "last": last}
    if page <= 1:
        del wanted["prev"]
    if page >= last:
        del wanted["next"]
    url = base_url + request.raw_path.partition("?")[0]
    links = [
        f'<{url}?{urlencode({**query, "page": str(number), "per_page": str(size)})}>; rel="{rel}"'
        for rel, number in wanted.items()
    ]
    headers = {
        "link": ", ".join(links),
        "x-page": str(page),
        "x-per-page": str(size),
        "x-prev-page": str(wanted.get("prev", "")),
        "x-next-page": str(wanted.get("next", "")),
        "x-total": str(len(items)),
        "x-total-pages": str(last),
    }
    return json_response(list(items[(page - 1) * size : page * size]), headers=headers)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None or text == "":
        return default
    if not text.isdecimal():
        raise malformed(f"{name} is invalid")
    if int(text) < 1:
        raise malformed(f"{name} does not have a valid value")
    return int(text)
