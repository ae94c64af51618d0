"""Facts: everything the rules look at, fetched live before they are asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.config_keys import DEFAULT_CONFIG, RepositoryConfig
from bot.config_layers import Effective
from bot.errors import ConfigError
from bot.model.forge import PermissionLevel, PullRequest
from bot.model.jobs import Job
from bot.model.pauses import Pause
from bot.model.proposals import Proposal, SuiteEvidence
from bot.model.reports import ConflictRecord
from bot.model.work import Issue
from bot.policy.limits import ServerLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The state of things when an intent is decided.

    ``permission`` is the live answer of the forge for the actor's numeric id. Who wrote the pull request, and in what
    relation the forge says somebody stands to the repository, are no facts: they never decide anything.

    ``config`` is None with ``config_error`` when a file of it is invalid, and None without it when there is no file;
    ``sources`` names the file and line that decided each of its keys. ``pull_request`` is None for an issue, ``issue``
    for a pull request. ``active`` is the job that has not ended, ``latest`` the newest whatever its state, ``proposal``
    that of the latest job, ``published`` the job that a rollback would undo. ``conflicts`` are the latest job's, looked
    up only for those who approve or take; ``tests`` is what the repository's tests said about the proposal's tree, for
    those who approve.
    ``offered_before`` says, for those who approve by an emoji, that the pull request had another proposal earlier.
    ``push_begun`` is True when a push of the active job may have happened already; looked up only for those who cancel
    or reject.
    ``head_may_run`` is False for the head of a fork that nobody who may write here answers for, by ``ok`` or as its
    author. ``bound`` is False where no file of an organisation or a group was there to be read.
    ``pushed_by_us`` says that the head is a commit that we made; it is looked up only where nobody asked for a fix.
    """

    permission: PermissionLevel
    actor_is_self: bool
    config: RepositoryConfig | None
    config_error: ConfigError | None
    pull_request: PullRequest | None
    active: Job | None
    latest: Job | None
    proposal: Proposal | None
    published: Job | None
    limits: ServerLimits
    installation_active: bool
    conflicts: tuple[ConflictRecord, ...] = ()
    tests: SuiteEvidence | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    pause: Pause | None = None
    head_may_run: bool = True
    pushed_by_us: bool = False
    offered_before: bool = False
    push_begun: bool = False
    issue: Issue | None = None
    bound: bool = True

    @property
    def settings(self) -> RepositoryConfig:
        """The configuration that holds: the defaults where the file is absent or invalid."""
        return self.config or DEFAULT_CONFIG

    def said_in(self, key: str) -> str:
        """The file and line that decided a key, as people are told of it."""
        return Effective(sources=self.sources).said_in(key)
