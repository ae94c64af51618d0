"""One trial: a story is played, the service is killed at a point and started again, and the end is looked at."""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.app.store.backends import Backend
from tests.crash.facts import Facts, facts_of
from tests.crash.rest import is_busy, is_quiet, until_quiet
from tests.crash.stories import Story
from tests.crash.world import Host, World, open_world
from tests.crash.zygote import Service

MODEL_POINT = "model call@received"

_LEASES_END = 310.0
"""Seconds; longer than any lease of a process that died."""

_STEP = 60.0
_SWEEP_EVERY = 0.4
_PASSIVE = 30.0
_STOPS = 60.0
NO_REST = "it did not come to rest, however often it was swept"
DEADLINE = 240.0
"""Seconds of the machine's time for a trial; it takes a thirtieth of that where the machine has nothing else to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a trial came out.

    ``stuck`` says why it has no end: ``NO_REST`` is what the service's own sweeps did not mend, anything else may be
    for want of time. ``reached`` are the points that were reached before people and service had come to the end of the
    story, ``deaths`` those at which a service was killed.
    """

    facts: Facts
    reached: list[str]
    deaths: tuple[str, ...]
    stuck: str | None
    said: str


@dataclass(slots=True, kw_only=True)
class _Trial:
    world: World
    story: Story
    points: Sequence[str]
    flaw: str | None
    rounds: int | None
    deaths: list[str] = field(default_factory=list)
    _calls: int = 0
    _limit: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(DEADLINE))

    async def run(self) -> Ending:
        world, story = self.world, self.story
        world.script.tell = self._on_call
        stuck, reached = None, []
        await self._start()
        if story.gateway_dies:
            await world.start(flaw=self.flaw)
        reviving = asyncio.create_task(self._revive())
        try:
            async with self._limit:
                await world.until_up()
                await world.set_up(story.files, fork=story.fork)
                await story.play(world)
                await self._passively()
                reached = world.points()
                await self._actively()
        except TimeoutError as error:
            stuck = NO_REST if self._is_swept else str(error) or f"it did not come to rest in {DEADLINE:.0f} s"
        finally:
            await _cancel(reviving)
        if not reviving.cancelled():
            reviving.result()  # it ends by itself only with an error
        facts = await facts_of(world)
        facts.update(await self._stop())
        return Ending(facts=facts, reached=reached, deaths=tuple(self.deaths), stuck=stuck, said=world.said)

    @property
    def _is_swept(self) -> bool:
        """Whether the sweeps had as many rounds as they get in this trial."""
        return self.rounds is not None and self.world.rounds >= self.rounds

    @property
    def _next(self) -> str | None:
        """The point at which the service that runs now is to die."""
        return self.points[len(self.deaths)] if len(self.deaths) < len(self.points) else None

    @property
    def _mortals(self) -> list[Service]:
        """The processes that are killed one after the other."""
        return self.world.gateways if self.story.gateway_dies else self.world.services

    async def _start(self) -> None:
        """Start a service: with a witness if it is the first, or is to die."""
        witnessed = self._next is not None or not self._mortals
        if self.story.gateway_dies:
            await self.world.start_gateway(point=self._next, witnessed=witnessed)
        else:
            await self.world.start(point=self._next, witnessed=witnessed, flaw=self.flaw)

    def _on_call(self) -> None:
        """The model was called; that is a point too."""
        self._calls += 1
        point = f"{MODEL_POINT}#{self._calls}"
        if not self.deaths:
            with self.world.log.open("a", encoding="utf-8") as log:
                log.write(f"{point}\n")
        if self._next in {point, MODEL_POINT}:
            self._mortals[-1].signal(signal.SIGKILL)

    async def _revive(self) -> None:
        """Whenever a service was killed, start another one, later in time; sweep from then on."""
        sweeping: asyncio.Task[None] | None = None
        try:
            while True:
                status = await self._mortals[-1].wait()
                if status != -signal.SIGKILL or self._next is None:
                    raise AssertionError(f"the service ended by itself, with {status}: {self.world.said[-2000:]}")
                self.deaths.append(self._next)
                if not self.story.gateway_dies:  # a gateway holds no lease
                    self.world.clock.advance(_LEASES_END)
                await self._start()
                sweeping = sweeping or asyncio.create_task(self._sweep())
        finally:
            if sweeping is not None:
                await _cancel(sweeping)

    async def _sweep(self) -> None:
        """Let time pass while nothing is at work: what waits for a moment gets to it."""
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            if await self.world.sweep() and not await is_busy(self.world):
                self.world.clock.advance(_STEP)
            if self._is_swept:
                with contextlib.suppress(RuntimeError):  # it is over already
                    self._limit.reschedule(asyncio.get_running_loop().time())
                return

    async def _passively(self) -> None:
        """Wait for rest without any help: an undisturbed service needs none."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PASSIVE):
                await until_quiet(self.world)

    async def _actively(self) -> None:
        """Sweep until rest, then once more, much later: nothing may come of that."""
        for _ in range(2):
            while not await is_quiet(self.world):
                await self.world.sweep()
                await asyncio.sleep(_SWEEP_EVERY)
            self.world.age()
            self.world.clock.advance(3600.0)
            await self.world.until_swept()
            await until_quiet(self.world)

    async def _stop(self) -> Facts:
        """End the service as a deployment does; what it leaves then is wrong as well."""
        service = self.world.services[-1]
        service.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOPS):
                status = await service.wait()
        except TimeoutError:
            return Counter({"the service does not stop": 1})
        return Counter({f"the service stopped with {status}": 1})


async def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel until it took: clients of Redis and databases may lose a cancellation that meets an answer."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)


async def play(
    host: Host,
    backend: Backend,
    story: Story,
    *,
    points: Sequence[str] = (),
    flaw: str | None = None,
    rounds: int | None = None,
) -> Ending:
    """Play a story in a fresh world; the service is killed at each of the points in turn, and started again.

    With ``rounds``, what so many rounds of sweeps after a death did not bring to rest is stuck.
    """
    async with open_world(
        host, backend, story.script, overrides=story.settings, with_gateway=not story.gateway_dies
    ) as world:
        return await _Trial(world=world, story=story, points=points, flaw=flaw, rounds=rounds).run()
