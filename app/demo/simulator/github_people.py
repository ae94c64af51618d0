"""What people do on the simulated GitHub only: buttons of check runs, and the App's installations."""

from collections.abc import Mapping
from types import MappingProxyType

from app.demo.simulator import acts_apps
from app.demo.simulator.github_voice import announce_check
from app.demo.simulator.people import People
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import Account, CheckRun, GitHubStatus, Installation, PullRequest, Remark, Repository


class GitHubPeople(People):
    """The acts of people on GitHub."""

    _site: GitHubSite

    def __init__(self, site: GitHubSite) -> None:
        super().__init__(site)

    def team(self, name: str, *members: Account) -> None:
        """Let the team ``organization/slug`` consist of these people."""
        self._site.world.teams[name.casefold()] = {one.id for one in members}

    # Check runs.

    def click(self, check: CheckRun, actor: Account, identifier: str) -> None:
        """Press a button of a completed check run.

        Raises:
            ValueError: there is no such button to press.
        """
        offered = [action["identifier"] for action in check.actions] if check.status == "completed" else []
        if identifier not in offered:
            raise ValueError(f"no button {identifier!r} on check run {check.id}, only {offered}")
        self.send_requested_action(check, actor, identifier)

    def send_requested_action(self, check: CheckRun, actor: Account, identifier: str) -> None:
        """Send the webhook of a button without looking whether the button exists, as a hostile page might."""
        requested: dict[str, object] = {"requested_action": {"identifier": identifier}}
        announce_check(self._site, "requested_action", check, actor, requested)

    def run_check(
        self,
        pull: PullRequest,
        name: str,
        conclusion: str,
        *,
        summary: str = "",
        remarks: Mapping[str, str] = MappingProxyType({}),
    ) -> CheckRun:
        """Let another App's check of a pull request's head end; its remarks by path, on the first lines there."""
        world, now = self._site.world, self._site.world.now()
        check = CheckRun(
            id=world.new_id(),
            suite_id=world.new_id(),
            repository=pull.repository,
            name=name,
            head_sha=pull.head_sha,
            external_id="",
            details_url=f"{world.base_url}/apps/actions",
            status="completed",
            conclusion=conclusion,
            started_at=now,
            completed_at=now,
            title=name,
            summary=summary,
            foreign=True,
        )
        check.annotations = [
            {"path": path, "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": text}
            for path, text in remarks.items()
        ]
        world.check_runs[check.id] = check
        announce_check(self._site, "completed", check, pull.author)
        return check

    def remark(
        self,
        pull: PullRequest,
        author: Account,
        path: str,
        line: int | None,
        body: str,
        *,
        answers: Remark | None = None,
    ) -> Remark:
        """Comment on a line in a review; nobody is told by a webhook that the bot is subscribed to."""
        world = self._site.world
        remark = Remark(
            id=world.new_id(),
            author=author,
            path=path,
            line=line,
            body=body,
            commit=pull.head_sha,
            created_at=world.now(),
            answers=answers,
        )
        pull.remarks.append(remark)
        return remark

    def resolve(self, remark: Remark) -> None:
        """Mark the thread that a comment on a line began as resolved; the bot is told by no webhook either."""
        remark.resolved = True

    def set_status(self, pull: PullRequest, context: str, state: str, description: str) -> None:
        """Let somebody's machine report a commit status on a pull request's head."""
        self._site.world.statuses.append(
            GitHubStatus(
                id=self._site.world.new_id(),
                repository=pull.repository,
                sha=pull.head_sha,
                context=context,
                state=state,
                description=description,
                creator=pull.author,
                created_at=self._site.world.now(),
            )
        )

    def rerequest(self, check: CheckRun, actor: Account) -> None:
        """Ask for a check run again."""
        announce_check(self._site, "rerequested", check, actor)

    # The App.

    def install(self, account: Account, *, repositories: tuple[Repository, ...] | None = None) -> Installation:
        """Install the App on all (None) or some repositories of an account."""
        installation = acts_apps.make_installation(self._site, account, repositories)
        acts_apps.announce_installation(self._site, installation, "created")
        return installation

    def uninstall(self, account: Account) -> None:
        """Remove the App from an account; its tokens die at once."""
        world = self._site.world
        for installation in [one for one in world.installations.values() if one.account is account]:
            del world.installations[installation.id]
            acts_apps.announce_installation(self._site, installation, "deleted")

    def suspend(self, account: Account, *, suspended: bool = True) -> None:
        """Suspend the App on an account, or let it go on."""
        world = self._site.world
        for installation in world.installations.values():
            if installation.account is account:
                installation.suspended_at = world.now() if suspended else None
                acts_apps.announce_installation(self._site, installation, "suspend" if suspended else "unsuspend")

    def accept_permissions(self, account: Account, permissions: Mapping[str, str]) -> None:
        """Grant an installation other permissions than it had."""
        for installation in self._site.world.installations.values():
            if installation.account is account:
                installation.permissions = dict(permissions)
                acts_apps.announce_installation(self._site, installation, "new_permissions_accepted")

    def select_repositories(self, account: Account, repositories: tuple[Repository, ...]) -> None:
        """Restrict (or widen) an installation to exactly these repositories."""
        world = self._site.world
        for installation in world.installations.values():
            if installation.account is account:
                before = {one.id for one in world.repositories.values() if installation.covers(one)}
                installation.repositories = {one.id for one in repositories}
                acts_apps.announce_selection(self._site, installation, before)

    def ping(self) -> None:
        """Send the ping that GitHub sends when a webhook is set up."""
        acts_apps.ping(self._site)
