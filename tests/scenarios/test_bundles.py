"""The corpus's repositories, one of every kind, from the comment to the push; a person's merge is known of each."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from app.demo.model.resolver import HonestResolver
from bot.model.jobs import JobState
from bot.model.reports import ConflictRecord, ResolutionStatus
from tests.scenarios.shared import SIDES, Scene, SharedStage, shared_stage

CORPUS: Final = Path(__file__).parents[2].parent / "shared" / "corpus" / "conflicts"
BRANCHES: Final = {**SIDES, "person": "refs/heads/resolved"}
# Reading four large files costs an agent more than the usual budget.
CONFIG: Final = "version: 1\nbudget_usd: 5\nresolvers: {rules: false, recorded: false, structural: false}\n"

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not (CORPUS / "bundles").exists(), reason="needs ../shared/corpus/conflicts/bundles"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Paths for people, by kind; ``own_way`` are those of them that the person left as neither side had them.

    ``beyond`` are texts that the person changed outside of the hunks, too, which no model may: it has no answer there,
    and what it makes by rule does not always pass. ``rule`` is why the job ends while something is open.
    """

    people: Mapping[str, str] = field(default_factory=dict)
    own_way: frozenset[str] = frozenset()
    beyond: frozenset[str] = frozenset()
    rule: str = "needs_person"


_KAFKA: Final = "streams/src/main/java/org/apache/kafka/streams/kstream/"
_ORM: Final = "tests/Tests/ORM/"

BUNDLES: Final[Mapping[str, Expected]] = {
    "content-single": Expected(),
    "content-multi": Expected(),
    "add-add": Expected(),
    "mode": Expected(),
    "lockfile-manifest": Expected(
        people={"go.sum": "content", "storage/remote/queue_manager_test.go": "content"},
        own_way=frozenset({"go.sum", "storage/remote/queue_manager_test.go"}),
        beyond=frozenset({"storage/remote/queue_manager.go", "storage/remote/queue_manager_test.go"}),
        rule="gate",
    ),
    "modify-delete": Expected(people={"src/Illuminate/Foundation/Testing/Assert.php": "modify/delete"}),
    "rename-delete": Expected(
        people={
            f"{_KAFKA}AggregatorSupplier.java": "rename/delete",
            f"{_KAFKA}Window.java": "modify/delete",
            f"{_KAFKA}internals/KStreamJoinWindow.java": "rename/delete",
            f"{_KAFKA}internals/KStreamKStreamJoin.java": "rename/delete",
        }
    ),
    "rename-rename": Expected(
        people={
            "Sources/swift-build/main.swift": "rename/rename",
            "Sources/swift-build/Entrypoint.swift": "rename/rename",
            "Sources/swift-run/Entrypoint.swift": "rename/rename",
        },
        own_way=frozenset({"Sources/swift-run/Entrypoint.swift"}),
    ),
    "directory-rename": Expected(
        people={
            "src/UnitOfWork.php": "rename/delete",
            f"{_ORM}UnitOfWorkTest.php": "rename/delete",
            f"{_ORM}Utility/IdentifierFlattenerDateTimeImmutableIdTest.php": "directory rename",
        },
        own_way=frozenset({"src/UnitOfWork.php", f"{_ORM}UnitOfWorkTest.php"}),
    ),
    "binary": Expected(people={"numpy/doc/swig/doc/testing.pdf": "binary"}),
    "submodule": Expected(people={"subprojects/array_api_extra": "submodule"}),
}


@cache
def manifest() -> dict[str, Any]:
    entries = json.loads((CORPUS / "bundles" / "manifest.json").read_bytes())
    return {Path(entry["bundle"]).stem: entry for entry in entries}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedStage]:
    async with shared_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


async def test_every_bundle_is_played() -> None:
    assert set(BUNDLES) == set(manifest())


@pytest.mark.parametrize("name", BUNDLES)
async def test_a_bundle_ends_as_the_person_had_it(shared: SharedStage, name: str) -> None:
    """The model answers with the person's texts, and a person decides what the person decided."""
    entry, expected = manifest()[name], BUNDLES[name]
    answers: dict[str, str] = {}
    scene = await shared.scene(CORPUS / entry["bundle"], HonestResolver(answers=answers), branches=BRANCHES)
    person = scene.repository.refs["refs/heads/person"]
    answers |= texts_of(scene, person, set(entry["conflicted"]) - expected.beyond)
    await scene.push({".flowforge.yml": CONFIG}, branch="main")
    ended = await scene.resolve()
    records = await scene.records()
    left = {path: record for path, record in records.items() if record.status is ResolutionStatus.OPEN}
    assert set(records) == set(entry["conflicted"])
    assert {path: record.kind for path, record in left.items()} == expected.people
    assert ended == ((JobState.UNRESOLVED, expected.rule) if left else (JobState.AWAITING_APPROVAL, None))
    safe = set(records) - set(left)
    if left:
        assert safe == (scene.changed_by_us() if scene.branches() else set())
        await scene.until_sticky("/flowforge take")
    if safe:
        assert_as_the_person(scene, scene.tip, safe - expected.beyond)
    ended = await decide_as(scene, person, left)
    if expected.own_way:
        assert ended == (JobState.UNRESOLVED, expected.rule)
        still = {path for path, record in (await scene.records()).items() if record.status is ResolutionStatus.OPEN}
        assert still == expected.own_way
        return
    assert ended == (JobState.AWAITING_APPROVAL, None)
    await scene.until_branches(1)
    commit = scene.tip
    scene.say("/flowforge approve")
    await scene.until_head(commit)
    assert_as_the_person(scene, commit, set(records))


def assert_as_the_person(scene: Scene, commit: str, paths: set[str]) -> None:
    """Mode and bytes of these paths are those of the person's merge."""
    ours, meant = scene.entries(commit), scene.entries(scene.repository.refs["refs/heads/person"])
    assert {path: ours.get(path) for path in paths} == {path: meant.get(path) for path in paths}


def texts_of(scene: Scene, commit: str, paths: set[str]) -> dict[str, str]:
    blobs = {path: scene.blob(commit, path) for path in paths}
    return {path: blob.decode() for path, blob in blobs.items() if blob is not None and b"\0" not in blob}


async def decide_as(scene: Scene, person: str, left: Mapping[str, ConflictRecord]) -> tuple[JobState, str | None]:
    """Take of each path what the person's merge has there, where it is a side's."""
    meant = scene.entries(person)
    count = 1
    for path, record in left.items():
        fitting = [side for side, stage in record.stages.items() if (stage.mode, stage.oid) == meant.get(path)]
        if path in meant and not fitting:
            continue
        choice = "delete" if path not in meant else fitting[0].name.lower().replace("ancestor", "base")
        count += 1
        scene.say(f"/flowforge take {choice} {path}")
        await scene.ended(count=count)
    return await scene.ended(count=count)
