"""The port to the resolutions that people approved."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bot.model.cases import RecordedFile, RecordedHunk, RecordedKey
from bot.model.forge import RepositoryRef


class Recorded(Protocol):
    """Resolutions that a person approved, per repository; also those imported from a git rerere cache."""

    async def find(self, repository: RepositoryRef, keys: Sequence[RecordedKey]) -> Mapping[RecordedKey, RecordedFile]:
        """What was approved for exactly these conflicts; the newest where there are several."""
        ...

    async def find_hunks(self, repository: RepositoryRef, digests: Sequence[str]) -> Mapping[str, bytes]:
        """Imported texts for single hunks, by the digest that ``bot.resolvers.rerere.hunk_digest`` gives."""
        ...

    async def remember(
        self, repository: RepositoryRef, files: Mapping[RecordedKey, RecordedFile], *, job_id: str
    ) -> None:
        """Keep what was approved and pushed; a second time changes nothing."""
        ...

    async def import_hunks(self, repository: RepositoryRef, hunks: Mapping[str, bytes], *, source: str) -> int:
        """Keep texts from a rerere cache; how many are new."""
        ...

    async def export(self, repository: RepositoryRef) -> list[tuple[RecordedKey, RecordedFile]]:
        """Everything approved in a repository, oldest first."""
        ...

    async def export_hunks(self, repository: RepositoryRef) -> list[RecordedHunk]:
        """Everything imported into a repository, by digest."""
        ...

    async def forget(self, repository: RepositoryRef, *, path: str | None = None, job_id: str | None = None) -> int:
        """Forget what was recorded: of one path, of one job, or all of it with the imports; how many are gone."""
        ...
