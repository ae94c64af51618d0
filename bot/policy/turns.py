"""Whose turn it is: the oldest job of the least busy begins first, and no cap is passed."""

from collections import Counter
from collections.abc import Iterable, Sequence

from bot.model.turns import Cap, JobCaps, KeptWaiting, Load, Owner, QueuedJob


def turns(queued: Iterable[QueuedJob], load: Load, caps: JobCaps) -> tuple[str, ...]:
    """The queued jobs that may begin now, in order: as many as the caps leave room for.

    The next one is always the oldest of the repository with the fewest jobs at work; between such repositories the
    installation with the fewest comes first, then the older job. Each that begins counts as at work for the next.
    """
    return _Turns(queued, load, caps).begun


def kept_waiting(job: QueuedJob, queued: Iterable[QueuedJob], load: Load, caps: JobCaps) -> KeptWaiting | None:
    """Why a job does not begin now; None when it may. ``queued`` need not hold it."""
    others = [one for one in queued if one.job_id != job.job_id]
    after = _Turns([*others, job], load, caps)
    if job.job_id in after.begun:
        return None
    for cap, at_work, most in after.room(job):
        if at_work >= most:
            return KeptWaiting(cap=cap, at_work=at_work, ahead=after.begun)
    raise AssertionError("a job that no cap keeps waiting has its turn")


class _Turns:
    """The jobs that begin, and what is at work once they have."""

    def __init__(self, queued: Iterable[QueuedJob], load: Load, caps: JobCaps) -> None:
        self._caps = caps
        self._repositories = Counter(load.repositories)
        self._installations = Counter(load.installations)
        self._overall = load.overall
        waiting: dict[Owner, list[QueuedJob]] = {}
        for one in sorted(queued, key=lambda job: job.serial, reverse=True):
            waiting.setdefault(one.repository, []).append(one)
        begun: list[str] = []
        while (job := self._next([jobs[-1] for jobs in waiting.values() if jobs])) is not None:
            waiting[job.repository].pop()
            begun.append(job.job_id)
            self._repositories[job.repository] += 1
            self._installations[job.installation] += 1
            self._overall += 1
        self.begun = tuple(begun)

    def room(self, job: QueuedJob) -> Sequence[tuple[Cap, int, int]]:
        """By cap, how many jobs are at work beside this one, and how many may be."""
        caps = self._caps
        return (
            (Cap.REPOSITORY, self._repositories[job.repository], caps.per_repository),
            (Cap.INSTALLATION, self._installations[job.installation], caps.per_installation),
            (Cap.SERVER, self._overall, caps.overall),
        )

    def _next(self, oldest: Sequence[QueuedJob]) -> QueuedJob | None:
        free = [job for job in oldest if all(at_work < most for _, at_work, most in self.room(job))]
        return min(free, key=self._rank, default=None)

    def _rank(self, job: QueuedJob) -> tuple[int, int, int]:
        return self._repositories[job.repository], self._installations[job.installation], job.serial
