"""A pull request in conflict of every kind, from the comment to the tree that is pushed."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from app.demo.model.resolver import HonestResolver
from bot.model.conflicts import ConflictKind
from bot.model.jobs import JobState
from bot.model.reports import ConflictRecord, ResolutionStatus
from tests.bot.git.lab import Content, Files, Remote, numbered
from tests.kinds import (
    BOM,
    CASES,
    LEFT,
    MARKED,
    OTHER,
    REST,
    TEXT,
    build,
    directory,
    executable,
    link,
    module,
    pointer,
)
from tests.scenarios.shared import Scene, SharedStage, shared_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH: Final = numbered(n3="ours\ntheirs")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedStage]:
    async with shared_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The tree that is pushed in the end, and the way to it.

    ``answers`` is what the model knows, ``settled`` names the resolvers by path, and ``takes`` are the decisions of a
    person, each a choice and a path (``a~`` stands for the name that git made of it). Without takes the merge is
    proposed at once.
    """

    tree: Files
    answers: Mapping[str, str] = field(default_factory=dict)
    settled: Mapping[str, str] = field(default_factory=dict)
    takes: tuple[tuple[str, str], ...] = ()


def by_model(text: str, path: str = "a", **more: Content) -> Ending:
    return Ending(tree={path: text, **more}, answers={path: text}, settled={path: "direct"})


def by_rule(text: str | bytes, rule: str) -> Ending:
    return Ending(tree={"a": text}, settled={"a": rule})


def by_person(tree: Files, *takes: tuple[str, str]) -> Ending:
    return Ending(tree=tree, takes=takes)


ENDINGS: Final[Mapping[str, Ending]] = {
    # ---- text
    "content": by_model(BOTH),
    "crlf": by_model("x\r\no and t\r\nz\r\n"),
    "crlf by one side": by_rule("x\nt\nz\n", "whitespace"),
    "no final newline": by_model("x\no and t"),
    "final newline by one side": by_rule("x\nt\n", "whitespace"),
    "not utf-8": by_person({"a": b"caf\xe9\n\xe7\n\xff\n"}, ("theirs", "a")),
    "byte order mark": by_model(BOM.decode() + "x\no and t\nz\n"),
    "legitimate markers": by_model(MARKED + BOTH),
    "added by both": Ending(tree={**REST, "a": BOTH}, answers={"a": BOTH}, settled={"a": "direct"}),
    "renamed and edited": by_model(BOTH, "b"),
    "criss-cross": by_model(numbered(n3="o and t", n20="r")),
    "criss-cross without a base": by_model(numbered(n3="o and t")),
    "criss-cross of kinds": by_model(BOTH, rest=REST["rest"]),
    "mode changed by one side": by_model(BOTH),
    # ---- one side has it no more
    "deleted by us": by_person(REST, ("delete", "a")),
    "deleted by them": by_person({"a": LEFT, **REST}, ("ours", "a")),
    "renamed and deleted": by_person({"b": TEXT, **REST}, ("ours", "b")),
    "renamed with an edit and deleted": by_person({"b": TEXT, **REST}, ("base", "b")),
    # ---- renames meet
    "renamed to two names": by_person({"b": LEFT, **REST}, ("delete", "a"), ("ours", "b"), ("delete", "c")),
    "two renamed to one name": by_person({"c": OTHER}, ("theirs", "c")),
    "renamed onto an added file": by_person({"b": "else\n"}, ("theirs", "b")),
    "renamed onto an added file, both edited": by_person({"b": LEFT}, ("ours", "b")),
    "directory renamed": by_person(directory("e", new="n\n"), ("theirs", "e/new")),
    "directory renamed, file in the way": by_person(directory("e", new="way\n"), ("ours", "e/new")),
    # ---- other things than text
    "link and file": by_person({"a": link("x")}, ("theirs", "a"), ("delete", "a~")),
    "directory in the way": by_person({"a/b": "x"}, ("delete", "a~")),
    "mode and text added differently": by_person({**REST, "a": executable(LEFT)}, ("ours", "a")),
    "links": by_person({"a": link("z")}, ("theirs", "a")),
    "binary": by_person({"a": "\0a"}, ("base", "a")),
    "submodule": by_person({"a": module("3")}, ("theirs", "a")),
    "lfs pointers": by_person({"a": pointer("1")}, ("ours", "a")),
    # ---- several at once
    "several on one path": by_person({"b": link("x"), **REST}, ("theirs", "b"), ("delete", "b~")),
    "submodule and text behind it": Ending(
        tree={"a": module("2"), "b": BOTH}, answers={"b": BOTH}, settled={"b": "direct"}, takes=(("ours", "a"),)
    ),
    "several in one merge": Ending(
        tree={"a": BOTH, "c": "\0c"},
        answers={"a": BOTH},
        settled={"a": "direct"},
        takes=(("delete", "b"), ("theirs", "c")),
    ),
}


async def test_no_kind_is_missing() -> None:
    played = {kind for name in ENDINGS for kind, _ in CASES[name].expected.values()}
    assert played == set(ConflictKind) - {ConflictKind.UNKNOWN}


@pytest.mark.parametrize("name", ENDINGS)
async def test_a_conflict_goes_from_the_comment_to_the_push(shared: SharedStage, tmp_path: Path, name: str) -> None:
    ending = ENDINGS[name]
    remote = Remote.create(tmp_path / "remote")
    ours, theirs = build(remote, name)
    scene = await shared.scene(remote.path, HonestResolver(answers=ending.answers))
    assert await scene.resolve() == (
        (JobState.UNRESOLVED, "needs_person") if ending.takes else (JobState.AWAITING_APPROVAL, None)
    )
    records = await scene.records()
    assert {path: record.kind for path, record in by_expected_name(records).items()} == {
        path: kind.value for path, (kind, _) in CASES[name].expected.items()
    }
    assert {
        path: {answer.resolver for answer in record.answers}
        for path, record in records.items()
        if record.status is ResolutionStatus.RESOLVED
    } == {path: {resolver} for path, resolver in ending.settled.items()}
    assert scene.model_calls == (1 if ending.answers else 0)
    if ending.takes:
        await people_are_told(scene, records)
        only_what_is_safe_is_carried(scene, ending)
    for number, (choice, path) in enumerate(ending.takes, start=2):
        scene.say(f"/flowforge take {choice} {next(real for real in records if named(real) == path)}")
        last = number == len(ending.takes) + 1
        expected = (JobState.AWAITING_APPROVAL, None) if last else (JobState.UNRESOLVED, "needs_person")
        assert await scene.ended(count=number) == expected
        await scene.until_branches(1)
    commit = scene.tip
    assert scene.parents(commit) == [ours, theirs]
    scene.say("/flowforge approve")
    await scene.until_head(commit)
    assert scene.tree(commit) == remote.tree(ending.tree)
    assert scene.model_calls == (1 if ending.answers else 0)


async def people_are_told(scene: Scene, records: Mapping[str, ConflictRecord]) -> None:
    """The kind, why it is theirs, what is suggested, and what to say."""
    await scene.until_sticky("/flowforge take")
    sticky = scene.sticky.replace("`", "")
    for path, record in records.items():
        if record.status is ResolutionStatus.RESOLVED:
            continue
        told = next(line for line in sticky.splitlines() if line.startswith(f"| {path} |"))
        assert record.reasons[0] in told
        assert "/flowforge take " in told
        if record.suggestion is not None:
            assert record.suggestion.reason in told
            assert f"/flowforge take {record.suggestion.choice} {path}" in told


def only_what_is_safe_is_carried(scene: Scene, ending: Ending) -> None:
    """Nobody can merge it: it has one parent, and nothing of a file that is open."""
    assert len(scene.branches()) == (1 if ending.settled else 0)
    if ending.settled:
        assert scene.parents(scene.tip) == [scene.pull.head_sha]
        assert scene.changed_by_us() == set(ending.settled)
    assert {action["identifier"] for action in scene.check_run().actions}.isdisjoint({"approve"})


def by_expected_name(records: Mapping[str, ConflictRecord]) -> dict[str, ConflictRecord]:
    return {named(path): record for path, record in records.items()}


def named(path: str) -> str:
    """A path as ``tests.kinds`` writes it: without the commit that git adds to a name."""
    name, mark, _ = path.partition("~")
    return name + mark


async def test_a_directory_is_nobodys_to_take(shared: SharedStage, tmp_path: Path) -> None:
    """Taking nothing in its place would take the files below it away, of which nobody spoke."""
    remote = Remote.create(tmp_path / "remote")
    build(remote, "directory split")
    scene = await shared.scene(remote.path, HonestResolver())
    assert await scene.resolve() == (JobState.UNRESOLVED, "needs_person")
    sticky = await scene.until_sticky("its directory was renamed")
    assert "/flowforge take" not in sticky
    scene.say("/flowforge take delete d")
    await scene.until_reply("is about a directory: no side has a version to take")
