"""``GitHubForge`` against a stateful GitHub that counts: whatever is wished, no limit of GitHub's is ever exceeded.

The numbers are those of https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api .
"""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.demo.simulator.secondary import Peaks
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Role
from bot.errors import ForgeLimitedError, ForgeUnavailableError
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from bot.model.forge import Actor, ForgeKind, RepositoryRef, Thread
from bot.model.reports import CheckRunContent, CheckStatus, CommentContent
from bot.ports.background import KEPT_FOR_PEOPLE, RECONCILE_LEAVES, background
from tests.bot.forges.github.virtual import VirtualTime
from tests.contracts.github_stage import SECRET, Stage
from tests.contracts.simulator import checked_simulator

# --- what did not change is free ------------------------------------------------------------------


async def test_asking_again_costs_nothing_of_the_hour(stage: Stage) -> None:
    async def look() -> object:
        return (
            await stage.forge.pull_request(stage.ref, stage.pull.number),
            await stage.forge.read_file(stage.ref, ".flowforge.yml", ref="main"),
            await stage.forge.permission(stage.ref, Actor(id=stage.ada.id, login="ada")),
            await stage.forge.open_pull_requests(stage.ref),
        )

    first = await look()
    await settled(stage)
    await look()
    before = stage.sim.record.exchanges[-1].response_headers["x-ratelimit-used"]
    assert await look() == await look() == first
    again = stage.sim.record.exchanges[-10:]
    assert [one.status for one in again] == [304] * 10
    assert again[-1].response_headers["x-ratelimit-used"] == before


async def settled(stage: Stage) -> None:
    """Wait until GitHub has computed whether the pull request merges: that changes the answer about it."""
    await stage.sim.wait_for(lambda: stage.pull.mergeable is not None, what="mergeable")


async def test_what_changed_is_seen_at_once(stage: Stage) -> None:
    assert await stage.forge.read_file(stage.ref, "fee.py", ref="main") == b"rate = 1\n"
    await stage.sim.people.commit(stage.repository, "main", {"fee.py": "rate = 7\n"}, author=stage.ada)
    assert await stage.forge.read_file(stage.ref, "fee.py", ref="main") == b"rate = 7\n"
    stage.sim.people.set_role(stage.repository, stage.ada, Role.READ)
    before = await stage.forge.permission(stage.ref, Actor(id=stage.ada.id, login="ada"))
    stage.sim.people.set_role(stage.repository, stage.ada, Role.ADMIN)
    assert await stage.forge.permission(stage.ref, Actor(id=stage.ada.id, login="ada")) > before


# --- people come first ----------------------------------------------------------------------------


async def test_the_last_fifth_of_the_hour_is_for_people(stage: Stage) -> None:
    stage.sim.limits.limit = 100
    numbers = iter(range(1000))

    async def read(times: int = 100) -> None:
        for _ in range(times):
            # Each another file: what is not there is no conditional request.
            await stage.forge.read_file(stage.ref, f"absent-{next(numbers)}", ref="main")

    def used() -> int:
        return int(stage.sim.record.exchanges[-1].response_headers["x-ratelimit-used"])

    with background(leave=RECONCILE_LEAVES), pytest.raises(ForgeLimitedError):
        await read()
    assert used() == 70
    with background(leave=KEPT_FOR_PEOPLE), pytest.raises(ForgeLimitedError) as raised:
        await read()
    assert used() == 80
    assert 3500 < raised.value.retry_after <= 3600
    await read(times=20)
    assert used() == 100
    asked = len(stage.sim.record.exchanges)
    with pytest.raises(ForgeLimitedError):
        await read()
    assert len(stage.sim.record.exchanges) == asked, "nobody asks for what is certainly refused"


async def test_background_work_at_the_same_time_leaves_the_last_fifth_too(stage: Stage) -> None:
    stage.sim.limits.limit = 100
    await stage.forge.pull_request(stage.ref, stage.pull.number)
    with background():
        reads = (stage.forge.read_file(stage.ref, f"absent-{number}", ref="main") for number in range(150))
        results = await asyncio.gather(*reads, return_exceptions=True)
    assert {type(one) for one in results} == {type(None), ForgeLimitedError}
    used = max(int(one.response_headers["x-ratelimit-used"]) for one in stage.sim.record.exchanges)
    assert 75 <= used <= 80


# --- whatever is wished ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wish:
    """So many things of a kind, all at once or one after the other, perhaps in the background, after a pause."""

    kind: str
    times: int
    at_once: bool
    leave: float
    pause: float


WISHES = st.lists(
    st.builds(
        Wish,
        kind=st.sampled_from(["comment", "check run", "reaction", "edit", "read"]),
        times=st.sampled_from([1, 5, 30, 120]),
        at_once=st.booleans(),
        leave=st.sampled_from([0.0, KEPT_FOR_PEOPLE, RECONCILE_LEAVES]),
        pause=st.sampled_from([0.0, 1.0, 30.0, 61.0, 900.0]),
    ),
    min_size=1,
    max_size=5,
)


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """A repository, and processes that ask for it under one virtual time."""

    sim: Simulator
    time: VirtualTime
    ref: RepositoryRef
    thread: Thread
    head: str
    comment_id: int
    forges: list[GitHubForge]

    def one(self, kind: str, number: int) -> Coroutine[Any, Any, object]:
        """A single thing of a kind, by one of the processes."""
        forge = self.forges[number % len(self.forges)]
        check = CheckRunContent(
            head_sha=self.head,
            external_id=f"job-{number}",
            status=CheckStatus.QUEUED,
            conclusion=None,
            title="t",
            summary="s",
            text="",
        )
        comment = CommentContent(marker="<!-- m -->", body=f"<!-- m -->\n{number}")
        match kind:
            case "comment":
                return forge.create_comment(self.ref, self.thread, comment)
            case "check run":
                return forge.create_check_run(self.ref, check)
            case "reaction":
                return forge.react(self.ref, self.thread, self.comment_id, "eyes")
            case "edit":
                return forge.update_comment(self.ref, self.thread, self.comment_id, comment)
            case _:
                return forge.read_file(self.ref, f"absent-{number}", ref="main")

    async def fulfil(self, wish: Wish) -> int:
        """Do what is wished; how much of it went out."""
        self.time.move(wish.pause)

        async def counted(*numbers: int) -> int:
            done = 0
            for number in numbers:
                with background(leave=wish.leave):
                    try:
                        await self.one(wish.kind, number)
                    except ForgeLimitedError:
                        continue
                done += 1
            return done

        numbers = range(wish.times)
        work = [counted(number) for number in numbers] if wish.at_once else [counted(*numbers)]
        results = await self.time.run(*work)
        errors = [one for one in results if isinstance(one, BaseException)]
        assert errors == []
        return sum(one for one in results if not isinstance(one, BaseException))


@asynccontextmanager
async def crowd(directory: Path, *, processes: int) -> AsyncIterator[Crowd]:
    time = VirtualTime()
    async with (
        checked_simulator(directory, webhook_secret=SECRET, clock=time) as sim,
        open_http(sim.base_url, processes=processes) as http,
        open_http(sim.base_url, processes=processes) as other,
    ):
        sim.limits.limit = 1_000_000  # the hour is another test's matter
        sim.limits.secondary.enforced = True
        ada = sim.people.user("ada")
        repository = await sim.people.repository("acme/fees", files={"a": "b\n"}, roles={ada: Role.WRITE})
        await sim.people.commit(repository, "feature", {"a": "c\n"}, author=ada)
        pull = await sim.people.open_pull_request(repository, author=ada, head="feature", title="t")
        installation = sim.world.installation_for(repository)
        assert installation is not None
        ref = RepositoryRef(
            forge=ForgeKind.GITHUB,
            id=repository.id,
            owner="acme",
            name="fees",
            installation_id=installation.id,
        )
        forges = [
            GitHubForge(
                GitHubClient(
                    connections,
                    base_url=sim.base_url,
                    app_id=sim.app.id,
                    private_key_pem=sim.app.private_key_pem,
                    clock=time,
                    sleep=time.sleep,
                    monotonic=time.monotonic,
                    processes=processes,
                ),
                app_id=sim.app.id,
                app_slug=sim.app.slug,
                git_base_url=sim.base_url,
            )
            for connections in (http, other)[:processes]
        ]
        thread = Thread(number=pull.number)
        comment_id = await forges[0].create_comment(ref, thread, CommentContent(marker="m", body="mine"))
        time.move(3600)
        sim.limits.secondary.peaks = Peaks()
        yield Crowd(
            sim=sim,
            time=time,
            ref=ref,
            thread=Thread(number=pull.number),
            head=pull.head_sha,
            comment_id=comment_id,
            forges=forges,
        )


@pytest.mark.parametrize("processes", [1, 2])
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(wishes=WISHES)
def test_no_wishes_exceed_what_github_allows(processes: int, wishes: list[Wish]) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with crowd(Path(directory), processes=processes) as people:
                for wish in wishes:
                    await people.fulfil(wish)
                peaks = people.sim.limits.secondary.peaks
                assert peaks.within(), peaks

    asyncio.run(play())


async def test_a_crowd_gets_as_much_as_may_be_given_and_github_turns_nobody_away(tmp_path: Path) -> None:
    async with crowd(tmp_path / "sim", processes=1) as people:
        wish = Wish("comment", 1, at_once=False, leave=0.0, pause=0.0)
        done = 0
        for _ in range(40):
            done += await people.fulfil(replace(wish, times=20))
        peaks = people.sim.limits.secondary.peaks
        assert 60 <= peaks.creations <= 80
        assert 200 <= done <= 500
        assert peaks.within()
        refused = [one for one in people.sim.record.exchanges if one.status in {403, 429}]
        assert refused == []


async def test_the_simulator_turns_away_who_keeps_no_pace(tmp_path: Path) -> None:
    async with crowd(tmp_path / "sim", processes=1) as people, open_http(people.sim.base_url) as http:
        hours = itertools.count(step=3600)
        hasty = GitHubClient(
            http,
            base_url=people.sim.base_url,
            app_id=people.sim.app.id,
            private_key_pem=people.sim.app.private_key_pem,
            clock=people.time,
            monotonic=lambda: float(next(hours)),
        )
        people.forges[:] = [
            GitHubForge(hasty, app_id=people.sim.app.id, app_slug="flowforge", git_base_url=people.sim.base_url)
        ]
        assert await people.fulfil(Wish("comment", 100, at_once=False, leave=0.0, pause=0.0)) == 80
        assert not people.sim.limits.secondary.peaks.within()


async def test_two_processes_learn_of_a_limit_by_one_request_each(tmp_path: Path) -> None:
    async with crowd(tmp_path / "sim", processes=2) as people:
        fault = people.sim.faults.secondary_limit("POST", ".*/comments", retry_after=90, times=100)
        for number in range(10):
            with pytest.raises(ForgeUnavailableError):
                await people.one("comment", number)
        assert fault.seen == 2
        people.time.move(90)
        fault.times = 0
        assert await people.fulfil(Wish("comment", 4, at_once=True, leave=0.0, pause=0.0)) == 4
