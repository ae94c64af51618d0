"""The application: finds the endpoint, checks the asker, answers, keeps the record."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from email.utils import format_datetime
from typing import Any

from app.demo.simulator import rest_app, rest_checks, rest_git, rest_threads
from app.demo.simulator.app_auth import NobodyPrincipal, Principal, describe
from app.demo.simulator.git_http import PATH as GIT_PATH
from app.demo.simulator.git_http import admit_git, serve_git
from app.demo.simulator.messages import Refusal, Request, Response, json_response
from app.demo.simulator.record import Exchange
from app.demo.simulator.routes import admit, canonical_path, find_route
from app.demo.simulator.site import Site
from app.demo.simulator.wire import DisconnectedError, Receive, Send, Wire

ROUTES = (*rest_app.ROUTES, *rest_git.ROUTES, *rest_threads.ROUTES, *rest_checks.ROUTES)
API_VERSIONS = ("2022-11-28", "2026-03-10")
SECRET_HEADERS = frozenset({"authorization", "cookie"})
ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')
CACHE_CONTROL = "private, max-age=60, s-maxage=60"
VARY = "Accept, Authorization, Cookie, X-GitHub-OTP"
"""As in GitHub's own answers to whoever shows a credential."""
TOKEN = re.compile(r"gh[pousr]_[A-Za-z0-9_.\-]+")


class Application:
    """The simulator as an ASGI application."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        wire = Wire(scope, receive, send)
        try:
            if match := GIT_PATH.fullmatch(wire.request.path):
                await self._git(match, wire)
            else:
                with self._site.limits.secondary.under_way():
                    await self._rest(wire)
        except DisconnectedError:
            return

    async def _git(self, match: re.Match[str], wire: Wire) -> None:
        site, request = self._site, wire.request
        await site.faults.wait(request.method, request.path, after=False)
        fault = site.faults.strike(request.method, request.path)
        principal: Principal = NobodyPrincipal()
        response: Response | None = None
        status = 0
        try:
            principal = site.credentials.basic(request.headers.get("authorization"))
            call = admit_git(site, match, wire, principal)
            if fault is None or fault.lose:
                status = await serve_git(site, call, wire, lose=fault is not None)
            else:
                response = fault.answer
        except Refusal as refusal:
            challenge = {"www-authenticate": 'Basic realm="GitHub"'} if refusal.status == 401 else {}  # noqa: PLR2004 - HTTP
            headers = {"content-type": "text/plain; charset=utf-8", **challenge, **refusal.headers}
            response = Response(status=refusal.status, headers=headers, body=refusal.message.encode())
        self._note(request, principal, response or Response(status=status), lost=fault is not None and fault.lose)
        if response is not None:
            await wire.send(response)

    async def _rest(self, wire: Wire) -> None:
        site = self._site
        request = wire.request
        principal: Principal = NobodyPrincipal()
        try:
            request = replace(request, body=await wire.read())
            await site.faults.wait(request.method, request.path, after=False)
            fault = site.faults.strike(request.method, request.path)
            if fault is not None and fault.answer is not None:
                response = fault.answer
            else:
                principal, response = await self._answer(request)
        except Refusal as refusal:
            fault, response = None, refusal.response()
        response = self._finish(request, principal, response)
        await site.faults.wait(request.method, request.path, after=True)
        lost = fault is not None and fault.lose
        self._note(request, principal, response, lost=lost)
        if lost:
            wire.abort()
        else:
            await wire.send(response)

    async def _answer(self, request: Request) -> tuple[Principal, Response]:
        site = self._site
        principal: Principal = NobodyPrincipal()
        try:
            _check_headers(request)
            principal = site.credentials.authenticate(request.headers.get("authorization"))
            if request.path != "/rate_limit":
                site.limits.count(principal, request.method, site.world.clock.now())
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
        state = site.limits.state(principal, now)
        headers = {
            **response.headers,
            "date": format_datetime(now, usegmt=True),
            **{f"x-ratelimit-{name}": str(value) for name, value in state.items()},
            "x-ratelimit-resource": "core",
            "x-github-api-version-selected": request.headers.get("x-github-api-version", API_VERSIONS[0]),
            "x-github-media-type": "github.v3; format=json",
            "x-github-request-id": f"SIM:{len(site.record.exchanges) + 1:08X}",
        }
        return replace(response, headers=headers)

    def _note(self, request: Request, principal: Principal, response: Response, *, lost: bool) -> None:
        record = self._site.record
        record.add(
            Exchange(
                number=record.next_number(),
                at=self._site.world.now(),
                who=describe(principal),
                method=request.method,
                path=request.path,
                query=request.query_string,
                request_headers={name: value for name, value in request.headers.items() if name not in SECRET_HEADERS},
                request_body=request.body,
                status=response.status,
                response_headers=response.headers,
                response_body=_without_token(request, response.body),
                lost=lost,
            )
        )
        self._site.world.changed()


def _check_headers(request: Request) -> None:
    """What GitHub asks of every request. Raises ``Refusal`` 400 or 403.

    Source: https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api .
    """
    if "user-agent" not in request.headers:
        raise Refusal(
            403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header."
        )
    version = request.headers.get("x-github-api-version", API_VERSIONS[0])
    if version not in API_VERSIONS:
        raise Refusal(400, f"{version} is not a valid version. Supported versions: {', '.join(API_VERSIONS)}")


def _without_token(request: Request, body: bytes) -> bytes:
    """The body of a token's creation with the token hidden."""
    if not request.path.endswith("/access_tokens"):
        return body
    value = json.loads(body)
    if "token" in value:
        value["token"] = "ghs_hidden"  # noqa: S105 - says that there was one
    return json.dumps(value).encode()
