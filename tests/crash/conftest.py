"""One host for a test process, and what undisturbed trials come to, found out once for all processes."""

import asyncio
import fcntl
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.app.store.backends import PostgresBackend, SqliteBackend
from tests.crash.matrix import Recording, record
from tests.crash.stories import Story
from tests.crash.world import Host, open_host


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def host() -> AsyncIterator[Host]:
    async with open_host() as host:
        yield host


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A directory that all test processes of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if hasattr(request.config, "workerinput") else base) / "crash"
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture(scope="session")
def recording_of(
    host: Host, sqlite_backend: SqliteBackend, postgres_backend: PostgresBackend, shared: Path
) -> Callable[[Story], Awaitable[Recording]]:
    """Gives the recording of a story, played once on each database; whichever process needs it first makes it."""

    async def give(story: Story) -> Recording:
        place = shared / f"{story.name}.json"
        with place.with_suffix(".lock").open("a") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            if not place.exists():
                _write(place, await record(host, sqlite_backend, story, other=postgres_backend))
            return _read(place)

    return give


def _write(place: Path, recording: Recording) -> None:
    unfinished = place.with_suffix(".new")
    unfinished.write_text(json.dumps({"facts": dict(recording.facts), "points": recording.points}), encoding="utf-8")
    unfinished.replace(place)


def _read(place: Path) -> Recording:
    kept = json.loads(place.read_text(encoding="utf-8"))
    return Recording(facts=Counter(kept["facts"]), points=tuple(kept["points"]))
