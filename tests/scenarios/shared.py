"""One running stage for many small scenarios: each has a repository, a pull request and people of its own."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from app.demo.model.replies import Script
from app.demo.model.resolver import HonestResolver
from app.demo.simulator.state import Role
from app.demo.stage import Stage, open_stage
from bot.model.jobs import JobState
from bot.model.reports import ConflictRecord
from tests.contracts.github import validate_record
from tests.scenarios.play import WAIT, Play, claude_processes

SIDES = {"main": "refs/heads/theirs", "feature": "refs/heads/ours"}


@dataclass(slots=True, kw_only=True)
class Scene(Play):
    """One pull request in conflict on a stage that others share, and what became of it."""

    spent: int = field(init=False)

    def __post_init__(self) -> None:
        self.spent = self._all_calls()

    @property
    def model_calls(self) -> int:
        """Calls of the model since this scene began; scenes of one stage are played one after the other."""
        return self._all_calls() - self.spent

    async def resolve(self, words: str = "", *, count: int = 1) -> tuple[JobState, str | None]:
        """Ask for a resolution, wait for the job's end, and say how it ended."""
        self.say(f"/flowforge resolve {words}".strip())
        return await self.ended(count=count)

    async def ended(self, *, count: int = 1) -> tuple[JobState, str | None]:
        """How the newest job ended, once that many of them did."""
        await self.stage.forge.wait_for(
            lambda: len([one for one in self.check_runs() if one.conclusion]) >= count,
            timeout=WAIT,
            what=f"the end of job {count} of {self.repository.full_name}",
        )
        job = await self.job()
        return job.state, job.rule

    async def records(self) -> dict[str, ConflictRecord]:
        """What became of each conflict, by path."""
        records = await self.stage.instance.store.proposals.conflicts((await self.job()).id)
        return {record.path: record for record in records}

    @property
    def tip(self) -> str:
        """The commit of the one branch of ours."""
        (branch,) = self.branches()
        return self.repository.refs[branch]

    def blob(self, revision: str, path: str) -> bytes | None:
        """A file's bytes; None where there is none."""
        done = self._git("cat-file", "blob", f"{revision}:{path}", check=False)
        return done.stdout if done.returncode == 0 else None

    def entries(self, revision: str) -> dict[str, tuple[str, str]]:
        """Mode and id of everything in a tree, by path."""
        listed = self._git("ls-tree", "-r", "-z", "--full-tree", revision).stdout
        lines = (line.split("\t", 1) for line in listed.decode("utf-8", "surrogateescape").split("\0") if line)
        return {path: (about.split(" ")[0], about.split(" ")[2]) for about, path in lines}

    def changed(self, old: str, new: str) -> set[str]:
        """The paths in which two trees differ."""
        before, after = self.entries(old), self.entries(new)
        return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}

    def changed_by_us(self) -> set[str]:
        """What our branch changes in the pull request."""
        return self.changed(self.pull.head_sha, self.tip)

    def tree(self, commit: str) -> str:
        """The id of a commit's tree."""
        return self._git("log", "-1", "--format=%T", commit).stdout.decode().strip()

    def parents(self, commit: str) -> list[str]:
        return self._git("log", "-1", "--format=%P", commit).stdout.decode().split()

    def _git(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["git", *arguments],  # noqa: S607 - the git on the PATH
            cwd=self.repository.directory,
            check=check,
            capture_output=True,
        )

    def _all_calls(self) -> int:
        return 0 if self.stage.scripted is None else len(self.stage.scripted.calls)


@dataclass(slots=True, kw_only=True)
class SharedStage:
    """A stage on which one scene after the other is played."""

    stage: Stage
    scenes: int = 0

    async def scene(self, source: Path, script: Script, *, branches: dict[str, str] | None = None) -> Scene:
        """A pull request from ``ours`` to ``theirs`` of a repository or bundle on disk; ``script`` is the model."""
        self.scenes += 1
        people = self.stage.forge.people
        author, maintainer, stranger = people.user("robin"), people.user("maintainer"), people.user("stranger")
        assert self.stage.scripted is not None
        self.stage.scripted.script = script
        repository = await people.repository_from(
            f"acme/scene-{self.scenes}",
            source,
            branches or SIDES,
            roles={author: Role.WRITE, maintainer: Role.MAINTAIN, stranger: Role.READ},
        )
        pull = await people.open_pull_request(repository, author=author, head="feature", title="A change")
        return Scene(
            stage=self.stage,
            repository=repository,
            pull=pull,
            author=author,
            maintainer=maintainer,
            stranger=stranger,
        )


@contextlib.asynccontextmanager
async def shared_stage(directory: Path, *, direct: bool = True) -> AsyncIterator[SharedStage]:
    """Open the stage; afterwards, what was said on the wire must be what GitHub describes."""
    async with open_stage(directory, script=HonestResolver(), overrides={"direct_calls": direct}) as stage:
        yield SharedStage(stage=stage)
        assert stage.forge.errors == []
        record = stage.forge.record
    assert await asyncio.to_thread(lambda: list(validate_record(record))) == []
    assert claude_processes() == []
