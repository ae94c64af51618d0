"""How a request finds its endpoint, and what the endpoint asks for."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.demo.simulator.app_auth import AppPrincipal, InstallationToken, Needs, Principal, may
from app.demo.simulator.messages import Refusal, Request, Response, not_found
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import Account, Repository
from app.demo.simulator.templates import pattern_of


@dataclass(frozen=True, slots=True)
class AppOnly:
    """Needs the App's JWT."""


@dataclass(frozen=True, slots=True)
class Anyone:
    """Needs no particular right."""


@dataclass(frozen=True, slots=True)
class OnRepository:
    """Needs one of some permissions on the repository of the path."""

    needs: Needs


Access = AppOnly | Anyone | OnRepository

METADATA = OnRepository((("metadata", "read"),))
CONTENTS = OnRepository((("contents", "read"),))
CONTENTS_WRITE = OnRepository((("contents", "write"),))
PULLS = OnRepository((("pull_requests", "read"),))
PULLS_WRITE = OnRepository((("pull_requests", "write"),))
CHECKS = OnRepository((("checks", "read"),))
CHECKS_WRITE = OnRepository((("checks", "write"),))
STATUSES = OnRepository((("statuses", "read"),))
TALK = OnRepository((("issues", "read"), ("pull_requests", "read")))
TALK_WRITE = OnRepository((("issues", "write"), ("pull_requests", "write")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was let in. ``repository`` is set for endpoints of a repository."""

    request: Request
    principal: Principal
    params: Mapping[str, str]
    found: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository of the path."""
        if self.found is None:
            raise not_found()
        return self.found

    def number(self, name: str) -> int:
        """A numeric part of the path."""
        return int(self.params[name])

    def token(self) -> InstallationToken:
        """The installation's token. Raises ``Refusal`` 403 for everybody else."""
        if not isinstance(self.principal, InstallationToken):
            raise Refusal(403, "You must authenticate with an installation access token.")
        return self.principal

    def actor(self, site: GitHubSite) -> Account:
        """As whom a write appears: the App's bot, or the person."""
        match self.principal:
            case InstallationToken() | AppPrincipal():
                return site.world.bot
            case _:
                account = getattr(self.principal, "account", None)
                if not isinstance(account, Account):
                    raise Refusal(401, "Requires authentication")
                return account


Handler = Callable[[GitHubSite, Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. ``{name}``, ``{name:int}`` and ``{name:rest}`` stand for parts of the path."""

    method: str
    template: str
    access: Access
    handler: Handler
    pattern: re.Pattern[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", pattern_of(self.template))


def canonical_path(site: GitHubSite, request: Request) -> str:
    """A path by owner and name, also for ``/repositories/{id}/…``. Raises ``Refusal`` 301 or 307 for an old name.

    Source: https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api , "Follow redirects".
    """
    if match := re.fullmatch(r"/repositories/([0-9]+)(/.*)?", request.path):
        repository = site.world.repositories.get(int(match[1]))
        if repository is None or repository.deleted:
            raise not_found()
        return f"/repos/{repository.full_name}{match[2] or ''}"
    if match := re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", request.path):
        renamed = site.world.renamed.get(match[1].casefold())
        if renamed is not None and not renamed.deleted and site.world.repository(match[1]) is None:
            query = f"?{request.query_string}" if request.query_string else ""
            location = f"{site.world.base_url}/repositories/{renamed.id}{match[2] or ''}{query}"
            status = 301 if request.method == "GET" else 307
            raise Refusal(status, "Moved Permanently", headers={"location": location})
    return request.path.rstrip("/") or "/"


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a request and the parts of its path. Raises ``Refusal`` 404."""
    for route in routes:
        if route.method == method and (match := route.pattern.fullmatch(path)):
            return route, match.groupdict()
    raise not_found()


def admit(site: GitHubSite, route: Route, request: Request, principal: Principal, params: Mapping[str, str]) -> Call:
    """Check that the asker may use the route. Raises ``Refusal`` 401, 403 or 404."""
    match route.access:
        case Anyone():
            return Call(request=request, principal=principal, params=params)
        case AppOnly():
            if not isinstance(principal, AppPrincipal):
                raise Refusal(401, "A JSON web token could not be decoded")
            return Call(request=request, principal=principal, params=params)
        case OnRepository(needs=needs):
            repository = _repository(site, params)
            may(principal, repository, needs)
            return Call(request=request, principal=principal, params=params, found=repository)


def _repository(site: GitHubSite, params: Mapping[str, str]) -> Repository:
    repository = site.world.repository(f"{params['owner']}/{params['repo']}")
    if repository is None:
        raise not_found()
    return repository
