"""Models that answer with exactly a bad text: none of the gate's seeded faults is proposed, or carried on a branch."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from app.demo.model.liars import Besides
from app.demo.model.replies import Call, Script
from app.demo.model.resolver import HonestResolver
from benchmarks.corpus import FileRow, case_of_file
from benchmarks.gate_cases import candidate_of
from benchmarks.gate_faults import FAULTS, Good
from bot.merge.markers import align
from bot.model.cases import PathHistory
from bot.model.conflicts import ConflictKind, Side, Stage
from bot.model.jobs import JobState
from bot.model.resolutions import GateVerdict
from bot.validation.gate import run_gate
from tests.bot.git.lab import Remote
from tests.scenarios.shared import Scene, SharedStage, shared_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAYS: Final = {
    "direct": "version: 1\nresolvers: {rules: false, recorded: false, structural: false, agent: false}\n",
    "agent": "version: 1\nresolvers: {rules: false, recorded: false, structural: false, direct: false}\n",
}

LEFT_OUT: Final = frozenset({"settled hunk changed"} | {name for name, fault in FAULTS.items() if fault.by_note})
"""What a rule settled no model is asked about; in a sandbox it is an edit elsewhere in the file. And that a side was
dropped whole is shown to people, who do so themselves, and not held against an answer."""


BEFORE: Final = "as it was\n"
"""What the other files hold that a bad answer edits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """A conflict of our own, and a good resolution of it."""

    path: str
    base: str
    ours: str
    theirs: str
    good: str


def _module(rate: str, more: str) -> str:
    lines = "".join(f"LINE_{number} = {number}\n" for number in range(6))
    return f"{rate}{lines}\n\ndef names():\n    found = []\n{more}    return found\n"


_ADD: Final = '    found.append("{}")\n'

CONFLICTS: Final[Mapping[str, Texts]] = {
    "code": Texts(
        path="shop/names.py",
        base=_module("RATE = 1\nKEPT = 1\n", ""),
        ours=_module("RATE = 2\nKEPT = 2\n", _ADD.format("a") + _ADD.format("b")),
        theirs=_module("RATE = 3\nKEPT = 2\n", _ADD.format("c") + _ADD.format("d")),
        good=_module(
            "RATE = 2 + 3\nKEPT = 2\n",
            _ADD.format("a") + _ADD.format("b") + _ADD.format("c") + _ADD.format("d"),
        ),
    ),
    "crlf": Texts(
        path="notes.txt",
        base="first\r\nsecond\r\nthird\r\n\r\nmore\r\nstill more\r\nthe end\r\n",
        ours="first\r\nsecond of ours\r\nand ours\r\nthird\r\n\r\nmore\r\nstill more\r\nthe end\r\n",
        theirs="first\r\nsecond of theirs\r\nand theirs\r\nthird\r\n\r\nmore\r\nstill more\r\nthe end\r\n",
        good="first\r\nsecond of ours\r\nand ours\r\nsecond of theirs\r\nand theirs\r\n"
        "third\r\n\r\nmore\r\nstill more\r\nthe end\r\n",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A conflict and the bad answer to it: the whole text of the conflicted path, and the texts of other files."""

    texts: Texts
    path: str
    answer: bytes
    besides: Mapping[str, bytes]


def good_of(texts: Texts) -> Good:
    """As the measurement of the gate makes it from a row of the corpus."""
    contents = {Side.ANCESTOR: texts.base, Side.OURS: texts.ours, Side.THEIRS: texts.theirs}
    row = FileRow(
        id=texts.path,
        repo="own",
        merge="own",
        merge_class="",
        path=texts.path,
        kind=ConflictKind.CONTENT,
        language="other",
        stages={side: Stage(mode="100644", oid=f"{number}" * 40) for number, side in enumerate(contents, start=1)},
        base=texts.base.encode(),
        ours=texts.ours.encode(),
        theirs=texts.theirs.encode(),
        merged=None,
        resolved=texts.good.encode(),
        resolved_mode="100644",
        resolved_is="",
        binary=False,
        history=PathHistory(ours=frozenset(), theirs=frozenset()),
    )
    case = case_of_file(row)
    assert case is not None
    candidate = candidate_of(row, case.marked, row.resolved)
    assert run_gate(candidate).verdict is GateVerdict.PASS
    parts = align(case.marked, texts.good.encode())
    assert parts is not None
    return Good(candidate=candidate, marked=case.marked, texts=parts)


def bad_ones() -> Iterator[tuple[str, Bad]]:
    """Every seeded fault of every conflict, by name."""
    for conflict, texts in CONFLICTS.items():
        good = good_of(texts)
        for fault in sorted(FAULTS.keys() - LEFT_OUT):
            for number, candidate in enumerate(FAULTS[fault].make(good)):
                (resolution,) = candidate.resolutions
                changed = {path: text or b"" for path, text in candidate.changed.items()}
                answer = changed.pop(resolution.path)
                bad = Bad(texts=texts, path=resolution.path, answer=answer, besides=changed)
                yield f"{fault} {number}, {conflict}", bad


ALL: Final = dict(bad_ones())


def possible(fault: str, way: str) -> list[str]:
    """The bad answers with that fault which can be given that way: a direct call answers for nothing but hunks."""
    mine = [name for name in ALL if name.startswith(f"{fault} ")]
    return mine if way == "agent" else [name for name in mine if not ALL[name].besides]


SAMPLE: Final = [
    (way, names[(3 * position + number) % len(names)])
    for number, way in enumerate(WAYS)
    for position, fault in enumerate(sorted(FAULTS.keys() - LEFT_OUT))
    if (names := possible(fault, way))
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedStage]:
    async with shared_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.mark.parametrize(("way", "name"), SAMPLE, ids=[f"{way}: {name}" for way, name in SAMPLE])
async def test_a_bad_answer_never_gets_out(shared: SharedStage, tmp_path: Path, way: str, name: str) -> None:
    await play_bad(shared, tmp_path, ALL[name], way)


async def play_bad(shared: SharedStage, directory: Path, bad: Bad, way: str) -> None:
    """Let the model answer so; nothing of it may be proposed, and nothing be on a branch of ours."""
    remote = Remote.create(directory / "remote")
    rest = {".flowforge.yml": WAYS[way], **dict.fromkeys(bad.besides, BEFORE)}
    remote.sides(*({**rest, bad.path: text} for text in (bad.texts.base, bad.texts.ours, bad.texts.theirs)))
    scene = await shared.scene(remote.path, script_of(bad, way))
    state, rule = await scene.resolve()
    if state is JobState.AWAITING_APPROVAL and bad.besides:
        # The sandbox already kept the model from the other files; its answer itself is good.
        assert {path: scene.blob(scene.tip, path) for path in bad.besides} == dict.fromkeys(
            bad.besides, BEFORE.encode()
        )
        assert scene.blob(scene.tip, bad.path) == bad.texts.good.encode()
        return
    assert state is JobState.UNRESOLVED, rule
    await scene.until_sticky(bad.path)
    assert "approve" not in {action["identifier"] for action in scene.check_run().actions}
    await assert_nothing_is_carried(scene)


async def assert_nothing_is_carried(scene: Scene) -> None:
    """The one file in conflict is open: there is nothing that a branch could hold."""
    assert scene.branches() == set()
    assert await scene.stage.instance.store.proposals.of_job((await scene.job()).id) is None
    scene.say("/flowforge approve")
    await scene.until_reply("Rule: ")
    assert scene.branches() == set()


def script_of(bad: Bad, way: str) -> Script:
    """The model that answers so, and in a sandbox edits the other files before it reports."""
    script = HonestResolver(answers={bad.path: bad.answer.decode()})
    if way == "direct" or not bad.besides:
        return script
    calls = [
        Call(id=f"toolu_besides_{name}_{number}", name=name, input={"file_path": path, **more})
        for number, (path, text) in enumerate(bad.besides.items(), start=1)
        for name, more in (("Read", {}), ("Edit", {"old_string": BEFORE, "new_string": text.decode()}))
    ]
    return Besides(script=script, calls=calls)
