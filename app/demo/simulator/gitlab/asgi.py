"""The simulated GitLab as an ASGI application."""

import re
import uuid
from dataclasses import replace
from email.utils import format_datetime

from app.demo.simulator.asgi import Application
from app.demo.simulator.git_http import GitCall
from app.demo.simulator.gitlab import (
    oauth,
    rest_git,
    rest_hooks,
    rest_notes,
    rest_projects,
    rest_statuses,
    rest_threads,
)
from app.demo.simulator.gitlab.auth import Asker
from app.demo.simulator.gitlab.git_http import PATH, admit_git
from app.demo.simulator.gitlab.messages import Denial
from app.demo.simulator.gitlab.pages import page_for
from app.demo.simulator.gitlab.routes import PREFIX, admit, find_route
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.messages import Refusal, Request, Response, json_response
from app.demo.simulator.wire import Wire

ROUTES = (
    *rest_projects.ROUTES,
    *rest_hooks.ROUTES,
    *rest_threads.ROUTES,
    *rest_notes.ROUTES,
    *rest_git.ROUTES,
    *rest_statuses.ROUTES,
)


class GitLabApplication(Application):
    """GitLab's endpoints."""

    git_path = PATH
    realm = "GitLab"

    def __init__(self, site: GitLabSite) -> None:
        super().__init__(site)
        self._site = site

    def admit_git(self, match: re.Match[str], wire: Wire) -> tuple[str, GitCall | Refusal]:
        """Who asks, for the record, and what for, or why not. Raises ``Refusal`` for a credential that is none."""
        try:
            asker = self._site.tokens.of_git(wire.request.headers.get("authorization"))
        except Denial as denial:
            raise Refusal(denial.status, "HTTP Basic: Access denied") from None
        try:
            return asker.describe(), admit_git(self._site, match, wire, asker)
        except Refusal as refusal:
            return asker.describe(), refusal

    async def answer(self, request: Request) -> tuple[str, Response]:
        """Who asked, for the record, and the answer, whatever happened."""
        if (told := oauth.answer(self._site, request)) is not None:
            return "the OAuth application", told
        if not request.path.startswith(PREFIX):
            return "nobody", page_for(request.path)
        asker, response = await self._answer(request)
        return asker.describe(), self._finish(asker, response)

    def is_recorded(self, request: Request) -> bool:
        """Whether a request belongs to the record: not what holds a sign-in's secrets."""
        return not oauth.is_sign_in(request)

    def dress(self, request: Request, response: Response) -> Response:
        """An answer that no endpoint gave, with the headers that all answers carry."""
        del request
        return self._finish(Asker(), response)

    async def _answer(self, request: Request) -> tuple[Asker, Response]:
        site, asker = self._site, Asker()
        try:
            asker = site.tokens.of_request(request)
            site.limits.count(asker, site.world.clock.now())
            route, params = find_route(ROUTES, request)
            call = admit(site, route, request, asker, params)
            return asker, await route.handler(site, call)
        except Refusal as refusal:
            return asker, refusal.response()
        except Exception as error:  # noqa: BLE001 - a fault of the simulator is an answer, and kept for the test to see
            site.errors.append(error)
            return asker, json_response({"message": f"the simulator failed: {error!r}"}, status=500)

    def _finish(self, asker: Asker, response: Response) -> Response:
        now = self._site.world.clock.now()
        headers = {
            "cache-control": "max-age=0, private, must-revalidate",
            "vary": "Origin",
            **response.headers,
            "date": format_datetime(now, usegmt=True),
            "x-request-id": str(uuid.uuid4()),
            **self._site.limits.headers(asker, now),
        }
        return replace(response, headers=headers)
