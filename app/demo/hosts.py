"""The forge on the demo's stage: a simulated GitHub or GitLab, and what people see and do there."""

import base64
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, assert_never

from pydantic import SecretStr

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.oauth import OAuthApplication
from app.demo.simulator.server import ForgeSimulator, Simulator
from app.demo.simulator.state import Account, PullRequest
from bot.model.forge import ForgeKind

_ENDED: Final = frozenset({"success", "failed", "canceled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCheck:
    """What a pull request shows of a job beside its comments: a check run on GitHub, a commit status on GitLab.

    ``waits`` says that it asks a person for something, ``ended`` that nothing more is about to happen.
    """

    status: str
    conclusion: str | None
    title: str
    actions: tuple[dict[str, str], ...]
    waits: bool
    ended: bool


class Host(Protocol):
    """A simulated forge, as the demo plays on it."""

    @property
    def kind(self) -> ForgeKind:
        """Which product it is."""
        ...

    @property
    def simulator(self) -> ForgeSimulator:
        """What is the same on every forge."""
        ...

    @property
    def comment_event(self) -> str:
        """The name under which it delivers comments."""
        ...

    def settings(self) -> dict[str, object]:
        """The settings by which FlowForge serves it."""
        ...

    def check(self, pull: PullRequest, job_id: str) -> ShownCheck | None:
        """What is shown of a job now."""
        ...

    def approve(self, pull: PullRequest, person: Account, job_id: str) -> None:
        """Approve a job's proposal, as people do on this forge."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubHost:
    """A simulated GitHub: check runs with buttons."""

    simulator: Simulator
    webhook_secret: str
    public_url: str
    client: OAuthApplication
    kind: ForgeKind = ForgeKind.GITHUB
    comment_event: str = "issue_comment"

    def settings(self) -> dict[str, object]:
        """Those of the App."""
        forge = self.simulator
        return {
            "github_api_url": forge.base_url,
            "github_git_url": forge.base_url,
            "github_app_id": forge.app.id,
            "github_app_slug": forge.app.slug,
            "github_private_key": SecretStr(forge.app.private_key_pem),
            "github_webhook_secrets": (SecretStr(self.webhook_secret),),
            "public_url": self.public_url,
            "github_oauth_client_id": self.client.id,
            "github_oauth_client_secret": SecretStr(self.client.secret),
        }

    def check(self, pull: PullRequest, job_id: str) -> ShownCheck | None:
        """The job's newest check run."""
        ours = [run for run in self.simulator.check_runs(pull.repository) if run.external_id.startswith(job_id)]
        if not ours:
            return None
        newest = ours[-1]
        return ShownCheck(
            status=newest.status,
            conclusion=newest.conclusion,
            title=newest.title or "",
            actions=tuple(dict(action) for action in newest.actions),
            waits=newest.conclusion == "action_required",
            ended=newest.status == "completed",
        )

    def approve(self, pull: PullRequest, person: Account, job_id: str) -> None:
        """By the button of the check run."""
        ours = [run for run in self.simulator.check_runs(pull.repository) if run.external_id.startswith(job_id)]
        self.simulator.people.click(ours[-1], person, "approve")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLabHost:
    """A simulated GitLab: commit statuses, which have no buttons."""

    simulator: GitLabSimulator
    webhook_secret: str
    signing_token: str
    public_url: str
    client: OAuthApplication
    kind: ForgeKind = ForgeKind.GITLAB
    comment_event: str = "Note Hook"

    def settings(self) -> dict[str, object]:
        """Those of the token."""
        return {
            "public_url": self.public_url,
            "gitlab_url": self.simulator.base_url,
            "gitlab_token": SecretStr(self.simulator.token),
            "gitlab_webhook_secrets": (SecretStr(self.webhook_secret), SecretStr(self.signing_token)),
            "gitlab_oauth_client_id": self.client.id,
            "gitlab_oauth_client_secret": SecretStr(self.client.secret),
        }

    def check(self, pull: PullRequest, job_id: str) -> ShownCheck | None:
        """The job's newest status, also in a fork. That nothing runs and nothing ended means that it waits."""
        places = dict.fromkeys([pull.repository, pull.head_repository])
        shown = [status for place in places for status in self.simulator.statuses(place)]
        ours = [status for status in shown if job_id in (status.target_url or "")]
        if not ours:
            return None
        newest = max(ours, key=lambda status: status.id)
        return ShownCheck(
            status=newest.status,
            conclusion=None,
            title=newest.description or "",
            actions=(),
            waits=newest.status == "pending",
            ended=newest.status in _ENDED,
        )

    def approve(self, pull: PullRequest, person: Account, job_id: str) -> None:
        """By a command: GitLab has no buttons."""
        del job_id
        self.simulator.people.comment(pull, person, "/flowforge approve")


@contextlib.asynccontextmanager
async def open_host(kind: ForgeKind, directory: Path, *, web_url: str) -> AsyncIterator[Host]:
    """Start the simulated forge in ``directory``; it delivers to the web service at ``web_url``."""
    back = f"{web_url}/sign-in/{kind.value}"
    secret, webhook_url = secrets.token_urlsafe(32), f"{web_url}/webhooks/{kind.value}"
    match kind:
        case ForgeKind.GITHUB:
            async with Simulator.serve(directory, webhook_secret=secret, webhook_url=webhook_url) as github:
                client = github.site.oauth.register(github.app.client_id, back=back)
                yield GitHubHost(simulator=github, webhook_secret=secret, public_url=web_url, client=client)
        case ForgeKind.GITLAB:
            signing = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode('ascii')}"
            async with GitLabSimulator.serve(
                directory, webhook_secret=secret, webhook_url=webhook_url, signing_token=signing
            ) as gitlab:
                yield GitLabHost(
                    simulator=gitlab,
                    webhook_secret=secret,
                    signing_token=signing,
                    public_url=web_url,
                    client=gitlab.site.oauth.register(secrets.token_hex(32), back=back),
                )
        case _:
            assert_never(kind)
