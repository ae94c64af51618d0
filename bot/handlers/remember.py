"""Remember what a person approved, and forget what was taken back."""

from dataclasses import dataclass

from bot.handlers.cases import recorded_key
from bot.handlers.triage import MAX_TEXT_BYTES
from bot.model.cases import RecordedFile, RecordedKey
from bot.model.forge import Actor, pull_name
from bot.model.jobs import Job
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.model.resolutions import Tier
from bot.model.text import code_span
from bot.ports.git import Git
from bot.ports.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberFiles:
    """Keep the text conflicts of a pushed job for exact repeats; a second time changes nothing."""

    store: Store
    git: Git

    async def __call__(self, job: Job, approved_by: Actor) -> None:
        """Remember each file of a job whose proposal was pushed. A side that somebody took is no merge of the two."""
        repository = job.request.repository
        pull = pull_name(repository.forge, job.request.number)
        source = f"pull request {pull}, approved by {code_span(approved_by.login)}"
        files: dict[RecordedKey, RecordedFile] = {}
        for record in await self.store.proposals.conflicts(job.id):
            content = await self._content(job, record)
            if content is not None:
                files[recorded_key(record.path, record.stages)] = RecordedFile(content=content, source=source)
        if files:
            await self.store.recorded.remember(repository, files, job_id=job.id)

    async def forget(self, job: Job) -> None:
        """Forget what the job that a rollback undoes had added, and what it had been settled by."""
        target = job.request.target_job_id
        if target is None:
            return
        repository = job.request.repository
        await self.store.recorded.forget(repository, job_id=target)
        for record in await self.store.proposals.conflicts(target):
            if any(answer.tier is Tier.RECORDED for answer in record.answers):
                await self.store.recorded.forget(repository, path=record.path)

    async def _content(self, job: Job, record: ConflictRecord) -> bytes | None:
        if record.status is not ResolutionStatus.RESOLVED or not record.answers or record.oid is None:
            return None
        return await self.git.read_blob(job.request.repository, record.oid, limit=MAX_TEXT_BYTES)
