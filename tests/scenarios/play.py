"""A scenario's hands and eyes: people act on the simulated forge, and what the forge shows is waited for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Held, Message, Reply, Script
from app.demo.simulator.server import ForgeSimulator
from app.demo.simulator.state import Account, CheckRun, Comment, PullRequest, Repository, Role
from app.demo.stage import Stage, open_stage
from bot.model.forge import ForgeKind, RepositoryRef
from bot.model.jobs import Job
from tests.scenarios.sides import Side, side_of

BASE = {"fees.py": "RATE = 1\n\n\ndef fee(amount):\n    return amount * RATE\n", "README.md": "# fees\n"}
OURS = {"fees.py": "RATE = 2\n\n\ndef fee(amount):\n    return amount * RATE\n"}
THEIRS = {"fees.py": "RATE = 3\n\n\ndef fee(amount):\n    return amount * RATE\n"}
ANSWER = "RATE = 2 + 3\n\n\ndef fee(amount):\n    return amount * RATE\n"
WAIT = 60.0


@dataclass(slots=True, kw_only=True)
class Gated:
    """A script whose messages stop after their first events until the gate is opened."""

    script: Script
    is_open: bool = False
    held: list[Held] = field(default_factory=list)

    def reply(self, request: ModelRequest) -> Reply:
        reply = self.script.reply(request)
        if self.is_open or not isinstance(reply, Message):
            return reply
        self.held.append(Held(message=reply, events=2))
        return self.held[-1]

    def open(self) -> None:
        self.is_open = True
        for held in self.held:
            held.release.set()


@dataclass(slots=True, kw_only=True)
class Play:
    """One pull request in conflict, its people, and the instance that serves it."""

    stage: Stage
    repository: Repository
    pull: PullRequest
    author: Account
    maintainer: Account
    stranger: Account
    seen: set[int] = field(default_factory=set)

    @property
    def forge(self) -> ForgeSimulator:
        return self.stage.host.simulator

    @property
    def side(self) -> Side:
        return side_of(self.forge)

    @property
    def ref(self) -> RepositoryRef:
        return RepositoryRef(
            forge=self.side.kind,
            id=self.repository.id,
            owner=self.repository.owner.login,
            name=self.repository.name,
            installation_id=0,
        )

    # What people do.

    def say(self, body: str, *, who: Account | None = None) -> Comment:
        return self.forge.people.comment(self.pull, who or self.maintainer, body)

    def click(self, action: str, *, who: Account | None = None) -> None:
        self.side.press(self.check_run(), self.pull, who or self.maintainer, action)

    async def push(self, files: Mapping[str, str], *, branch: str) -> str:
        return await self.forge.people.commit(self.repository, branch, files, author=self.author)

    # What the forge shows.

    def check_runs(self) -> list[CheckRun]:
        return self.side.reports(self.repository)

    def check_run(self) -> CheckRun:
        return self.check_runs()[-1]

    def ours(self) -> list[Comment]:
        bot = self.forge.bot
        return [one for one in self.pull.comments.values() if one.author is bot]

    @property
    def sticky(self) -> str:
        return next((one.body for one in self.ours() if "<!-- flowforge:sticky" in one.body), "")

    def replies(self) -> list[str]:
        return [one.body for one in self.ours() if "<!-- flowforge:sticky" not in one.body]

    def reactions(self, comment: Comment) -> set[str]:
        return {one.content for one in comment.reactions}

    def branches(self) -> set[str]:
        return {ref for ref in self.repository.refs if ref.startswith("refs/heads/flowforge/")}

    # Waiting, on the simulator's own notice of each change.

    async def until_conclusion(self, conclusion: str, *, count: int = 1) -> CheckRun:
        def found() -> CheckRun | None:
            done = [one for one in self.check_runs() if one.conclusion == conclusion]
            return done[-1] if len(done) >= count else None

        return await self.forge.wait_for(found, timeout=WAIT, what=f"a check run that ends {conclusion}")

    async def until_sticky(self, text: str) -> str:
        def found() -> str | None:
            return self.sticky if text in self.sticky else None

        return await self.forge.wait_for(found, timeout=WAIT, what=f"{text!r} in {self.sticky[:400]!r}")

    async def until_reply(self, text: str) -> str:
        def found() -> str | None:
            return next((body for body in self.replies() if text in body), None)

        return await self.forge.wait_for(found, timeout=WAIT, what=f"a reply with {text!r}")

    async def until_head(self, sha: str) -> None:
        await self.forge.wait_for(lambda: self.pull.head_sha == sha, timeout=WAIT, what=f"head {sha}")

    async def until_branches(self, count: int) -> None:
        await self.forge.wait_for(
            lambda: len(self.branches()) == count,
            timeout=WAIT,
            what=f"{count} branches of ours",
        )

    async def until_model_called(self, count: int = 1) -> None:
        """Until the scripted model got that many calls of the Messages API."""
        model = self.stage.scripted
        assert model is not None
        async with asyncio.timeout(WAIT), model.changed:
            await model.changed.wait_for(lambda: len(model.calls) >= count)

    async def deliver(self, body: bytes, **headers: str) -> int:
        """Post a delivery to the web service as anybody on the Internet could; the status of the answer."""
        url = f"{self.stage.web_url}/webhooks/{self.side.kind.value}"
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.post(url, content=body, headers={"content-type": "application/json", **headers})
        return answer.status_code

    # What the rows say.

    async def job(self) -> Job:
        job = await self.stage.instance.store.jobs.latest(self.ref, self.pull.number)
        assert job is not None
        return job


def claude_processes() -> list[psutil.Process]:
    """Claude Code processes and guests that descend from this process."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(child.cmdline())
            if "claude" in line or "runners.guest" in line:
                found.append(child)
    return found


@contextlib.asynccontextmanager
async def playing(
    directory: Path,
    script: Script,
    *,
    base: Mapping[str, str] = BASE,
    ours: Mapping[str, str | None] = OURS,
    theirs: Mapping[str, str | None] = THEIRS,
    overrides: dict[str, object] | None = None,
    database_url: str | None = None,
    forge: ForgeKind = ForgeKind.GITHUB,
) -> AsyncIterator[Play]:
    """Open a stage with one pull request; afterwards, what was said on the wire must be what the forge describes.

    Small conflicts are left to the agent unless ``overrides`` turn direct calls on. The database is a SQLite file
    unless another one is named.
    """
    settings = {"direct_calls": False, **(overrides or {})}
    async with open_stage(
        directory, script=script, overrides=settings, database_url=database_url, forge=forge
    ) as stage:
        people = stage.host.simulator.people
        author, maintainer, stranger = people.user("robin"), people.user("maintainer"), people.user("stranger")
        repository = await people.repository(
            "acme/fees",
            files=base,
            roles={author: Role.WRITE, maintainer: Role.MAINTAIN, stranger: Role.READ},
        )
        await people.commit(repository, "feature", ours, author=author)
        await people.commit(repository, "main", theirs, author=maintainer)
        pull = await people.open_pull_request(repository, author=author, head="feature", title="Another rate")
        yield Play(
            stage=stage,
            repository=repository,
            pull=pull,
            author=author,
            maintainer=maintainer,
            stranger=stranger,
        )
        assert stage.host.simulator.errors == []
        side = side_of(stage.host.simulator)
    assert side.validate() == []
    assert claude_processes() == []
