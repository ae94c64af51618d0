"""The ports to the database, each as narrow as one kind of rows. Every method is one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from bot.model.deliveries import Delivery, DeliveryState
from bot.model.forge import Actor, ForgeName, RepositoryRef, ThreadKind
from bot.model.intents import Origin
from bot.model.jobs import Job, JobLease, JobRequest, JobState
from bot.model.reports import ReportContent, ReportTarget, Surface
from bot.model.turns import KeptWaiting
from bot.ports.forks import Forks
from bot.ports.intents import Intents
from bot.ports.levels import Levels
from bot.ports.pauses import Pauses
from bot.ports.proposals import Proposals
from bot.ports.recorded import Recorded
from bot.ports.retention import Retention
from bot.ports.runs import ModelLedger, Runs
from bot.ports.shown_diffs import ShownDiffsStore
from bot.ports.sweeps import Leftovers, Repairs, Sweeps
from bot.ports.watch import WatchRows
from bot.ports.works import Works


class Deliveries(Protocol):
    """The inbox."""

    async def add(self, delivery: Delivery) -> bool:
        """Keep a delivery; False when its id is there already. Raises ``StoreUnavailableError``."""
        ...

    async def get(self, forge: ForgeName, delivery_id: str) -> Delivery | None:
        """A delivery by its id."""
        ...

    async def settle(self, forge: ForgeName, delivery_id: str, state: DeliveryState, *, error: str = "") -> None:
        """Say what became of a delivery."""
        ...

    async def failed_attempt(self, forge: ForgeName, delivery_id: str, *, error: str) -> int:
        """Count a failed attempt at routing and return how many there were."""
        ...

    async def waiting(self, *, limit: int) -> list[tuple[ForgeName, str]]:
        """Deliveries not yet routed, oldest first."""
        ...


class Registry(Protocol):
    """Installations, repositories and versions of their configuration."""

    async def installation(self, forge: ForgeName, installation_id: int, account: str, *, active: bool) -> None:
        """Record an installation, active or gone."""
        ...

    async def installation_active(self, forge: ForgeName, installation_id: int) -> bool:
        """False when the App was removed or suspended there; True when active or never heard of."""
        ...

    async def repository(self, repository: RepositoryRef) -> None:
        """Record a repository or its new name."""
        ...

    async def find_repository(self, forge: ForgeName, repository_id: int) -> RepositoryRef | None:
        """A recorded repository."""
        ...

    async def config_version(self, repository: RepositoryRef, version: str, text: str) -> None:
        """Keep a configuration's text under its content hash."""
        ...

    async def config_text(self, version: str) -> str | None:
        """The text of a kept configuration."""
        ...


class Jobs(Protocol):
    """The jobs' rows."""

    async def create(
        self,
        request: JobRequest,
        *,
        job_id: str,
        supersede: str | None = None,
        because: str = "",
        by: Actor | None = None,
        not_before: datetime | None = None,
        progress: str = "",
    ) -> Job | None:
        """Insert a queued job; with ``supersede``, ask that active job to end as superseded in the same transaction.

        A superseded job that no worker holds ends at once. While the older job still runs, the new one is queued but
        not due. Returns the job of the same ``origin_key`` when there is one, and None when another job of the pull
        request is active and was not to be superseded.

        ``because`` says why the older job ends, ``by`` who ends it where that is not who asks for the new one; the new
        one begins at ``not_before`` at the earliest, and ``progress`` says what it waits for.

        Raises:
            StoreError: the configuration version that the request names was never kept.
        """
        ...

    async def get(self, job_id: str) -> Job | None:
        """A job by its id."""
        ...

    async def active(self, repository: RepositoryRef, number: int) -> Job | None:
        """The newest job of a pull request that has not ended, if any."""
        ...

    async def latest(self, repository: RepositoryRef, number: int) -> Job | None:
        """The newest job of a pull request, whatever its state."""
        ...

    async def last_published(self, repository: RepositoryRef, number: int) -> Job | None:
        """The newest published resolve job of a pull request that was not rolled back since."""
        ...

    async def claim(self, job_id: str, *, owner: str, seconds: float) -> JobLease | None:
        """Take the lease of a job; None while somebody else holds it, or when it ended.

        None also while the job waits for the one that it supersedes, or for its turn: only so many jobs may be at work.
        A lease that lasts keeps its own owner out too.
        """
        ...

    async def release(self, lease: JobLease) -> None:
        """Give the lease back; harmless when it was lost."""
        ...

    async def move(
        self,
        lease: JobLease,
        to: JobState,
        *,
        actor: Actor | Origin | None = None,
        rule: str | None = None,
        message: str | None = None,
        progress: str | None = None,
        base_sha: str | None = None,
        head_sha: str | None = None,
    ) -> JobLease:
        """Change the state by compare-and-set under the lease, with an audit event, and with the end of the intent.

        Raises:
            IllegalTransitionError: the table has no such arrow.
            FencingLostError: somebody else holds the job, or its state changed.
        """
        ...

    async def held(self, job_id: str) -> bool:
        """Whether a worker has the lease of a job, or died with it and nobody took the job over yet."""
        ...

    async def progress(self, job_id: str, line: str) -> None:
        """Set the line that says what the job is doing; no lease needed, ignored once the job ended."""
        ...

    async def request_end(self, job_id: str, state: JobState, *, actor: Actor | Origin, message: str) -> Job | None:
        """Ask a job to end as cancelled or superseded, and end the intent with that; None when the job ended already.

        It ends at once if no run and no worker holds it; else the flag is set for whoever does, and never taken back.
        """
        ...

    async def set_retry(self, lease: JobLease, *, not_before: datetime, error: str) -> None:
        """Close the execution with an error and make the job due again at ``not_before``, once the lease is released.

        ``reason`` is for the operator's log. The next move takes the delay back. Raises ``FencingLostError``.
        """
        ...

    async def begin_execution(self, lease: JobLease, *, worker: str) -> int:
        """Open an execution and return its attempt number, counted from 1. Raises ``FencingLostError``."""
        ...

    async def resume_execution(self, lease: JobLease, *, worker: str) -> int:
        """The attempt number of the open execution; where a failure closed the last one, of a new one."""
        ...

    async def end_execution(self, lease: JobLease, *, status: str, error_class: str = "", error: str = "") -> None:
        """Close the open execution, if there is one. Raises ``FencingLostError``."""
        ...

    async def hold_back(self, lease: JobLease, *, not_before: datetime, progress: str, reason: str) -> None:
        """Make the job due again at ``not_before``; the execution then goes on, under its number.

        The next move takes the delay back. Raises ``FencingLostError``.
        """
        ...

    async def put_off(self, job_id: str) -> int:
        """How many executions of a job ended for no fault of theirs, with ``set_retry`` and nothing else."""
        ...

    async def due(self, now: datetime, *, limit: int) -> list[str]:
        """Jobs that a worker can take on: not ended, not waiting for a person, no live lease, ``not_before`` passed.

        Those that wait for their turn are left out once they say so.
        """
        ...

    async def waiting(self, now: datetime) -> int:
        """How many jobs would be due if all had their turn."""
        ...

    async def next_up(self, now: datetime) -> tuple[str, ...]:
        """The queued jobs whose turn it is, in order: those that the caps leave room for."""
        ...

    async def kept_waiting(self, job_id: str, now: datetime) -> KeptWaiting | None:
        """Why a queued job does not have its turn; None when it has, or waits for something else."""
        ...

    async def unconcluded(self, now: datetime, *, limit: int) -> list[str]:
        """Jobs that ended, or wait for a person, a while ago, and of which nobody said that people were told."""
        ...

    async def concluded(self, job: Job, *, again_at: datetime | None = None) -> bool:
        """People were told how the job stands; ``again_at``: they were not, and it is to be tried again then.

        False, and nothing changes, when that was said before, or when the job went on in the meantime.
        """
        ...

    async def of_installation(self, forge: ForgeName, installation_id: int) -> list[Job]:
        """The jobs under way in the repositories of an installation."""
        ...


class Reports(Protocol):
    """The outbox of what people should see."""

    async def want(
        self,
        repository: RepositoryRef,
        number: int,
        owner: str,
        surface: Surface,
        content: ReportContent,
        *,
        thread: ThreadKind = ThreadKind.PULL,
        not_before: datetime | None = None,
        first: bool = False,
    ) -> str:
        """Say what a surface should show; the id of its target. The latest wish wins; an equal one changes nothing.

        An open wish's earlier moment stays, and so does the pause after a failure; a target that was given up is tried
        again with new content. ``thread`` says what ``number`` counts. With ``first``, the first wish for a surface
        stays, whatever is wished later.
        """
        ...

    async def get(self, target_id: str) -> ReportTarget | None:
        """A target by its id."""
        ...

    async def begin(self, target_id: str, *, until: datetime) -> ReportTarget | None:
        """Take a target that differs from what was reported and is due, until its attempt is recorded or ``until``.

        None when there is nothing to do, or when somebody else is at it.
        """
        ...

    async def wrote(self, target_id: str, *, content_hash: str, remote_id: int) -> None:
        """Record that the content with that hash is on the forge now."""
        ...

    async def failed(self, target_id: str, *, error: str, not_before: datetime) -> None:
        """Count a failed attempt; the next one is due at ``not_before``."""
        ...

    async def give_up(self, target_id: str, *, content_hash: str, error: str) -> bool:
        """Try the content with that hash no more; False when something else is wanted by now, which is due at once."""
        ...

    async def postponed(self, target_id: str, *, error: str, not_before: datetime) -> None:
        """End an attempt that came to nothing because the forge may not be asked before ``not_before``: no failure."""
        ...

    async def unreported(self, now: datetime, *, limit: int) -> list[str]:
        """Targets that differ from what was reported and are due."""
        ...

    async def remote_id(self, owner: str, surface: Surface) -> int | None:
        """The forge's id of a written report."""
        ...


class Audit(Protocol):
    """The append-only, hash-chained record of who did what."""

    async def append(self, *, actor: str, verb: str, subject: str, data: Mapping[str, str]) -> None:
        """Add an event; its hash covers the event before it."""
        ...

    async def first_broken(self) -> int | None:
        """The id of the first event whose hash does not follow from the ones before, None when all is well."""
        ...


class Store(Protocol):
    """The database, as narrow as each use case likes it."""

    @property
    def deliveries(self) -> Deliveries:
        """The inbox."""
        ...

    @property
    def intents(self) -> Intents:
        """Edges that were acted on."""
        ...

    @property
    def registry(self) -> Registry:
        """Installations, repositories, configurations."""
        ...

    @property
    def jobs(self) -> Jobs:
        """Jobs and executions."""
        ...

    @property
    def works(self) -> Works:
        """What came of work that people asked for in words."""
        ...

    @property
    def runs(self) -> Runs:
        """Agent runs."""
        ...

    @property
    def proposals(self) -> Proposals:
        """Proposals and what leads to and from them."""
        ...

    @property
    def forks(self) -> Forks:
        """Heads of forks that somebody answered for."""
        ...

    @property
    def shown_diffs(self) -> ShownDiffsStore:
        """What the approval page shows."""
        ...

    @property
    def recorded(self) -> Recorded:
        """Resolutions that people approved."""
        ...

    @property
    def reports(self) -> Reports:
        """The outbox."""
        ...

    @property
    def ledger(self) -> ModelLedger:
        """Money spent on the model."""
        ...

    @property
    def audit(self) -> Audit:
        """Who did what."""
        ...

    @property
    def levels(self) -> Levels:
        """What has to be looked at again."""
        ...

    @property
    def pauses(self) -> Pauses:
        """What is paused."""
        ...

    @property
    def watch(self) -> WatchRows:
        """What the conflict watch knows."""
        ...

    @property
    def sweeps(self) -> Sweeps:
        """What the sweeps remember."""
        ...

    @property
    def repairs(self) -> Repairs:
        """What the sweeps ask of the rows of others."""
        ...

    @property
    def leftovers(self) -> Leftovers:
        """Rows that only the past needed."""
        ...

    @property
    def retention(self) -> Retention:
        """What removes old rows."""
        ...
