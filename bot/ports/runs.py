"""The port to the runs' rows: what is supervised, what goes in and out, what it costs."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from bot.model.jobs import Job
from bot.model.runs import SANDBOX_KINDS, ModelCall, ModelGrant, Run, RunKind, RunLimits, RunOutcome, Usage


class Runs(Protocol):
    """Agent runs and what goes in and out of them."""

    async def create(
        self,
        *,
        run_id: str,
        job: Job,
        token_sha256: str,
        model: str,
        limits: RunLimits,
        kind: RunKind = RunKind.AGENT,
    ) -> Run:
        """Insert a run of a job. Raises ``FencingLostError`` when the job ended."""
        ...

    async def get(self, run_id: str) -> Run | None:
        """A run by its id."""
        ...

    async def latest(self, job_id: str, *, kinds: Collection[RunKind] = SANDBOX_KINDS) -> Run | None:
        """The newest run of a job among those of some kinds, without a word: of those in sandboxes."""
        ...

    async def started(self, run_id: str, *, owner: str, deadline: datetime, lease_until: datetime) -> None:
        """The sandbox was started; ``owner`` supervises it until ``lease_until``."""
        ...

    async def heartbeat(self, run_id: str, *, owner: str, lease_until: datetime) -> RunOutcome | None:
        """Renew the supervisor's lease; the outcome that somebody asked the run to end with, if any.

        Another supervisor may take a run over in this way once the lease ran out. Of an ended run, its outcome. Raises
        ``FencingLostError`` when another supervisor has the run.
        """
        ...

    async def request_stop(self, run_id: str, outcome: RunOutcome) -> None:
        """Ask a run to end; the first request counts. Takes effect on the model gateway at once."""
        ...

    async def ended(self, run_id: str, outcome: RunOutcome, *, detail: str) -> None:
        """Record the end; the first end counts."""
        ...

    async def withdrawn(self, run_id: str, *, detail: str) -> None:
        """End a run whose sandbox was not let in: as if it had never been started."""
        ...

    async def abandoned(self, now: datetime) -> list[Run]:
        """Started runs whose supervisor's lease has run out."""
        ...

    async def end_unstarted(self, now: datetime) -> int:
        """End the runs that were created a while ago and never started, and whose job nobody holds; how many."""
        ...

    async def drop_results(self, ended_before: datetime) -> int:
        """Remove what came out of the sandboxes of jobs that ended before a moment; how many results."""
        ...

    async def put_workspace(self, run_id: str, archive: bytes) -> None:
        """Keep the workspace archive for the sandbox to fetch."""
        ...

    async def take_workspace(self, run_id: str, token_sha256: str) -> bytes | None:
        """Hand the archive out, once; None for a wrong token, an ended run, or a second time."""
        ...

    async def awaits_result(self, run_id: str, token_sha256: str) -> bool:
        """Whether ``accept_result`` would take a result now; asked before as much as a byte of it is read."""
        ...

    async def accept_result(self, run_id: str, token_sha256: str, archive: bytes) -> bool:
        """Keep the result archive, once; False for a wrong token, an ended run, or a second time."""
        ...

    async def result(self, run_id: str) -> bytes | None:
        """The result archive, if one was accepted."""
        ...

    async def lost(self, job_id: str, kind: RunKind) -> int:
        """How many runs of a job and a kind came to nothing for reasons of the infrastructure's that may pass.

        One that was never started is no lost sandbox.
        """
        ...

    async def usage(self, job_id: str) -> Usage:
        """What all runs of a job used of the model."""
        ...

    async def model_calls(self, run_id: str) -> int:
        """How many calls the gateway forwarded for a run."""
        ...


class ModelLedger(Protocol):
    """What the model gateway asks and tells the database."""

    async def grant(self, token_sha256: str) -> ModelGrant | None:
        """What a run token is worth now; None when it is unknown or its run ended."""
        ...

    async def record(self, call: ModelCall) -> None:
        """Keep a metered call with its job, repository, installation and requesting user."""
        ...
