"""The conflict watch over real git and a simulated forge: who is told, once, and what it costs."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from random import Random

import pytest

from app.demo.simulator.state import CheckRun, PullRequest
from bot.errors import StoreUnavailableError
from bot.model.jobs import JobState
from bot.model.watch import MergeState, WatchedPull
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench, open_bench

LINES = "".join(f"line {number}\n" for number in range(12))
BASE = {
    name: f"{name}\n{LINES}"
    for name in ("a.txt", "b.txt", "c.txt", "src/one.py", "src/two.py", "p/s/b.txt", "README.md")
}


def edit(name: str, word: str, line: int = 4) -> dict[str, str]:
    lines = BASE[name].splitlines(keepends=True)
    lines[line] = f"{word}\n"
    return {name: "".join(lines)}


@contextlib.asynccontextmanager
async def watching(
    directory: Path, database_url: str, *, config: str | None = None
) -> AsyncIterator[tuple[Bench, list[PullRequest]]]:
    """Three open pull requests that change a file each and merge."""
    base = BASE if config is None else {**BASE, ".flowforge.yml": config}
    theirs = edit("README.md", "from the start")
    async with open_bench(directory, database_url, base=base, ours=edit("a.txt", "ours"), theirs=theirs) as bench:
        pulls = [bench.pull]
        for name in ("b.txt", "src/one.py"):
            branch = f"on-{name.replace('/', '-')}"
            await bench.sim.people.commit(
                bench.repository, branch, edit(name, "ours"), author=bench.author, start="feature~1"
            )
            pulls.append(await bench.sim.people.open_pull_request(bench.repository, author=bench.author, head=branch))
        await bench.work()
        assert bench.errors == []
        assert bench.check_runs == []
        yield bench, pulls


@pytest.fixture
async def watched(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[tuple[Bench, list[PullRequest]]]:
    async with watching(tmp_path, await databases.fresh()) as opened:
        yield opened


async def push(bench: Bench, files: Mapping[str, str | None], message: str = "Change files") -> str:
    return await bench.sim.people.commit(bench.repository, "main", files, author=bench.maintainer, message=message)


async def rows(bench: Bench) -> dict[int, WatchedPull]:
    return {pull.number: pull for pull in await bench.store.watch.open_pulls(bench.ref, "main")}


async def states(bench: Bench) -> dict[int, MergeState | None]:
    return {number: pull.state for number, pull in (await rows(bench)).items()}


def shown(check: CheckRun) -> tuple[str, str | None, list[str]]:
    return check.head_sha, check.conclusion, [str(action["identifier"]) for action in check.actions]


CLEAN, CONFLICT, IMPOSSIBLE = MergeState.CLEAN, MergeState.CONFLICT, MergeState.IMPOSSIBLE


async def test_a_push_that_brings_one_of_three_into_conflict_tells_that_one_once(
    watched: tuple[Bench, list[PullRequest]],
) -> None:
    bench, (first, second, third) = watched
    await push(bench, edit("c.txt", "elsewhere"))
    culprit = await push(bench, edit("b.txt", "theirs"), "Merge pull request #77 from acme/x\n\nAnother b")
    await push(bench, edit("src/two.py", "elsewhere"))
    await bench.work()
    assert await states(bench) == {first.number: CLEAN, second.number: CONFLICT, third.number: CLEAN}
    (check,) = bench.check_runs
    assert shown(check) == (second.head_sha, "action_required", ["resolve"])
    assert f"`{culprit[:12]}`, which names pull request 77" in (check.summary or "")
    assert "`b.txt`" in (check.summary or "")

    await push(bench, edit("c.txt", "elsewhere again"))
    bench.clock.advance(601)
    await bench.work()
    for _ in range(3):
        await bench.tick("base_sync", f"github:{bench.repository.id}:main")
    await bench.work()
    assert len(bench.check_runs) == 1
    assert bench.errors == []

    bench.sim.people.click(check, bench.maintainer, "resolve")
    await bench.work()
    job = await bench.store.jobs.latest(bench.ref, second.number)
    assert job is not None
    assert (job.state, job.request.requested_by.login) == (JobState.RUNNING, "maintainer")


async def test_a_click_needs_the_permission_that_the_command_needs(watched: tuple[Bench, list[PullRequest]]) -> None:
    bench, (_, second, _) = watched
    await push(bench, edit("b.txt", "theirs"))
    await bench.work()
    (check,) = bench.check_runs
    bench.sim.people.click(check, bench.stranger, "resolve")
    await bench.work()
    assert await bench.store.jobs.latest(bench.ref, second.number) is None
    (reply,) = [one.body for one in bench.sim.comments(second, bench.sim.bot)]
    assert "Rule: `permission`" in reply
    bench.sim.people.send_requested_action(check, bench.maintainer, "approve")
    bench.sim.people.rerequest(check, bench.maintainer)
    await bench.work()
    assert await bench.store.jobs.latest(bench.ref, second.number) is None


async def test_what_lies_apart_keeps_its_verdict_and_the_row_says_from_where(
    watched: tuple[Bench, list[PullRequest]],
) -> None:
    bench, (first, second, _) = watched
    before = (await rows(bench))[first.number].base_sha
    base = await push(bench, edit("b.txt", "far below", line=11))
    await bench.work()
    after = await rows(bench)
    assert (after[first.number].base_sha, after[first.number].verdict_base) == (base, before), "carried over"
    assert (after[second.number].base_sha, after[second.number].verdict_base) == (base, base), "git was asked"
    assert after[second.number].state is CLEAN


async def test_conflict_ends_and_begins_again(watched: tuple[Bench, list[PullRequest]]) -> None:
    bench, (_, second, _) = watched
    await push(bench, edit("b.txt", "theirs"))
    await bench.work()
    await push(bench, edit("b.txt", "ours"))
    await bench.work()
    assert [shown(check) for check in bench.check_runs] == [(second.head_sha, "success", [])]
    await push(bench, edit("b.txt", "theirs again"))
    await bench.work()
    assert [shown(check) for check in bench.check_runs] == [(second.head_sha, "action_required", ["resolve"])]


async def test_a_new_head_that_conflicts_still_is_told_too_and_one_that_merges_closes_the_old(
    watched: tuple[Bench, list[PullRequest]],
) -> None:
    bench, (_, second, _) = watched
    await push(bench, edit("b.txt", "theirs"))
    await bench.work()
    old = second.head_sha
    await bench.sim.people.commit(bench.repository, second.head_ref, edit("b.txt", "ours again"), author=bench.author)
    await bench.work()
    assert [shown(check)[:2] for check in bench.check_runs] == [
        (old, "action_required"),
        (second.head_sha, "action_required"),
    ]
    await bench.sim.people.commit(bench.repository, second.head_ref, edit("b.txt", "theirs"), author=bench.author)
    await bench.work()
    assert (await states(bench))[second.number] is CLEAN
    assert bench.check_runs[1].conclusion == "success"


async def test_who_conflicts_by_an_own_push_or_from_the_start_is_told_nothing(
    watched: tuple[Bench, list[PullRequest]],
) -> None:
    bench, (first, _, _) = watched
    await push(bench, edit("c.txt", "theirs"))
    await bench.work()
    await bench.sim.people.commit(bench.repository, "feature", edit("c.txt", "ours"), author=bench.author)
    await bench.sim.people.commit(
        bench.repository, "late", edit("c.txt", "late"), author=bench.author, start="feature~2"
    )
    late = await bench.sim.people.open_pull_request(bench.repository, author=bench.author, head="late")
    await bench.work()
    found = await states(bench)
    assert (found[first.number], found[late.number]) == (CONFLICT, CONFLICT)
    assert bench.check_runs == []


async def test_a_pull_request_that_was_clean_when_it_was_opened_is_told_though_nobody_looked_in_between(
    watched: tuple[Bench, list[PullRequest]],
) -> None:
    bench, _ = watched
    await bench.sim.people.commit(bench.repository, "late", edit("c.txt", "late"), author=bench.author)
    late = await bench.sim.people.open_pull_request(bench.repository, author=bench.author, head="late")
    await push(bench, edit("c.txt", "theirs"))
    await bench.work()
    assert [shown(check)[:2] for check in bench.check_runs] == [(late.head_sha, "action_required")]


async def test_a_burst_of_pushes_is_looked_at_once(watched: tuple[Bench, list[PullRequest]]) -> None:
    bench, _ = watched
    tokens = len(bench.asked("POST", "access_tokens"))
    fetched = len(bench.asked("POST", "git-upload-pack"))
    for number in range(10):
        await push(bench, edit("b.txt", f"theirs {number}"))
    await bench.arrived()
    for kind, key in await bench.due():
        await bench.tick(kind, key)
    assert [kind for kind, _ in await bench.due()] == ["base_sync"]
    await bench.work()
    assert len(bench.check_runs) == 1
    asked = [one.path for one in bench.asked("GET", "/pulls/")]
    assert asked == ["/repos/acme/fees/pulls/2"], "one look before it is told, and none for the others"
    assert len(bench.asked("POST", "git-upload-pack")) - fetched <= 4
    assert len(bench.asked("POST", "access_tokens")) - tokens <= 3


async def test_the_configuration_may_start_the_job_by_itself(databases: SqliteBackend, tmp_path: Path) -> None:
    config = "version: 1\non_conflict: resolve\n"
    async with watching(tmp_path, await databases.fresh(), config=config) as (bench, (_, second, _)):
        await push(bench, edit("b.txt", "theirs"))
        await bench.work()
        job = await bench.store.jobs.latest(bench.ref, second.number)
        assert job is not None
        assert (job.state, job.request.requested_by.login) == (JobState.RUNNING, bench.sim.bot.login)
        await bench.finish({"b.txt": edit("b.txt", "both")["b.txt"].encode()})
        await bench.work()
        again = await bench.store.jobs.latest(bench.ref, second.number)
        assert again is not None
        assert again.id == job.id
        assert again.rule not in {"permission", "self"}
        (check,) = bench.check_runs
        assert check.external_id.partition(":")[0] == job.id
        await bench.tick("base_sync", f"github:{bench.repository.id}:main")
        await push(bench, edit("c.txt", "elsewhere"))
        await bench.work()
        assert len(bench.check_runs) == 1
        assert bench.errors == []


@pytest.mark.parametrize("config", ["version: 1\non_conflict: off\n", "version: 1\nenabled: false\n"])
async def test_the_configuration_may_want_silence(databases: SqliteBackend, tmp_path: Path, config: str) -> None:
    async with watching(tmp_path, await databases.fresh(), config=config) as (bench, (_, second, _)):
        await push(bench, edit("b.txt", "theirs"))
        await bench.work()
        assert (await states(bench))[second.number] is CONFLICT
        assert bench.check_runs == []


async def test_in_quiet_hours_nothing_begins_by_itself_and_nothing_is_lost(
    databases: SqliteBackend, tmp_path: Path
) -> None:
    config = 'version: 1\non_conflict: resolve\nquiet_hours: [{timezone: Europe/Berlin, hours: "14:00-17:00"}]\n'
    async with watching(tmp_path, await databases.fresh(), config=config) as (bench, (_, second, _)):
        await push(bench, edit("b.txt", "theirs"))
        await bench.work()
        assert (await states(bench))[second.number] is CONFLICT
        assert await bench.store.jobs.latest(bench.ref, second.number) is None
        assert bench.check_runs == []
        bench.clock.time = bench.clock.time.replace(hour=16, minute=0)  # 17:00 in Berlin
        await bench.work()
        job = await bench.store.jobs.latest(bench.ref, second.number)
        assert job is not None
        assert (job.state, job.request.requested_by.login) == (JobState.RUNNING, bench.sim.bot.login)
        assert bench.errors == []


async def test_a_job_at_work_is_left_to_itself(watched: tuple[Bench, list[PullRequest]]) -> None:
    bench, (_, second, _) = watched
    bench.sim.people.comment(second, bench.maintainer, "/flowforge resolve")
    await bench.arrived()
    for kind, key in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, key)
    assert await bench.store.jobs.active(bench.ref, second.number) is not None
    await push(bench, edit("b.txt", "theirs"))
    await bench.work()
    assert (await states(bench))[second.number] is CONFLICT
    assert [check.external_id for check in bench.check_runs if check.external_id.startswith("watch-")] == []


async def test_renames_of_files_and_directories_on_either_side(watched: tuple[Bench, list[PullRequest]]) -> None:
    bench, (first, second, third) = watched
    # The file that a pull request changes moves, and its text follows the name.
    await push(bench, {"b.txt": None, "docs/b.txt": BASE["b.txt"]})
    await bench.work()
    assert (await states(bench))[second.number] is CLEAN
    await push(bench, {"docs/b.txt": edit("b.txt", "theirs")["b.txt"]})
    await bench.work()
    assert (await states(bench))[second.number] is CONFLICT
    # The directory that a pull request adds a file to moves away under it.
    await bench.sim.people.commit(
        bench.repository, third.head_ref, {"src/one.py": BASE["src/one.py"], "src/new.py": "new\n"}, author=bench.author
    )
    await bench.work()
    assert (await states(bench))[third.number] is CLEAN
    gone: dict[str, str | None] = {"src/one.py": None, "src/two.py": None}
    await push(bench, gone | {"lib/one.py": BASE["src/one.py"], "lib/two.py": BASE["src/two.py"]})
    await bench.work()
    assert await states(bench) == {first.number: CLEAN, second.number: CONFLICT, third.number: CONFLICT}
    assert {check.head_sha for check in bench.check_runs} == {second.head_sha, third.head_sha}


async def test_a_rewritten_base_a_closed_pull_request_and_a_deleted_fork(
    watched: tuple[Bench, list[PullRequest]],
) -> None:
    bench, (first, second, third) = watched
    fork = await bench.sim.people.fork(bench.repository, bench.stranger)
    await bench.sim.people.commit(fork, "mine", edit("c.txt", "fork"), author=bench.stranger)
    forked = await bench.sim.people.open_pull_request(
        bench.repository, author=bench.stranger, head="mine", head_repository=fork
    )
    await bench.work()
    await bench.sim.people.delete_repository(fork)
    bench.sim.people.close(second, bench.author)
    await bench.sim.people.move_branch(bench.repository, "main", "main~1", actor=bench.maintainer)
    both = edit("b.txt", "theirs") | edit("c.txt", "theirs")
    await push(bench, both)
    await bench.work()
    assert await states(bench) == {first.number: CLEAN, third.number: CLEAN, forked.number: CONFLICT}
    (check,) = bench.check_runs
    assert check.head_sha == forked.head_sha
    assert bench.errors == []


async def test_a_pair_that_git_fails_at_is_set_aside_and_the_others_are_judged(
    watched: tuple[Bench, list[PullRequest]],
) -> None:
    bench, (first, second, third) = watched
    # git 2.39 fails an assertion of its own on these two, and takes the answers about all others with it.
    moved: dict[str, str | None] = {"a.txt": None, "p/s/b.txt": None, "p/s": BASE["a.txt"]}
    await bench.sim.people.commit(bench.repository, "feature", moved, author=bench.author, start="feature~1")
    await push(bench, {"p/s/b.txt": None, "q/s/b.txt": BASE["p/s/b.txt"]} | edit("b.txt", "theirs"))
    await bench.work()
    assert await states(bench) == {first.number: IMPOSSIBLE, second.number: CONFLICT, third.number: CLEAN}
    assert len(bench.check_runs) == 1
    assert bench.errors == []


@pytest.mark.parametrize("seed", range(4))
async def test_deliveries_doubled_and_in_any_order_end_in_the_same_state(
    watched: tuple[Bench, list[PullRequest]], seed: int
) -> None:
    bench, (first, second, third) = watched
    await push(bench, edit("b.txt", "theirs"))
    bench.sim.people.close(third, bench.author)
    await bench.sim.people.reopen(third, bench.author)
    bench.sim.people.close(first, bench.author)
    await bench.sim.people.commit(bench.repository, second.head_ref, edit("b.txt", "ours 2"), author=bench.author)
    await bench.arrived()
    waiting = [key for kind, key in await bench.due() if kind == "delivery"]
    Random(seed).shuffle(waiting)  # noqa: S311
    for key in [*waiting, *waiting]:
        await bench.tick("delivery", key)
    await bench.work()
    assert await states(bench) == {second.number: CONFLICT, third.number: CLEAN}
    assert [shown(check)[:2] for check in bench.check_runs] == [(second.head_sha, "action_required")]


async def test_dying_between_any_two_steps_changes_nothing_in_the_end(
    watched: tuple[Bench, list[PullRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away before each of its transactions in turn; the next worker begins anew."""
    bench, (_, second, _) = watched
    key = f"github:{bench.repository.id}:main"
    await push(bench, edit("b.txt", "theirs"))
    await bench.arrived()
    for kind, each in await bench.due():
        await bench.tick(kind, each)
    database = bench.store.watch._database
    real, left = type(database).writing, 0

    def writing(self: object) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreUnavailableError("gone")
        return real(self)  # type: ignore[arg-type]

    monkeypatch.setattr(type(database), "writing", writing)
    failures = 0
    for allowed in range(60):
        left = allowed
        bench.clock.advance(300)
        if await bench.tick("base_sync", key):
            break
        failures += 1
    monkeypatch.undo()
    assert failures >= 5, "it died at each of its steps"
    for _ in range(3):
        bench.clock.advance(300)
        await bench.work()
    assert [shown(check)[:2] for check in bench.check_runs] == [(second.head_sha, "action_required")]
    assert len(bench.asked("POST", "/check-runs")) == 1
