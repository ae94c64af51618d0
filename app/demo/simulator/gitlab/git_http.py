"""Who may fetch and push on GitLab: https://docs.gitlab.com/user/permissions/#repository-project-permissions ."""

import re
from collections.abc import Iterable

from app.demo.simulator.git_http import RECEIVE, SERVICES, GitCall
from app.demo.simulator.gitlab.auth import Asker
from app.demo.simulator.gitlab.render import may_collaborate
from app.demo.simulator.gitlab.routes import reads_code, role_of
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.messages import Refusal
from app.demo.simulator.state import Account, Repository, Role
from app.demo.simulator.wire import Wire

PATH = re.compile(r"/(?P<project>(?!api/)[^/]+(?:/[^/]+)+?)\.git/(?P<file>info/refs|git-upload-pack|git-receive-pack)")
"""GitLab asks for the ``.git``: without it a group and a project could not be told apart."""
MISSING = "The project you were looking for could not be found or you don't have permission to view it."
PROTECTED = "GitLab: You are not allowed to push code to protected branches on this project.\\n"


def admit_git(site: GitLabSite, match: re.Match[str], wire: Wire, asker: Asker) -> GitCall:
    """Check that somebody may fetch or push. Raises ``Refusal`` 401, 403 or 404."""
    advertise = match["file"] == "info/refs"
    service = wire.request.query.get("service", "") if advertise else match["file"]
    if service not in SERVICES or wire.request.method != ("GET" if advertise else "POST"):
        raise Refusal(404, "Not Found")
    repository = site.world.project(match["project"])
    write = service == RECEIVE
    if asker.account is None:
        if repository is None or repository.private or write:
            raise Refusal(401, "HTTP Basic: Access denied. If a password was provided for Git authentication, …")
        return GitCall(repository=repository, service=service, advertise=advertise, who=None, rules={})
    role = Role.NONE if repository is None else role_of(asker, repository)
    if repository is None or not reads_code(repository, role):
        raise Refusal(404, MISSING)
    _check_scope(asker, write=write)
    only: Iterable[str] = ()
    if write and role < Role.WRITE:
        only = _lent(site, repository, asker.account)
        if not only:
            raise Refusal(403, "You are not allowed to push code to this project.")
    return GitCall(
        repository=repository,
        service=service,
        advertise=advertise,
        who=asker.account,
        rules=_rules(site, repository, only),
    )


def _check_scope(asker: Asker, *, write: bool) -> None:
    scopes = frozenset() if asker.token is None else asker.token.scopes
    enough = {"api", "write_repository"} if write else {"api", "read_api", "read_repository", "write_repository"}
    if not scopes & enough:
        raise Refusal(403, "HTTP Basic: Access denied: insufficient scope")


def _lent(site: GitLabSite, repository: Repository, account: Account) -> list[str]:
    """The branches of a fork that members of the target project may push to.

    Source: https://docs.gitlab.com/user/project/merge_requests/allow_collaboration/ .
    """
    return [
        f"refs/heads/{pull.head_ref}"
        for target in site.world.repositories.values()
        for pull in target.pull_requests()
        if pull.open
        and pull.head_repository is repository
        and may_collaborate(pull)
        and target.role_of(account) >= Role.WRITE
    ]


def _rules(site: GitLabSite, repository: Repository, only: Iterable[str]) -> dict[str, str]:
    branches, messages = site.world.push_rules.get(repository.id, ("", ""))
    return {
        "SIMULATOR_PROTECTED": " ".join(f"refs/heads/{name}" for name in sorted(repository.protected)),
        "SIMULATOR_BRANCHES": branches,
        "SIMULATOR_MESSAGES": messages,
        "SIMULATOR_REFUSAL": PROTECTED,
        "SIMULATOR_WORKFLOWS": "yes",
        "SIMULATOR_ONLY": " ".join(sorted(only)),
    }
