"""The application: finds the endpoint, checks the asker, answers, keeps the record."""

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from app.demo.simulator import graphql, rest_app, rest_checks, rest_git, rest_manifest, rest_oauth, rest_threads
from app.demo.simulator.app_auth import NobodyPrincipal, Principal, describe
from app.demo.simulator.git_http import PATH as GIT_PATH
from app.demo.simulator.git_http import GitCall, admit_git, serve_git
from app.demo.simulator.messages import Refusal, Request, Response, json_response, not_found
from app.demo.simulator.record import Exchange
from app.demo.simulator.routes import admit, canonical_path, find_route
from app.demo.simulator.site import GitHubSite, Site
from app.demo.simulator.wire import DisconnectedError, Receive, Send, Wire

ROUTES = (
    *rest_app.ROUTES,
    *rest_git.ROUTES,
    *rest_threads.ROUTES,
    *rest_checks.ROUTES,
    *rest_manifest.ROUTES,
    *rest_oauth.ROUTES,
    *graphql.ROUTES,
)
API_VERSIONS = ("2022-11-28", "2026-03-10")
ENTERPRISE_PATH = "/api/v3"
ENTERPRISE_GRAPHQL = "/api/graphql"
ENTERPRISE_VERSIONS = ("2022-11-28",)
"""Source: https://docs.github.com/en/enterprise-server@3.20/rest/about-the-rest-api/api-versions ."""
SECRET_HEADERS = frozenset({"authorization", "cookie", "private-token"})
SECRET_FIELDS = frozenset({"token", "pem", "client_secret", "webhook_secret"})
ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')
CACHE_CONTROL = "private, max-age=60, s-maxage=60"
VARY = "Accept, Authorization, Cookie, X-GitHub-OTP"
"""As in GitHub's own answers to whoever shows a credential."""
PAGES = re.compile(r"/(?:organizations/[^/]+/)?settings/|/login/oauth/")
"""What people see in a browser, and where a browser's sign-in ends."""
BY_CLIENT = re.compile(r"/applications/")
"""What an OAuth client asks by its own secret, which is no token."""


class Application(ABC):
    """A simulator as an ASGI application: what holds for every forge. Endpoints and words are a subclass's."""

    git_path: re.Pattern[str]
    """Which paths are git's, with a group ``file``."""
    realm: str
    """What git's users are asked to sign in to."""

    def __init__(self, site: Site) -> None:
        self._common = site

    @abstractmethod
    def admit_git(self, match: re.Match[str], wire: Wire) -> tuple[str, GitCall | Refusal]:
        """Who asks, for the record, and what for, or why not. Raises ``Refusal`` for a credential that is none."""

    @abstractmethod
    async def answer(self, request: Request) -> tuple[str, Response]:
        """Who asked, for the record, and the answer, whatever happened."""

    @abstractmethod
    def dress(self, request: Request, response: Response) -> Response:
        """An answer that no endpoint gave, with the headers that all answers carry."""

    def under_way(self) -> AbstractContextManager[None]:
        """Hold while a request of the API lasts."""
        return nullcontext()

    def api_path(self, path: str) -> str:
        """A path as the endpoints know it. Raises ``Refusal`` 404 for what is not the API's."""
        return path

    def is_recorded(self, request: Request) -> bool:
        """Whether a request belongs to the record, which is of the API and of git."""
        del request
        return True

    def hidden(self, request: Request, body: bytes) -> bytes:
        """The body of an answer without the secrets in it, for the record."""
        del request
        return body

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        wire = Wire(scope, receive, send)
        try:
            if match := self.git_path.fullmatch(wire.request.path):
                await self._git(match, wire)
            else:
                with self.under_way():
                    await self._rest(wire)
        except DisconnectedError:
            return

    async def _git(self, match: re.Match[str], wire: Wire) -> None:
        site, request = self._common, wire.request
        await site.faults.wait(request.method, request.path, after=False)
        fault = site.faults.strike(request.method, request.path)
        who = "nobody"
        response: Response | None = None
        status = 0
        try:
            who, call = self.admit_git(match, wire)
            if isinstance(call, Refusal):
                raise call
            if fault is None or fault.lose:
                status = await serve_git(site, call, wire, lose=fault is not None)
            else:
                response = fault.answer
        except Refusal as refusal:
            challenge = {"www-authenticate": f'Basic realm="{self.realm}"'} if refusal.status == 401 else {}  # noqa: PLR2004 - HTTP
            headers = {"content-type": "text/plain; charset=utf-8", **challenge, **refusal.headers}
            response = Response(status=refusal.status, headers=headers, body=refusal.message.encode())
        self._note(request, who, response or Response(status=status), lost=fault is not None and fault.lose)
        if response is not None:
            await wire.send(response)

    async def _rest(self, wire: Wire) -> None:
        site = self._common
        request = wire.request
        who, lost = "nobody", False
        try:
            request = replace(request, path=self.api_path(request.path), body=await wire.read())
            await site.faults.wait(request.method, request.path, after=False)
            fault = site.faults.strike(request.method, request.path)
            lost = fault is not None and fault.lose
            if fault is not None and fault.answer is not None:
                response = self.dress(request, fault.answer)
            else:
                who, response = await self.answer(request)
        except Refusal as refusal:
            response = self.dress(request, refusal.response())
        await site.faults.wait(request.method, request.path, after=True)
        if self.is_recorded(request):
            self._note(request, who, response, lost=lost)
        if lost:
            wire.abort()
        else:
            await wire.send(response)

    def _note(self, request: Request, who: str, response: Response, *, lost: bool) -> None:
        record = self._common.record
        record.add(
            Exchange(
                number=record.next_number(),
                at=self._common.world.now(),
                who=who,
                method=request.method,
                path=request.path,
                query=request.query_string,
                request_headers={name: value for name, value in request.headers.items() if name not in SECRET_HEADERS},
                request_body=request.body,
                status=response.status,
                response_headers=response.headers,
                response_body=self.hidden(request, response.body),
                lost=lost,
                raw_path=request.raw_path,
            )
        )
        self._common.world.changed()


class GitHubApplication(Application):
    """GitHub's endpoints."""

    git_path = GIT_PATH
    realm = "GitHub"

    def __init__(self, site: GitHubSite) -> None:
        super().__init__(site)
        self._site = site

    def under_way(self) -> AbstractContextManager[None]:
        """Count a request among those that are under way at once."""
        return self._site.limits.secondary.under_way()

    def admit_git(self, match: re.Match[str], wire: Wire) -> tuple[str, GitCall | Refusal]:
        """Who asks, for the record, and what for, or why not. Raises ``Refusal`` for a credential that is none."""
        principal = self._site.credentials.basic(wire.request.headers.get("authorization"))
        try:
            return describe(principal), admit_git(self._site, match, wire, principal)
        except Refusal as refusal:
            return describe(principal), refusal

    async def answer(self, request: Request) -> tuple[str, Response]:
        """Who asked, for the record, and the answer, whatever happened."""
        principal, response = await self._answer(request)
        return describe(principal), self._finish(request, principal, response)

    def dress(self, request: Request, response: Response) -> Response:
        """An answer that no endpoint gave, with the headers that all answers carry."""
        return self._finish(request, NobodyPrincipal(), response)

    async def _answer(self, request: Request) -> tuple[Principal, Response]:
        site = self._site
        principal: Principal = NobodyPrincipal()
        try:
            _check_headers(request, ENTERPRISE_VERSIONS if site.world.enterprise else API_VERSIONS)
            if BY_CLIENT.match(request.path) is None:
                principal = site.credentials.authenticate(request.headers.get("authorization"))
            _check_private(site, request, principal)
            if request.path != "/rate_limit" and not site.world.enterprise:
                method = "GET" if request.path == graphql.PATH else request.method  # a query counts as what reads
                site.limits.count(principal, method, site.world.clock.now())
            route, params = find_route(ROUTES, request.method, canonical_path(site, request))
            call = admit(site, route, request, principal, params)
            return principal, await route.handler(site, call)
        except Refusal as refusal:
            return principal, refusal.response()
        except Exception as error:  # noqa: BLE001 - a fault of the simulator is an answer, and kept for the test to see
            site.errors.append(error)
            return principal, json_response({"message": f"the simulator failed: {error!r}"}, status=500)

    def _finish(self, request: Request, principal: Principal, response: Response) -> Response:
        """Add the headers that all answers carry, and answer 304 where the asker has it already."""
        site = self._site
        now = site.world.clock.now()
        if request.method == "GET" and response.status == 200:  # noqa: PLR2004 - HTTP
            etag = f'W/"{hashlib.sha256(response.body).hexdigest()}"'
            kept = {"etag": etag, "cache-control": CACHE_CONTROL, "vary": VARY}
            response = replace(response, headers={**response.headers, **kept})
            if etag in re.findall(ENTITY_TAG, request.headers.get("if-none-match", "")):
                site.limits.forgive(principal, now)
                response = Response(status=304, headers=kept)
        headers = {
            **response.headers,
            "date": format_datetime(now, usegmt=True),
            **self._told_limits(request, principal, now),
            "x-github-api-version-selected": request.headers.get("x-github-api-version", API_VERSIONS[0]),
            "x-github-media-type": "github.v3; format=json",
            "x-github-request-id": f"SIM:{len(site.record.exchanges) + 1:08X}",
        }
        return replace(response, headers=headers)

    def _told_limits(self, request: Request, principal: Principal, now: datetime) -> dict[str, str]:
        """The headers on limits; an Enterprise Server has none unless its owner wants them."""
        if self._site.world.enterprise:
            return {"x-github-enterprise-version": "3.20.0"}
        state = self._site.limits.state(principal, now)
        resource = "graphql" if request.path == graphql.PATH else "core"
        return {
            **{f"x-ratelimit-{name}": str(value) for name, value in state.items()},
            "x-ratelimit-resource": resource,
        }

    def api_path(self, path: str) -> str:
        """A path as the endpoints know it: on an Enterprise Server all but pages are below the API's root."""
        if not self._site.world.enterprise or PAGES.match(path):
            return path
        if path == ENTERPRISE_GRAPHQL:
            return graphql.PATH
        if not path.startswith(f"{ENTERPRISE_PATH}/"):
            raise not_found()
        return path.removeprefix(ENTERPRISE_PATH)

    def is_recorded(self, request: Request) -> bool:
        """Whether a request belongs to the record: pages do not, nor what holds a sign-in's secrets."""
        return PAGES.match(request.path) is None and BY_CLIENT.match(request.path) is None

    def hidden(self, request: Request, body: bytes) -> bytes:
        """The body of an answer that holds secrets, with each of them hidden."""
        if not request.path.endswith(("/access_tokens", "/conversions")):
            return body
        value = json.loads(body)
        for name in SECRET_FIELDS & value.keys():
            value[name] = "ghs_hidden"
        return json.dumps(value).encode()


def _check_private(site: GitHubSite, request: Request, principal: Principal) -> None:
    """Refuse who has no credential, in private mode; whoever registers an App has none yet. Raises ``Refusal`` 401.

    Source: https://docs.github.com/en/enterprise-server@3.20/admin , "Enabling private mode".
    """
    registers = PAGES.match(request.path) or BY_CLIENT.match(request.path) or request.path.endswith("/conversions")
    if site.world.private and isinstance(principal, NobodyPrincipal) and not registers:
        raise Refusal(401, "Must authenticate to access this API.")


def _check_headers(request: Request, versions: Sequence[str]) -> None:
    """What GitHub asks of every request. Raises ``Refusal`` 400 or 403.

    Source: https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api .
    """
    if "user-agent" not in request.headers:
        raise Refusal(
            403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header."
        )
    version = request.headers.get("x-github-api-version", versions[0])
    if version not in versions:
        raise Refusal(400, f"{version} is not a valid version. Supported versions: {', '.join(versions)}")
