"""How a request finds its endpoint, and what the endpoint asks for."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from app.demo.simulator.gitlab.auth import Asker
from app.demo.simulator.gitlab.messages import forbidden, invalid, malformed, not_found, unauthorized
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.messages import Request, Response
from app.demo.simulator.state import Account, Repository, Role
from app.demo.simulator.templates import pattern_of

PREFIX = "/api/v4"


@dataclass(frozen=True, slots=True)
class Anyone:
    """Needs no particular right."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Needs a token."""


@dataclass(frozen=True, slots=True)
class OnProject:
    """Needs a role in the project of the path. Without ``signed`` everyone may, where it is public."""

    role: Role
    signed: bool = False
    code: bool = False
    """Whether it reads code, which Guests of a private project may not."""


Access = Anyone | SignedIn | OnProject

SEE = OnProject(Role.READ)
CODE = OnProject(Role.READ, code=True)
TALK = OnProject(Role.READ, signed=True)
REPORT = OnProject(Role.TRIAGE, signed=True)
DEVELOP = OnProject(Role.WRITE, signed=True)
MAINTAIN = OnProject(Role.MAINTAIN, signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was let in. ``found`` is set for endpoints of a project."""

    request: Request
    asker: Asker
    params: Mapping[str, str]
    found: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The project of the path."""
        if self.found is None:
            raise not_found("Project")
        return self.found

    @property
    def actor(self) -> Account:
        """Who asks. Raises ``Denial`` 401 for nobody."""
        if self.asker.account is None:
            raise unauthorized()
        return self.asker.account

    def number(self, name: str) -> int:
        """A number in the path."""
        return int(self.params[name])

    def given(self) -> dict[str, object]:
        """What was sent along, in the query and in the body."""
        return {**self.request.query, **self.request.json()}

    def text(self, name: str, *, longest: int | None = None) -> str | None:
        """A text that was sent along, None where it was not. Raises ``Denial`` 400."""
        value = self.given().get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise malformed(f"{name} is invalid")
        if longest is not None and len(value) > longest:
            raise invalid(name, f"is too long (maximum is {longest} characters)")
        return value

    def needed(self, name: str) -> str:
        """A text that must be sent along. Raises ``Denial`` 400."""
        value = self.text(name)
        if value is None:
            raise malformed(f"{name} is missing")
        return value

    def flag(self, name: str) -> bool | None:
        """A yes or no that was sent along, None where it was not. Raises ``Denial`` 400."""
        value = self.given().get(name)
        known = {None: None, True: True, False: False, "true": True, "false": False, "1": True, "0": False}
        if not isinstance(value, str | bool | None) or value not in known:
            raise malformed(f"{name} is invalid")
        return known[value]


Handler = Callable[[GitLabSite, Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. ``template`` has placeholders ``{name}`` and ``{name:int}``; a slash inside of one is quoted."""

    method: str
    template: str
    access: Access
    handler: Handler
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", pattern_of(PREFIX + self.template))


def find_route(routes: Sequence[Route], request: Request) -> tuple[Route, dict[str, str]]:
    """The route of a request and the parts of its path, unquoted; what can be got has a head, too.

    Raises ``Denial`` 404.
    """
    methods = {request.method, "GET" if request.method == "HEAD" else request.method}
    path = request.raw_path.partition("?")[0].rstrip("/")
    for route in routes:
        if route.method in methods and (match := route.pattern.fullmatch(path)):
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
    raise not_found()


def admit(site: GitLabSite, route: Route, request: Request, asker: Asker, params: Mapping[str, str]) -> Call:
    """Check that the asker may use the route. Raises ``Denial`` 401, 403 or 404."""
    match route.access:
        case Anyone():
            return Call(request=request, asker=asker, params=params)
        case SignedIn():
            if asker.token is None:
                raise unauthorized()
            return Call(request=request, asker=asker, params=params)
        case OnProject(role=role, signed=signed, code=code):
            repository = visible_project(site, asker, params["project"])
            if signed and asker.token is None:
                raise unauthorized()
            held = role_of(asker, repository)
            if held < role or (code and not reads_code(repository, held)):
                raise forbidden()
            return Call(request=request, asker=asker, params=params, found=repository)


def role_of(asker: Asker, repository: Repository) -> Role:
    """What the asker is in a project."""
    if asker.account is not None:
        return repository.role_of(asker.account)
    return Role.NONE if repository.private else Role.READ


def reads_code(repository: Repository, role: Role) -> bool:
    """Whether that role reads the code: in a private project it takes a Reporter.

    Source: https://docs.gitlab.com/user/permissions/#repository-project-permissions .
    """
    return role >= (Role.TRIAGE if repository.private else Role.READ)


def visible_project(site: GitLabSite, asker: Asker, name: str) -> Repository:
    """A project that the asker may see. Raises ``Denial`` 404 for any other."""
    repository = site.world.project(name)
    if repository is None or role_of(asker, repository) < Role.READ:
        raise not_found("Project")
    return repository
