"""A pull request on either forge, with the bot and people around it, for what every adapter has to do alike."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.demo.simulator.git import File, FileContent
from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.server import ForgeSimulator, Simulator
from app.demo.simulator.state import Account, PullRequest, Repository, Role
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.forge import GitLabForge
from bot.model.forge import Actor, ForgeKind, RepositoryRef, Thread
from bot.model.reports import CheckRunContent, CheckStatus, CommentContent
from bot.ports.forge import Forge
from tests.contracts import gitlab
from tests.contracts.github_stage import CONFIG, HandSetClock, no_sleep
from tests.contracts.simulator import checked_simulator

SECRET = "the secret of these contract tests"
SIGNING_TOKEN = "whsec_dGhpcnR5LXR3byBieXRlcyB0aGF0IHNpZ24gaG9va3M="
MARKER = "<!-- flowforge:sticky -->"

FILES: Final[Mapping[str, FileContent]] = {
    "fee.py": "rate = 1\n",
    ".flowforge.yml": CONFIG,
    "docs/with space/é?#.md": "odd\n",
    "link.yml": File(content=b".flowforge.yml", mode="120000"),
    "dangling": File(content=b"nowhere", mode="120000"),
}


@dataclass(frozen=True, kw_only=True)
class BothStage:
    """A repository with a pull request, the bot, ada who writes and eve who reads; on one forge or the other."""

    kind: ForgeKind
    sim: ForgeSimulator
    clock: HandSetClock
    forge: Forge
    repository: Repository
    ref: RepositoryRef
    pull: PullRequest
    ada: Account
    eve: Account

    @property
    def thread(self) -> Thread:
        """Where people talk about the pull request."""
        return Thread(number=self.pull.number)

    def check(
        self, external_id: str, status: CheckStatus = CheckStatus.QUEUED, title: str = "Waiting"
    ) -> CheckRunContent:
        """A check run on the head of the pull request."""
        return CheckRunContent(
            head_sha=self.pull.head_sha,
            external_id=external_id,
            status=status,
            conclusion=None,
            title=title,
            summary="A worker will begin soon.",
            text="",
        )


def actor(account: Account) -> Actor:
    return Actor(id=account.id, login=account.login)


def sticky(text: str) -> CommentContent:
    return CommentContent(marker=MARKER, body=f"{MARKER}\n{text}")


@asynccontextmanager
async def on_github(directory: Path) -> AsyncIterator[BothStage]:
    """The stage on GitHub; its whole record obeys GitHub's description."""
    clock = HandSetClock()
    async with (
        checked_simulator(directory, webhook_secret=SECRET, clock=clock) as sim,
        open_http(sim.base_url) as http,
    ):
        client = GitHubClient(
            http,
            base_url=sim.base_url,
            app_id=sim.app.id,
            private_key_pem=sim.app.private_key_pem,
            clock=clock,
            sleep=no_sleep,
        )
        forge = GitHubForge(client, app_id=sim.app.id, app_slug=sim.app.slug, git_base_url=sim.base_url)
        yield await _set(ForgeKind.GITHUB, sim, clock, forge, "acme/pay.ments")


@asynccontextmanager
async def on_gitlab(directory: Path) -> AsyncIterator[BothStage]:
    """The stage on GitLab, in nested groups; its whole record obeys GitLab's documentation."""
    clock = HandSetClock()
    async with GitLabSimulator.serve(directory, webhook_secret=SECRET, signing_token=SIGNING_TOKEN, clock=clock) as sim:
        client = GitLabClient(base_url=sim.base_url, token=sim.token, clock=clock, sleep=no_sleep)
        try:
            forge = GitLabForge(client, clock=clock, sleep=no_sleep)
            yield await _set(ForgeKind.GITLAB, sim, clock, forge, "acme/tools/pay.ments")
        finally:
            client.close()
        faults = [*(f"the simulator failed: {error!r}" for error in sim.errors), *gitlab.validate_record(sim.record)]
        assert not faults, "\n".join(faults)


STAGES = {ForgeKind.GITHUB: on_github, ForgeKind.GITLAB: on_gitlab}


async def _set(kind: ForgeKind, sim: ForgeSimulator, clock: HandSetClock, forge: Forge, full_name: str) -> BothStage:
    ada, eve = sim.people.user("ada"), sim.people.user("eve")
    repository = await sim.people.repository(full_name, files=FILES, roles={ada: Role.WRITE, eve: Role.READ})
    await sim.people.commit(repository, "feature", {"fee.py": "rate = 2\n"}, author=ada)
    pull = await sim.people.open_pull_request(repository, author=ada, head="feature", title="Raise", body="Why")
    installation = sim.world.installation_for(repository) if isinstance(sim, Simulator) else None
    owner, _, name = full_name.rpartition("/")
    ref = RepositoryRef(
        forge=kind,
        id=repository.id,
        owner=owner,
        name=name,
        installation_id=0 if installation is None else installation.id,
    )
    return BothStage(
        kind=kind, sim=sim, clock=clock, forge=forge, repository=repository, ref=ref, pull=pull, ada=ada, eve=eve
    )
