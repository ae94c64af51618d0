"""The ports: what the bot needs of the world, as Protocols. Adapters live in bot/forges, bot/git, app and runners."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.model.conflicts import Verdict
from bot.model.deliveries import Delivery, DeliveryState
from bot.model.events import Event
from bot.model.forge import Actor, ForgeKind, GitAccess, PermissionLevel, PullRequest, RepositoryRef
from bot.model.jobs import Job, JobLease, JobRequest, JobState
from bot.model.proposals import Approval, Proposal, ProposalState, Publication
from bot.model.reports import CheckRunContent, CommentContent, ConflictRecord, ReportContent, ReportTarget, Surface
from bot.model.resolutions import GateResult
from bot.model.runs import ModelCall, ModelGrant, Run, RunLimits, RunOutcome, RunTask, SandboxObservation, Usage


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class Ids(Protocol):
    """Fresh identifiers and secrets."""

    def new_id(self) -> str:
        """A unique id of 32 lower-case hexadecimal digits."""
        ...

    def new_token(self) -> str:
        """A URL-safe secret of 256 random bits."""
        ...


class Forge(Protocol):
    """One forge, seen through one App or token.

    Every method may raise ``ForgeUnavailableError``, ``ForgeRefusedError`` or ``ForgeNotFoundError``.
    """

    @property
    def kind(self) -> ForgeKind:
        """Which product this is."""
        ...

    def decode(self, delivery: Delivery) -> Event:
        """Decode a verified delivery without I/O. Raises ``PayloadError`` for a body that is not as documented."""
        ...

    async def bot_user_id(self) -> int:
        """The numeric id of the user that our own comments and commits appear under."""
        ...

    async def permission(self, repository: RepositoryRef, actor: Actor) -> PermissionLevel:
        """What ``actor`` may do in ``repository`` now; NONE when the login no longer belongs to the actor's id."""
        ...

    async def pull_request(self, repository: RepositoryRef, number: int) -> PullRequest:
        """The pull request as it is now. Raises ``ForgeNotFoundError`` for an issue that is none."""
        ...

    async def read_file(self, repository: RepositoryRef, path: str, *, ref: str) -> bytes | None:
        """The content of a small file (1 MB at most) at a branch or commit, None where there is none."""
        ...

    async def git_access(self, repository: RepositoryRef, *, write: bool) -> GitAccess:
        """A credential for git on this one repository, with the least permissions for the act."""
        ...

    async def create_check_run(self, repository: RepositoryRef, content: CheckRunContent) -> int:
        """Create a check run and return its id."""
        ...

    async def update_check_run(self, repository: RepositoryRef, remote_id: int, content: CheckRunContent) -> None:
        """Make an existing check run look like ``content``."""
        ...

    async def find_check_run(self, repository: RepositoryRef, head_sha: str, external_id: str) -> int | None:
        """The id of our check run with that ``external_id`` on that commit, if there is one."""
        ...

    async def create_comment(self, repository: RepositoryRef, number: int, content: CommentContent) -> int:
        """Post a comment and return its id."""
        ...

    async def update_comment(self, repository: RepositoryRef, remote_id: int, content: CommentContent) -> None:
        """Replace the body of one of our comments."""
        ...

    async def find_comment(self, repository: RepositoryRef, number: int, marker: str) -> int | None:
        """The id of our own comment that holds ``marker``, if there is one; comments of others never match."""
        ...

    async def react(self, repository: RepositoryRef, comment_id: int, reaction: str) -> None:
        """Put an emoji under a comment; doing it twice is doing it once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceFile:
    """One file for a workspace: repository path, executable bit, content."""

    path: str
    executable: bool
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSpec:
    """All that a commit's id depends on. ``changes`` maps paths to (mode, content), or None to delete the path.

    ``when`` is used for author and committer alike; the bot is both.
    """

    base_tree: str
    changes: Mapping[str, tuple[str, bytes] | None]
    parents: tuple[str, ...]
    message: str
    author_name: str
    author_email: str
    when: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCommit:
    """A commit that was written: its id and the id of its tree."""

    commit: str
    tree: str


class Git(Protocol):
    """The bare mirrors, one per repository. Methods may raise ``GitError`` and its children."""

    async def fetch(self, repository: RepositoryRef, access: GitAccess, refs: Sequence[str]) -> Mapping[str, str]:
        """Fetch full ref names from the forge into the mirror; the object ids they have now, missing refs left out."""
        ...

    async def remote_ref(self, repository: RepositoryRef, access: GitAccess, ref: str) -> str | None:
        """Where a full ref name points on the forge right now (ls-remote), None when it does not exist."""
        ...

    async def push(
        self,
        repository: RepositoryRef,
        access: GitAccess,
        *,
        ref: str,
        new: str | None,
        expected: str | None,
    ) -> None:
        """Move ``ref`` from ``expected`` to ``new`` with a lease.

        ``expected`` None means the ref must not exist (create-only); ``new`` None deletes it.

        Raises:
            LeaseRejectedError: the ref is not at ``expected``.
            PushRefusedError: the forge refuses whatever the lease.
        """
        ...

    async def merge(self, repository: RepositoryRef, *, ours: str, theirs: str) -> Verdict:
        """The verdict of ``git merge-tree --write-tree`` for two commits in the mirror."""
        ...

    async def revert(self, repository: RepositoryRef, *, head: str, published: str, before: str) -> Verdict:
        """The tree of ``head`` with the change from ``before`` to ``published`` taken back."""
        ...

    async def read_blob(self, repository: RepositoryRef, oid: str, *, limit: int) -> bytes | None:
        """A blob's bytes, None when it is larger than ``limit`` bytes (its size is read without inflating it)."""
        ...

    async def workspace(
        self,
        repository: RepositoryRef,
        tree: str,
        *,
        first: Sequence[str],
        max_bytes: int,
        max_files: int,
    ) -> list[WorkspaceFile]:
        """The regular files of a tree, the paths of ``first`` before all others, until a cap is reached.

        Symbolic links and submodules are left out, as are names that no checkout may have (``.git`` in any spelling,
        ``..``, control characters).

        Raises:
            GitError: the files of ``first`` alone exceed the caps, or the tree holds a forbidden name or is a bomb.
        """
        ...

    async def write_commit(self, repository: RepositoryRef, spec: CommitSpec) -> WrittenCommit:
        """Write blobs, trees and the commit; the same spec gives the same id."""
        ...

    async def tree_of(self, repository: RepositoryRef, commit: str) -> str:
        """The tree id of a commit in the mirror."""
        ...

    async def parents_of(self, repository: RepositoryRef, commit: str) -> tuple[str, ...]:
        """The parent ids of a commit in the mirror."""
        ...

    async def diff(self, repository: RepositoryRef, old: str, new: str, *, paths: Sequence[str] = ()) -> bytes:
        """The unified diff between two commits or trees, optionally of some paths; full, never truncated."""
        ...

    async def proposal_diff_sha256(self, repository: RepositoryRef, commit: str) -> str:
        """The hash people's approval is bound to: over the diffs of a commit against each of its parents, in order."""
        ...

    async def subjects(self, repository: RepositoryRef, *, since: str, until: str, limit: int) -> tuple[str, ...]:
        """The subjects of the newest commits reachable from ``until`` and not from ``since``. Untrusted text."""
        ...


class AgentRunner(Protocol):
    """Starts, observes and ends sandboxes. The same guest runs in every backend."""

    @property
    def name(self) -> str:
        """The backend's name: ``process``, ``container`` or ``cluster``."""
        ...

    async def start(self, task: RunTask) -> None:
        """Start the sandbox of a run; starting one that exists already does nothing. Raises ``SandboxError``."""
        ...

    async def observe(self, run_id: str) -> SandboxObservation:
        """What the sandbox of a run is doing now."""
        ...

    async def read_log(self, run_id: str, *, offset: int, limit: int) -> bytes:
        """Up to ``limit`` bytes of what the sandbox printed, from byte ``offset``."""
        ...

    async def stop(self, run_id: str) -> None:
        """End the sandbox and everything in it; when this returns no process of the run is left."""
        ...

    async def forget(self, run_id: str) -> None:
        """Remove what is left of an ended sandbox: files, container, Job."""
        ...


class Queue(Protocol):
    """The doorbell. Ringing may be lost; the sweep rings again."""

    async def ring(self, kind: str, key: str) -> None:
        """Ask some worker to look at ``key`` now. Never raises: a lost ring costs time only."""
        ...


class Deliveries(Protocol):
    """The inbox."""

    async def add(self, delivery: Delivery) -> bool:
        """Keep a delivery; False when its id is there already. Raises ``StoreUnavailableError``."""
        ...

    async def get(self, forge: ForgeKind, delivery_id: str) -> Delivery | None:
        """A delivery by its id."""
        ...

    async def settle(self, forge: ForgeKind, delivery_id: str, state: DeliveryState, *, error: str = "") -> None:
        """Say what became of a delivery."""
        ...

    async def failed_attempt(self, forge: ForgeKind, delivery_id: str, *, error: str) -> int:
        """Count a failed attempt at routing and return how many there were."""
        ...

    async def waiting(self, *, limit: int) -> list[tuple[ForgeKind, str]]:
        """Deliveries not yet routed, oldest first."""
        ...


class Intents(Protocol):
    """Which intents were already acted on: each key once."""

    async def begin(self, key: str, *, delivery_id: str, name: str, actor: Actor) -> bool:
        """Claim an intent's key; False when it was finished before."""
        ...

    async def finish(self, key: str, *, decision: str, rule: str, message: str, job_id: str | None) -> None:
        """Record what was decided."""
        ...


class Registry(Protocol):
    """Installations, repositories and versions of their configuration."""

    async def installation(self, forge: ForgeKind, installation_id: int, account: str, *, active: bool) -> None:
        """Record an installation, active or gone."""
        ...

    async def installation_active(self, forge: ForgeKind, installation_id: int) -> bool:
        """False when the App was removed or suspended there; True when active or never heard of."""
        ...

    async def repository(self, repository: RepositoryRef) -> None:
        """Record a repository or its new name."""
        ...

    async def find_repository(self, forge: ForgeKind, repository_id: int) -> RepositoryRef | None:
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

    async def create(self, request: JobRequest, *, job_id: str, supersede: str | None = None) -> Job | None:
        """Insert a queued job; with ``supersede``, ask that active job to end as superseded in the same transaction.

        A superseded job that no worker holds ends at once. While the older job still runs, the new one is queued but
        not due. Returns the job of the same ``origin_key`` when there is one, and None when another job of the pull
        request is active and was not to be superseded.
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
        """Take the lease of a job; None while somebody else holds it, or when it ended."""
        ...

    async def release(self, lease: JobLease) -> None:
        """Give the lease back; harmless when it was lost."""
        ...

    async def move(
        self,
        lease: JobLease,
        to: JobState,
        *,
        actor: Actor | None = None,
        rule: str | None = None,
        message: str | None = None,
        progress: str | None = None,
        base_sha: str | None = None,
        head_sha: str | None = None,
    ) -> JobLease:
        """Change the state by compare-and-set under the lease, with an audit event in the same transaction.

        Raises:
            IllegalTransitionError: the table has no such arrow.
            FencingLostError: somebody else holds the job, or its state changed.
        """
        ...

    async def progress(self, job_id: str, line: str) -> None:
        """Set the line that says what the job is doing; no lease needed, ignored once the job ended."""
        ...

    async def request_end(self, job_id: str, state: JobState, *, actor: Actor, message: str) -> Job | None:
        """Ask a job to end as cancelled or superseded; None when it ended already.

        A job that no run and no worker holds ends at once, in this call; otherwise the flag is set, and whoever holds
        the job obeys. The flag is never taken back.
        """
        ...

    async def set_retry(self, lease: JobLease, *, not_before: datetime, error: str) -> None:
        """Close the execution with an error and make the job due again at ``not_before``."""
        ...

    async def begin_execution(self, lease: JobLease, *, worker: str) -> int:
        """Open an execution and return its attempt number, counted from 1."""
        ...

    async def end_execution(self, lease: JobLease, *, status: str, error_class: str = "", error: str = "") -> None:
        """Close the open execution, if there is one."""
        ...

    async def due(self, now: datetime, *, limit: int) -> list[str]:
        """Jobs that wait for a worker: not ended, not waiting for a person, no live lease, ``not_before`` passed."""
        ...


class Runs(Protocol):
    """Agent runs and what goes in and out of them."""

    async def create(self, *, run_id: str, job: Job, token_sha256: str, model: str, limits: RunLimits) -> Run:
        """Insert a run of a job."""
        ...

    async def get(self, run_id: str) -> Run | None:
        """A run by its id."""
        ...

    async def latest(self, job_id: str) -> Run | None:
        """The newest run of a job."""
        ...

    async def started(self, run_id: str, *, owner: str, deadline: datetime, lease_until: datetime) -> None:
        """The sandbox was started; ``owner`` supervises it until ``lease_until``."""
        ...

    async def heartbeat(self, run_id: str, *, owner: str, lease_until: datetime) -> RunOutcome | None:
        """Renew the supervisor's lease; the outcome that somebody asked the run to end with, if any."""
        ...

    async def request_stop(self, run_id: str, outcome: RunOutcome) -> None:
        """Ask a run to end; the first request counts. Takes effect on the model gateway at once."""
        ...

    async def ended(self, run_id: str, outcome: RunOutcome, *, detail: str) -> None:
        """Record the end; the first end counts."""
        ...

    async def abandoned(self, now: datetime) -> list[Run]:
        """Started runs whose supervisor's lease has run out."""
        ...

    async def put_workspace(self, run_id: str, archive: bytes) -> None:
        """Keep the workspace archive for the sandbox to fetch."""
        ...

    async def take_workspace(self, run_id: str, token_sha256: str) -> bytes | None:
        """Hand the archive out, once; None for a wrong token, an ended run, or a second time."""
        ...

    async def accept_result(self, run_id: str, token_sha256: str, archive: bytes) -> bool:
        """Keep the result archive, once; False for a wrong token, an ended run, or a second time."""
        ...

    async def result(self, run_id: str) -> bytes | None:
        """The result archive, if one was accepted."""
        ...

    async def usage(self, job_id: str) -> Usage:
        """What all runs of a job used of the model."""
        ...

    async def model_calls(self, run_id: str) -> int:
        """How many calls the gateway forwarded for a run."""
        ...


class Proposals(Protocol):
    """Proposals, approvals, publications, proofs and what became of each conflict."""

    async def save_conflicts(self, job_id: str, attempt: int, records: Sequence[ConflictRecord]) -> None:
        """Replace the records of one attempt at a job."""
        ...

    async def conflicts(self, job_id: str) -> tuple[ConflictRecord, ...]:
        """The records of the newest attempt."""
        ...

    async def save_gate(self, job_id: str, attempt: int, result: GateResult) -> None:
        """Keep what the gate found."""
        ...

    async def gate(self, job_id: str) -> GateResult | None:
        """The newest result of the gate."""
        ...

    async def add(self, proposal: Proposal) -> None:
        """Keep a proposal; a second time with the same id does nothing."""
        ...

    async def get(self, proposal_id: str) -> Proposal | None:
        """A proposal by its id."""
        ...

    async def of_job(self, job_id: str) -> Proposal | None:
        """The newest proposal of a job."""
        ...

    async def settle(self, proposal_id: str, state: ProposalState) -> None:
        """Change a proposal's state."""
        ...

    async def approve(self, approval: Approval) -> None:
        """Keep an approval, append-only, with an audit event."""
        ...

    async def approval(self, proposal_id: str) -> Approval | None:
        """The approval of a proposal, if any."""
        ...

    async def begin_push(self, publication: Publication) -> None:
        """Write down that a push is about to happen (git_operations: started)."""
        ...

    async def end_push(self, publication: Publication, *, status: str, detail: str = "") -> None:
        """Write down how the push ended: ``done``, ``stale`` or ``refused``."""
        ...

    async def publication(self, job_id: str) -> Publication | None:
        """The push of a job that is done."""
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
        not_before: datetime | None = None,
    ) -> str:
        """Say what a surface should show; the id of its target. The latest wish wins; an equal one changes nothing."""
        ...

    async def get(self, target_id: str) -> ReportTarget | None:
        """A target by its id."""
        ...

    async def wrote(self, target_id: str, *, content_hash: str, remote_id: int) -> None:
        """Record that the content with that hash is on the forge now."""
        ...

    async def failed(self, target_id: str, *, error: str, not_before: datetime | None) -> None:
        """Count a failed attempt; ``not_before`` None gives up for good."""
        ...

    async def unreported(self, now: datetime, *, limit: int) -> list[str]:
        """Targets that differ from what was reported and are due."""
        ...

    async def remote_id(self, owner: str, surface: Surface) -> int | None:
        """The forge's id of a written report."""
        ...


class ModelLedger(Protocol):
    """What the model gateway asks and tells the database."""

    async def grant(self, token_sha256: str) -> ModelGrant | None:
        """What a run token is worth now; None when it is unknown or its run ended."""
        ...

    async def record(self, call: ModelCall) -> None:
        """Keep a metered call with its job, repository, installation and requesting user."""
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
    def runs(self) -> Runs:
        """Agent runs."""
        ...

    @property
    def proposals(self) -> Proposals:
        """Proposals and what leads to and from them."""
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
