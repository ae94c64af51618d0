"""A scripted hour of work on 20 pull requests, and a post office that may lose, double, delay and reorder its news.

What people want is the same whatever becomes of the deliveries: they push first, ask when they have seen what came of
it, and answer what they are shown. In between the sweeps had their turn.
"""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, cast

from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Account, CheckRun, PullRequest, Role
from app.demo.simulator.webhooks import Delivery
from app.http.server import bind, serving, url_of
from app.jobs.queue import ArqQueue
from app.wiring import open_flowforge
from app.wiring_parts import Parts
from app.wiring_sweeps import LOG
from bot.handlers.redeliver import Redeliver
from bot.model.sweeps import RECONCILE
from bot.resolvers.rerere import hunk_digest
from tests.bot.handlers.bench import SECRET, Bench, HandClock, HandTimer, settings_of
from tests.bot.handlers.puppet import PuppetRunner

PULLS: Final = range(1, 21)
_TEXT: Final = "RATE = {}\n\n\ndef fee(amount):\n    return amount * RATE\n"
_SETTLED: Final = {hunk_digest(b"RATE = 2\n", b"RATE = 3\n"): b"RATE = 2 + 3\n"}
"""What people decided about the only conflict there is: no agent is needed."""

_STEP: Final = 300.0
_LEVELS: Final = frozenset({"push", "pull_request"})
"""News of what can be seen on the forge as well. The others are what somebody wants, and come to nobody by looking."""


class Fate(StrEnum):
    """What becomes of a delivery."""

    SENT = "sent"
    DROPPED = "dropped"
    """GitHub knows that it failed."""
    LOST = "lost"
    """Nobody can have it again; only for what can be seen on the forge as well."""
    DOUBLED = "doubled"
    LATE = "late"
    """With the deliveries of the next step, and before the next sweeps."""
    VERY_LATE = "very late"
    """After all others; only for what can be seen on the forge as well."""


_EDGES: Final = {Fate.LOST: Fate.DROPPED, Fate.VERY_LATE: Fate.LATE}


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What becomes of deliveries, in turn, and a seed for the order of each step's; 0 leaves them in order."""

    fates: tuple[Fate, ...] = (Fate.SENT,)
    seeds: tuple[int, ...] = (0,)


def file_of(number: int) -> str:
    return f"fees/f{number:02}.py"


# --- the repository ---------------------------------------------------------------------------------------------------


@cache
def template(directory: Path) -> Path:
    """A repository with every commit of the hour, made once."""
    path = directory / "template.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(path)], check=True)  # noqa: S607
    command = ["git", "fast-import", "--quiet"]
    subprocess.run(command, cwd=path, input="".join(_history()).encode(), check=True)
    return path


def _history() -> Iterator[str]:
    start = {file_of(number): _TEXT.format(1) for number in PULLS}
    yield from _commit("main", start, mark=1)
    yield from _commit("next", {"NEXT.md": "next\n"}, above=1, mark=2)
    for number in PULLS:
        above = 2 if number > 14 else 1
        yield from _commit(f"pr{number:02}", {file_of(number): _TEXT.format(2)}, above=above, mark=100 + number)
        yield from _commit(f"stock/more{number:02}", {f"more{number:02}.md": "more\n"}, above=100 + number)
    yield from _commit("stock/agreed04", {file_of(4): _TEXT.format(3)}, above=104)
    pushed = {file_of(number): _TEXT.format(3) for number in range(1, 8)}
    yield from _commit("stock/main1", pushed, above=1, mark=10)
    yield from _commit("stock/main2", {"README.md": "fees\n"}, above=10)
    yield from _commit("stock/next1", {file_of(number): _TEXT.format(3) for number in (15, 16)}, above=2)


def _commit(
    branch: str, files: Mapping[str, str], *, above: int | None = None, mark: int | None = None
) -> Iterator[str]:
    yield f"commit refs/heads/{branch}\n" + ("" if mark is None else f"mark :{mark}\n")
    yield "committer robin <robin@invalid> 1700000000 +0000\ndata 4\nwork\n"
    yield "" if above is None else f"from :{above}\n"
    for path, text in files.items():
        yield f"M 100644 inline {path}\ndata {len(text)}\n{text}\n"


def _branches() -> dict[str, str]:
    stock = [f"stock/more{number:02}" for number in PULLS]
    stock += ["stock/agreed04", "stock/main1", "stock/main2", "stock/next1"]
    names = ["main", "next", *(f"pr{number:02}" for number in PULLS), *stock]
    return {name: f"refs/heads/{name}" for name in names}


# --- the post office --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Post:
    """Takes all deliveries from the forge, and hands them on as the disturbance wants it."""

    sim: Simulator
    disturbance: Disturbance
    seen: int = 0
    steps: int = 0
    late: list[tuple[Delivery, Fate]] = field(default_factory=list)

    async def round(self) -> None:
        """Hand on what there is now, in some order."""
        mail = [(one, Fate.SENT) for one in self._taken_out(Fate.LATE)]
        held, self.sim.webhooks.held = self.sim.webhooks.held, []
        mail += [(one, self._fate(one)) for one in held]
        seed = self.disturbance.seeds[self.steps % len(self.disturbance.seeds)]
        if seed:
            Random(seed).shuffle(mail)  # noqa: S311 - the same order each time
        self.steps += 1
        for delivery, fate in mail:
            await self._hand_on(delivery, fate)

    async def rest(self, *fates: Fate) -> None:
        """Hand on what was kept back for these fates; no more comes to harm."""
        for delivery in self._taken_out(*fates):
            await self._hand_on(delivery, Fate.SENT)

    def _taken_out(self, *fates: Fate) -> list[Delivery]:
        taken = [one for one, fate in self.late if fate in fates]
        self.late = [(one, fate) for one, fate in self.late if fate not in fates]
        return taken

    async def plainly(self) -> None:
        """Hand on what there is now, unharmed."""
        held, self.sim.webhooks.held = self.sim.webhooks.held, []
        for delivery in held:
            await self._hand_on(delivery, Fate.SENT)

    def _fate(self, delivery: Delivery) -> Fate:
        fates = self.disturbance.fates
        fate = fates[self.seen % len(fates)]
        self.seen += 1
        return fate if delivery.event in _LEVELS else _EDGES.get(fate, fate)

    async def _hand_on(self, delivery: Delivery, fate: Fate) -> None:
        webhooks = self.sim.webhooks
        match fate:
            case Fate.LATE | Fate.VERY_LATE:
                self.late.append((delivery, fate))
                return
            case Fate.LOST:
                webhooks.deliveries.remove(delivery)
                return
            case Fate.DROPPED:
                webhooks.drop()
            case Fate.DOUBLED:
                webhooks.duplicate()
            case Fate.SENT:
                pass
        kept, webhooks.held = webhooks.held, [delivery]
        webhooks.release()
        webhooks.hold()
        webhooks.held = kept
        await webhooks.settled()


# --- the people -------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Hour:
    """The repository, its people, and the instance that serves them."""

    bench: Bench
    post: Post
    pulls: dict[int, PullRequest] = field(default_factory=dict)

    @property
    def sim(self) -> Simulator:
        return self.bench.sim

    def say(self, number: int, body: str, who: Account | None = None) -> None:
        self.sim.people.comment(self.pulls[number], who or self.bench.maintainer, body)

    async def push(self, branch: str, stock: str) -> None:
        await self.sim.people.move_branch(self.bench.repository, branch, f"stock/{stock}", actor=self.bench.author)

    async def open(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.pulls[number] = await self.sim.people.open_pull_request(
                self.bench.repository,
                author=self.bench.author,
                head=f"pr{number:02}",
                base="main" if number <= 14 else "next",
                title=f"Fee {number}",
            )

    def shown(self, number: int, button: str) -> CheckRun:
        """The newest check run of a pull request's head that has a button."""
        runs = self.sim.check_runs(self.bench.repository, head_sha=self.pulls[number].head_sha)
        return next(one for one in reversed(runs) if any(action["identifier"] == button for action in one.actions))

    # Work goes on, and people ask.

    async def begin(self) -> None:
        await self.open(PULLS[1:])

    async def bases_move(self) -> None:
        await self.push("main", "main1")
        await self.push("next", "next1")
        self.say(7, "/flowforge status")

    async def heads_move(self) -> None:
        await self.push("pr04", "agreed04")
        await self.push("pr10", "more10")
        await self.push("pr16", "more16")
        self.sim.people.close(self.pulls[11], self.bench.author)
        await self.sim.people.merge(self.pulls[12], self.bench.maintainer)

    async def they_ask(self) -> None:
        for number in (1, 2, 3):
            self.say(number, "/flowforge resolve")
        self.say(15, "/flowforge resolve keep both", self.bench.author)
        self.say(8, "/flowforge resolve", self.bench.stranger)
        self.say(9, "/flowforge resolv")
        self.say(17, "/flowforge resolve")

    async def more_happens(self) -> None:
        await self.push("pr18", "more18")
        self.sim.people.close(self.pulls[13], self.bench.author)
        self.say(10, "/flowforge help")
        self.say(14, "nothing for the bot\n\n> /flowforge resolve")

    # They answer what they see.

    async def they_answer(self) -> None:
        self.say(1, "/flowforge approve")
        self.sim.people.click(self.shown(2, "approve"), self.bench.maintainer, "approve")
        self.say(3, "/flowforge reject")
        self.say(15, "/flowforge approve")
        self.sim.people.click(self.shown(5, "resolve"), self.bench.maintainer, "resolve")

    async def still_more(self) -> None:
        await self.push("pr19", "more19")
        await self.sim.people.reopen(self.pulls[13], self.bench.author)
        self.sim.people.close(self.pulls[14], self.bench.author)
        self.say(6, "/flowforge approve")

    async def live(self) -> None:
        """The whole hour: whoever asks or answers has seen what the sweeps had made of what went before."""
        await self._part(self.begin, self.bases_move)
        await self._part(self.heads_move, self.they_ask, self.more_happens)
        await self._part(self.they_answer, self.still_more)
        await self.post.rest(Fate.LATE, Fate.VERY_LATE)
        await self._sweeps()

    async def _part(self, *steps: Callable[[], Awaitable[None]]) -> None:
        for step in steps:
            await step()
            await self._some_minutes()
        await self._some_minutes()
        await self.post.rest(Fate.LATE)
        await self._sweeps()

    async def _some_minutes(self) -> None:
        """The mail goes out, and workers do what is due; their own acts are news for the next time."""
        await self.post.round()
        await self.bench.work()
        self.bench.clock.advance(_STEP)

    async def _sweeps(self) -> None:
        """One redelivery sweep and one reconcile; then all that is due, undisturbed."""
        await self.post.plainly()
        await self._quiet()
        bench = self.bench

        async def no_time(_: float) -> None:
            pass

        await Redeliver(store=bench.store, log=LOG, forge=bench.instance.forge, clock=bench.clock, sleep=no_time)("")
        await self._quiet()
        bench.clock.advance(1200)
        await bench.instance.ticks.sweep(RECONCILE.name)
        await self._quiet()

    async def _quiet(self) -> None:
        """Until nothing is due, also not in a quarter of an hour."""
        for _ in range(3):
            await self.bench.work()
            await self.post.plainly()
            self.bench.clock.advance(_STEP)
        await self.bench.work()


class NoBell:
    """The ``Queue`` port, and nobody hears it: rows alone say what is due. Redis would be asked in vain each time."""

    async def ring(self, kind: str, key: str) -> None:
        pass


def _without_bell(parts: Parts) -> Parts:
    return replace(parts, queue=cast("ArqQueue", NoBell()))


@asynccontextmanager
async def open_hour(directory: Path, database_url: str, source: Path, disturbance: Disturbance) -> AsyncIterator[Hour]:
    """An hour that has not begun."""
    (directory / "data").mkdir(parents=True)
    clock, runner, listener = HandClock(), PuppetRunner(), bind("127.0.0.1", 0)
    hook = f"{url_of(listener)}/webhooks/github"
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        serving_forge = Simulator.serve(directory / "forge", webhook_secret=SECRET, webhook_url=hook, clock=clock)
        sim = await stack.enter_async_context(serving_forge)
        settings, people = settings_of(directory, sim, database_url, {}), sim.people
        author, maintainer, stranger = people.user("robin"), people.user("maintainer"), people.user("stranger")
        roles = {author: Role.WRITE, maintainer: Role.MAINTAIN, stranger: Role.READ}
        sim.webhooks.hold()
        repository = await people.repository_from("acme/fees", source, _branches(), roles=roles)
        opened = open_flowforge(
            settings, worker="bench", clock=clock, runner=runner, timer=HandTimer(clock), around=_without_bell
        )
        instance = await stack.enter_async_context(opened)
        await stack.enter_async_context(serving(instance.service, listener))
        first = await people.open_pull_request(repository, author=author, head="pr01", title="Fee 1")
        bench = Bench(
            sim=sim,
            instance=instance,
            settings=settings,
            clock=clock,
            runner=runner,
            repository=repository,
            pull=first,
            author=author,
            maintainer=maintainer,
            stranger=stranger,
        )
        await bench.store.registry.repository(bench.ref)
        await bench.store.recorded.import_hunks(bench.ref, _SETTLED, source="rr-cache")
        yield Hour(bench=bench, post=Post(sim, disturbance), pulls={1: first})
        assert sim.errors == []
