"""A GitLab behind ``requests``: answers by method and path, a record of what was asked, and commit statuses that obey
GitLab's rules."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import requests
from requests.models import PreparedRequest

BASE = "https://gitlab.test/forge"
API = f"{BASE}/api/v4"
TOKEN = "glpat-made-up-of-20-letters"
OWN = {"id": 99, "username": "project_4217_bot_1f", "state": "active"}

Json = Any
Reply = tuple[int, Mapping[str, str], bytes]
Handler = Callable[["Asked"], Reply]


@dataclass(frozen=True)
class Asked:
    """One request as it went out."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Json

    @property
    def path(self) -> str:
        return urlsplit(self.url).path.removeprefix("/forge/api/v4")

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.url).query).items()}


def reply(body: Json = None, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"content-type": "application/json", **named}, json.dumps({} if body is None else body).encode()


def unexpected(_: Asked) -> Reply:
    return reply({"message": "not expected"}, 418)


@dataclass
class Wire:
    """What is answered; a request that is not expected fails the test by a 418."""

    routes: dict[tuple[str, str], Handler] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Reply | Exception) -> None:
        """Answer in this order, the last one for good."""
        left = list(answers)

        def handle(_: Asked) -> Reply:
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.routes[method, path] = handle

    def send(self, request: PreparedRequest) -> requests.Response:
        """In the place of ``HTTPAdapter.send``."""
        body = json.loads(request.body) if isinstance(request.body, bytes | str) and request.body else None
        asked = Asked(
            str(request.method).upper(),
            str(request.url),
            {name: str(value) for name, value in request.headers.items()},
            body,
        )
        self.asked.append(asked)
        handler = self.routes.get((asked.method, asked.path), unexpected)
        status, sent, content = handler(asked)
        answer: Any = requests.Response()
        answer.status_code = status
        answer.reason = ""
        answer.headers.update(sent)
        answer._content = content
        answer.url = asked.url
        answer.request = request
        played: requests.Response = answer
        return played

    def count(self, method: str, path: str) -> int:
        return sum((one.method, one.path) == (method, path) for one in self.asked)


MAY_BECOME: Final[Mapping[str, frozenset[str]]] = {
    "created": frozenset({"pending", "running", "success", "failed", "canceled"}),
    "pending": frozenset({"running", "success", "failed", "canceled"}),
    "running": frozenset({"success", "failed", "canceled"}),
}


@dataclass
class Statuses:
    """The commit statuses of one commit: GitLab's own rules for what may follow what."""

    sha: str
    project_id: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    refuse: list[Reply] = field(default_factory=list)

    def serve(self, wire: Wire) -> None:
        wire.routes["POST", f"/projects/{self.project_id}/statuses/{self.sha}"] = self.post
        wire.routes["GET", f"/projects/{self.project_id}/repository/commits/{self.sha}/statuses"] = self.list_

    def list_(self, asked: Asked) -> Reply:
        found = [row for row in self.rows if row["name"] == asked.query["name"]]
        return reply(found, x_next_page="") if asked.query.get("all") == "true" else reply({"message": "all?"}, 400)

    def post(self, asked: Asked) -> Reply:
        if self.refuse:
            return self.refuse.pop(0)
        told = asked.body
        pipeline = told.get("pipeline_id")
        if pipeline is None:
            made = next((one for one in self.pipelines if one["ref"] == told["ref"]), None)
            if made is None:
                made = {
                    "id": 500 + len(self.pipelines),
                    "sha": self.sha,
                    "ref": told["ref"],
                    "project_id": self.project_id,
                }
                self.pipelines.append(made)
            pipeline = made["id"]
        open_ = [
            row
            for row in self.rows
            if (row["name"], row["pipeline_id"]) == (told["name"], pipeline) and row["status"] in MAY_BECOME
        ]
        row: dict[str, Any] = open_[-1] if open_ else {"id": 1000 + len(self.rows), "status": "created", "author": OWN}
        if told["state"] not in MAY_BECOME[row["status"]]:
            said = f"Cannot transition status via :{told['state']} from :{row['status']} (Reason(s): Status cannot)"
            return reply({"message": said}, 400)
        row |= {
            "name": told["name"],
            "status": told["state"],
            "pipeline_id": pipeline,
            "ref": "feature/grip",
            "sha": self.sha,
            "target_url": told["target_url"],
            "description": told["description"],
        }
        if not open_:
            self.rows.append(row)
        return reply(row, 201)

    def visible(self, name: str = "FlowForge") -> dict[str, Any]:
        """The one that people see: the newest of a name."""
        return [row for row in self.rows if row["name"] == name][-1]
