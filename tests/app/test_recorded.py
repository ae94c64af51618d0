"""Export, import and forget what people approved, with a real database."""

import asyncio
import contextlib
import json
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from app.cli import main
from app.recorded import Row, hunk_line, read_lines, to_line
from app.store.database import SqlStore
from app.store.migrate import upgrade
from bot.errors import BadInputError
from bot.model.cases import RecordedFile, RecordedHunk, RecordedKey
from bot.model.forge import ForgeKind, RepositoryRef
from bot.resolvers.rerere import hunk_digest
from tests.app.store.test_recorded import APPROVED, KEY
from tests.app.store.words import REPOSITORY, CountedIds, HandClock, new_id, sha1
from tests.bot.resolvers.test_rerere import preimage, put

OIDS = st.none() | st.text(alphabet="0123456789abcdef", min_size=40, max_size=40)
KEYS = st.builds(
    RecordedKey,
    path=st.text(min_size=1, max_size=20) | st.just("caf\udce9"),
    ancestor=OIDS,
    ours=OIDS,
    theirs=OIDS,
)
FILES = st.builds(RecordedFile, content=st.binary(max_size=40), source=st.text(max_size=20))


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    made = f"sqlite:///{tmp_path / 'x.db'}"
    monkeypatch.setenv("FLOWFORGE_DATABASE_URL", made)
    asyncio.run(upgrade(made))
    return made


def remember(url: str, *files: RecordedFile, repository: RepositoryRef = REPOSITORY, key: RecordedKey = KEY) -> None:
    async def work() -> None:
        store = SqlStore.open(url, HandClock(), CountedIds())
        for file in files:
            await store.recorded.remember(repository, {key: file}, job_id=new_id())
        await store.close()

    asyncio.run(work())


def everything(url: str) -> list[tuple[RecordedKey, RecordedFile]]:
    async def work() -> list[tuple[RecordedKey, RecordedFile]]:
        store = SqlStore.open(url, HandClock(), CountedIds())
        try:
            return await store.recorded.export(REPOSITORY)
        finally:
            await store.close()

    return asyncio.run(work())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["recorded", *arguments])


HUNKS = st.builds(
    RecordedHunk,
    digest=st.text(alphabet="0123456789abcdef", min_size=64, max_size=64),
    content=st.binary(max_size=40),
    source=st.text(max_size=20),
)


@given(st.lists(st.tuples(KEYS, FILES) | HUNKS, max_size=5))
def test_what_is_written_is_read(rows: list[Row]) -> None:
    lines = [hunk_line(row) if isinstance(row, RecordedHunk) else to_line(*row) for row in rows]
    assert list(read_lines(BytesIO(b"\n".join(lines)))) == rows


def test_a_line_of_an_older_export_has_no_kind() -> None:
    line = json.loads(to_line(KEY, APPROVED))
    del line["kind"]
    assert list(read_lines(BytesIO(json.dumps(line).encode()))) == [(KEY, APPROVED)]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with contextlib.suppress(BadInputError):
        list(read_lines(BytesIO(data)))


def changed(**values: object) -> bytes:
    return json.dumps(json.loads(to_line(KEY, APPROVED)) | values).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b"null",
        changed(path=""),
        changed(path="x" * 4097),
        changed(ours="HEAD"),
        changed(ours="a" * 41),
        changed(ours=sha1("x") + "\n"),
        changed(content="no base64!"),
        changed(more=1),
        changed(kind="line"),
        changed(kind="hunk"),
        b'{"kind": "hunk", "digest": "A", "content": "", "source": ""}',
    ],
)
def test_a_line_that_is_none_of_ours_is_named(line: bytes) -> None:
    with pytest.raises(BadInputError, match="line 2"):
        list(read_lines(BytesIO(to_line(KEY, APPROVED) + line)))


@pytest.mark.parametrize("at_once", [1, 100])
def test_an_export_can_be_imported_elsewhere_and_taken_back(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("app.recorded._AT_ONCE", at_once)
    newer = RecordedFile(content=b"newer", source="later")
    remember(url, APPROVED, newer)
    done = run("export", "Acme/SHOP")
    assert done.exit_code == 0, done.output
    assert len(done.stdout_bytes.splitlines()) == 2
    lines = tmp_path / "lines"
    lines.write_bytes(done.stdout_bytes)

    assert "Forgotten: 2" in run("forget", str(REPOSITORY.id), "--all").output
    assert everything(url) == []
    for _ in range(2):
        done = run("import", "acme/shop", str(lines))
        assert done.exit_code == 0, done.output
        assert everything(url) == [(KEY, newer)], "the newest counts, once"
    name = done.output.split()[-1]
    assert "Forgotten: 1" in run("forget", "acme/shop", "--job", name).output
    assert everything(url) == []


def test_one_bad_line_and_nothing_is_imported(url: str, tmp_path: Path) -> None:
    remember(url, APPROVED)
    lines = tmp_path / "lines"
    lines.write_bytes(changed(path="other") + b"\n{}\n")
    done = run("import", "acme/shop", str(lines))
    assert done.exit_code == 1
    assert "line 2" in done.output
    assert everything(url) == [(KEY, APPROVED)]


def test_git_s_cache_is_imported(url: str, tmp_path: Path) -> None:
    remember(url, APPROVED)
    cache = tmp_path / "rr-cache"
    put(cache, preimage(b"a\n", b"b\n"), b"top\nboth\nend\n")
    assert "1 hunks read, 1 of them new" in run("import", "acme/shop", str(cache)).output
    assert "1 hunks read, 0 of them new" in run("import", "acme/shop", str(cache)).output

    async def find() -> dict[str, bytes]:
        store = SqlStore.open(url, HandClock(), CountedIds())
        found = await store.recorded.find_hunks(REPOSITORY, [hunk_digest(b"b\n", b"a\n")])
        await store.close()
        return dict(found)

    assert list(asyncio.run(find()).values()) == [b"both\n"]


def test_what_came_from_git_s_cache_is_exported_and_comes_back_with_its_source(url: str, tmp_path: Path) -> None:
    remember(url, APPROVED)
    cache = tmp_path / "rr-cache"
    put(cache, preimage(b"a\n", b"b\n"), b"top\nboth\nend\n")
    assert run("import", "acme/shop", str(cache)).exit_code == 0
    before = run("export", "acme/shop").stdout_bytes
    assert [json.loads(line)["kind"] for line in before.splitlines()] == ["file", "hunk"]
    assert RecordedHunk(
        digest=hunk_digest(b"a\n", b"b\n"), content=b"both\n", source="git rerere cache rr-cache"
    ) in list(read_lines(BytesIO(before)))

    lines = tmp_path / "lines"
    lines.write_bytes(before)
    assert "Forgotten: 2" in run("forget", "acme/shop", "--all").output
    assert run("export", "acme/shop").stdout_bytes == b""
    for new in (1, 0):
        done = run("import", "acme/shop", str(lines))
        assert f"1 resolutions and 1 hunks, {new} of them new, read" in done.output
        assert run("export", "acme/shop").stdout_bytes == before


def test_what_to_forget_is_to_be_said(url: str) -> None:
    remember(url, APPROVED)
    remember(url, APPROVED, key=RecordedKey(path="b.py", ancestor=None, ours=None, theirs=None))
    assert run("forget", "acme/shop").exit_code == 2
    assert run("forget", "acme/shop", "--all", "--path", "b.py").exit_code == 2
    assert "Forgotten: 1" in run("forget", "acme/shop", "--path", "b.py").output
    assert everything(url) == [(KEY, APPROVED)]


def test_a_repository_that_is_not_known_or_not_one_is_a_sentence(url: str) -> None:
    done = run("export", "acme/shop")
    assert (done.exit_code, "never asked" in done.output) == (1, True)
    remember(url, APPROVED)
    twin = RepositoryRef(forge=ForgeKind.GITHUB, id=5, owner="ACME", name="shop", installation_id=77)
    remember(url, APPROVED, repository=twin)
    done = run("export", "acme/shop")
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert run("export", "5").exit_code == 0
