"""A model that knows the person's resolution: through the whole service, the person's bytes come out."""

from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from app.demo.model.resolver import HonestResolver
from app.demo.stage import Stage, open_stage
from benchmarks.corpus import CORPUS, FileRow
from benchmarks.oracle import play_row, rows_of
from bot.model.jobs import JobState
from tests.bot.git.lab import Remote
from tests.scenarios.shared import shared_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILES: Final = CORPUS / "files.jsonl.gz"
SAMPLED: Final = 12
WAYS: Final = ("agent", "direct")

BASE: Final = {
    "crlf.txt": "first\r\nsecond\r\nthird\r\n",
    "open end.txt": "first\nsecond",
    "wörter.md": "# Wörter\n\nEins\n\nZwei\n",
    "many/a.py": "ONE = 1\n" + "\n" * 6 + "TWO = 2\n" + "\n" * 6 + "THREE = 3\n",
    "many/b.py": "FOUR = 4\n" + "\n" * 6 + "FIVE = 5\n",
}


def changed(side: str) -> dict[str, str]:
    """Every file of ``BASE`` as a side changed it."""
    return {
        "crlf.txt": f"first\r\nsecond of {side}\r\nthird\r\n",
        "open end.txt": f"first\nsecond of {side}",
        "wörter.md": f"# Wörter\n\nEins für {side}\n\nZwei\n",
        "many/a.py": f"ONE = '{side}'\n" + "\n" * 6 + f"TWO = '{side}'\n" + "\n" * 6 + f"THREE = '{side}'\n",
        "many/b.py": f"FOUR = '{side}'\n" + "\n" * 6 + f"FIVE = '{side}'\n",
    }


PERSON: Final = {
    "crlf.txt": "first\r\nsecond of both\r\n\r\nthird\r\n",
    "open end.txt": "first\nsecond of both\nand none",
    "wörter.md": "# Wörter\n\nEins für ours … and theirs 🐙 \n\nZwei\n",
    "many/a.py": "ONE = 1\nAND = 'ours'\n" + "\n" * 6 + "TWO = 'theirs'\n" + "\n" * 6 + "THREE = 'ours', 'theirs'\n",
    "many/b.py": "FOUR = 'ours'\n" + "\n" * 6 + "FIVE = 'ours and theirs'\n",
}
OWN: Final = (("crlf.txt",), ("open end.txt",), ("wörter.md",), ("many/a.py", "many/b.py"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WAYS)
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    overrides: dict[str, object] = {"direct_calls": request.param == "direct"}
    directory = tmp_path_factory.mktemp("stage")
    async with open_stage(directory, script=HonestResolver(), overrides=overrides) as opened:
        yield opened


@cache
def rows() -> tuple[FileRow, ...]:
    """Some rows from all over the corpus."""
    found = tuple(rows_of(FILES))
    return found[:: max(1, len(found) // SAMPLED)][:SAMPLED]


@pytest.mark.skipif(not FILES.exists(), reason="needs ../shared/corpus/conflicts/files.jsonl.gz")
@pytest.mark.parametrize("number", range(SAMPLED))
async def test_a_row_of_the_corpus_comes_out_as_the_person_had_it(stage: Stage, tmp_path: Path, number: int) -> None:
    """Or is not proposed at all, because a check or a rule, by its name, keeps it from that."""
    outcome = await play_row(stage, rows()[number], tmp_path / "row", number)
    assert outcome.what == "same" or (outcome.what in {"gate", "open"} and outcome.why and outcome.words), outcome


@pytest.mark.parametrize("way", WAYS)
async def test_our_own_come_out_byte_for_byte(tmp_path: Path, way: str) -> None:
    config = {".flowforge.yml": "version: 1\nresolvers: {rules: false, recorded: false, structural: false}\n"}
    async with shared_stage(tmp_path / "stage", direct=way == "direct") as shared:
        for number, names in enumerate(OWN):
            remote = Remote.create(tmp_path / f"remote-{number}")
            sides = (BASE, changed("ours"), changed("theirs"))
            remote.sides(*({**config, **dict(_only(side, names))} for side in sides))
            scene = await shared.scene(remote.path, HonestResolver(answers=PERSON))
            assert await scene.resolve() == (JobState.AWAITING_APPROVAL, None)
            assert {name: scene.blob(scene.tip, name) for name in names} == {
                name: text.encode() for name, text in _only(PERSON, names)
            }
            records = await scene.records()
            assert {answer.resolver for record in records.values() for answer in record.answers} == {way}


def _only(files: dict[str, str], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((name, files[name]) for name in names)
