"""The honest resolver through the real Claude Code: byte for byte what was meant."""

import random
from pathlib import Path

import pytest
import pytest_asyncio

from app.demo.model.resolver import HonestResolver
from app.demo.model.server import ScriptedModel
from tests.app.demo.model.claude import Workspace, merge_file

LINES = [f"line {number}\n" for number in range(1, 31)]


def _edited(changes: dict[int, str], lines: list[str] | None = None) -> str:
    return "".join(changes.get(number, line) for number, line in enumerate(lines or LINES, 1))


async def _resolve(workspace: Workspace, answers: dict[str, str], *, feedback: tuple[str, ...] = ()) -> ScriptedModel:
    workspace.write_context(feedback=feedback)
    async with ScriptedModel.serve(HonestResolver(answers=answers)) as model:
        outcome = await workspace.run(model.base_url)
    assert outcome.exit_code == 0, (outcome.stderr, outcome.events[-1:])
    reported = {file["path"]: [hunk["index"] for hunk in file["hunks"]] for file in outcome.report["files"]}
    assert set(reported) == set(workspace.files)
    assert "Scripted model" in outcome.report["summary"]
    assert all(hunk["resolved"] and hunk["reason"] for file in outcome.report["files"] for hunk in file["hunks"])
    return model


async def test_keeps_both_changes_without_answers(workspace: Workspace, tmp_path: Path) -> None:
    base = _edited({})
    ours = _edited({5: "ours A\nline 5\n", 20: "ours B\n"})
    theirs = _edited({5: "line 5\ntheirs A\n", 20: "theirs B\n"})
    workspace.put("src/a.txt", merge_file(tmp_path, base=base.encode(), ours=ours.encode(), theirs=theirs.encode()))
    model = await _resolve(workspace, {})
    resolved = workspace.read("src/a.txt").decode()
    assert "ours A\nline 5\ntheirs A\n" in resolved
    assert "ours B\ntheirs B\n" in resolved
    assert "<<<" not in resolved
    assert [call.query for call in model.calls] == ["beta=true"] * 4


CASES: dict[str, tuple[str, bytes, bytes, bytes, str]] = {
    "one hunk": ("a.py", b"a\nb\nc\n", b"a\nB1\nc\n", b"a\nB2\nc\n", "a\nB1+B2\nc\n"),
    "several hunks": (
        "a.py",
        _edited({}).encode(),
        _edited({3: "o3\n", 15: "o15\n", 28: "o28\n"}).encode(),
        _edited({3: "t3\n", 15: "t15\n", 28: "t28\n"}).encode(),
        _edited({3: "x\ny\n", 15: "", 28: "o28\n"}),
    ),
    "crlf": ("a.txt", b"a\r\nb\r\nc\r\n", b"a\r\nB1\r\nc\r\n", b"a\r\nB2\r\nc\r\n", "a\r\nB\r\nBB\r\nc\r\n"),
    "no final newline": ("a.txt", b"a\nb", b"a\nB1", b"a\nB2", "a\nB"),
    "final newline gained": ("a.txt", b"a\nb", b"a\nB1", b"a\nB2", "a\nB\n"),
    "tabs": ("Makefile", b"all:\n\tb\n", b"all:\n\tB1\n", b"all:\n\tB2\n", "all:\n\tB1\n\t\tB2\n"),
    "trailing spaces": ("a.py", b"a\nb\nc\n", b"a\nB1  \nc\n", b"a\nB2\nc\n", "a\nB1  \nB2\t\n\u00a0\nc\n"),
    "trailing spaces at the end": ("a.py", b"a\nb", b"a\nB1", b"a\nB2", "a\nB  "),
    "trailing spaces in markdown": ("a.md", b"a\nb\nc\n", b"a\nB1\nc\n", b"a\nB2\nc\n", "a\nB  \nc\n"),
    "one blank line": ("a.py", b"a\nb\nc\n", b"a\nB1\nc\n", b"a\nB2\nc\n", "a\n\nc\n"),
    "nothing left of the hunk": ("a.py", b"a\nb\nc\n", b"a\nB1\nc\n", b"a\nB2\nc\n", "a\nc\n"),
    "nothing left of the file": ("a.py", b"b\n", b"B1\n", b"B2\n", ""),
    "end of the file goes": ("a.py", b"a\nb\n", b"a\nB1\n", b"a\nB2\n", "a\n"),
    "not ASCII": (
        "a.py",
        "é\nb\n日本\n".encode(),
        "é\nB1 ü\n日本\n".encode(),
        "é\nB2 🙂\n日本\n".encode(),
        "é\nB ü🙂\u2028x\n日本\n",
    ),
    "curly quotes": (
        "a.md",
        b"a\nb\nc\n",
        "a\n\u201cB1\u201d \u2018x\u2019\nc\n".encode(),
        b"a\n\"B2\" 'x'\nc\n",
        "a\n\u201cB1\u201d \"B2\" 'x'\nc\n",
    ),
    "path with spaces": ("dir with space/ä ö.txt", b"a\nb\n", b"a\nB1\n", b"a\nB2\n", "a\nB\n"),
    "lone carriage return": ("a.txt", b"a\nb\nc\n", b"a\nB\r1\nc\n", b"a\nB\r2\nc\n", "a\nB\r1\r2\nc\n"),
    "byte order mark in a hunk": (
        "a.txt",
        b"\xef\xbb\xbfb\nc\n",
        b"\xef\xbb\xbfB1\nc\n",
        b"\xef\xbb\xbfB2\nc\n",
        "\ufeffB\nc\n",
    ),
    "byte order mark outside": (
        "a.txt",
        b"\xef\xbb\xbfa\nb\nc\n",
        b"\xef\xbb\xbfa\nB1\nc\n",
        b"\xef\xbb\xbfa\nB2\nc\n",
        "\ufeffa\nB\nc\n",
    ),
    "outside the hunk too": (
        "a.py",
        _edited({}).encode(),
        _edited({10: "o\n"}).encode(),
        _edited({10: "t\n"}).encode(),
        "# a header\n" + _edited({10: "o\nt\n", 25: "changed\n"}),
    ),
    "looks like markers": (
        "a.rst",
        b"Title\n=====\nb\n",
        b"Title\n=====\nB1\n=======\n",
        b"Title\n=====\nB2\n>>>>>>> x\n",
        "Title\n=====\nB1\n=======\nB2\n>>>>>>> x\n",
    ),
    "line ends converted on one side": (
        "a.txt",
        b"a\nb\nc\nd\n",
        b"a\nb\nc\nd2\n",
        b"a\r\nb\r\nc1\r\nd\r\n",
        "a\r\nb\r\nc1\r\nd2\r\n",
    ),
    "mixed line ends": (
        "a.txt",
        b"a\r\nb\r\nc\nd\r\ne\r\n",
        b"a\r\nB1\r\nc\nd\r\ne\r\n",
        b"a\r\nB2\r\nc\nd\r\ne\r\n",
        "a\r\nB1\r\nB2\nc\nd\r\ne\r\n",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All cases in one run of Claude Code, each in a directory of its own."""
    workspace = Workspace(directory=tmp_path_factory.mktemp("cases") / "run")
    scratch = tmp_path_factory.mktemp("scratch")
    answers = {}
    for name, (path, base, ours, theirs, answer) in CASES.items():
        workspace.put(f"{name}/{path}", merge_file(scratch, base=base, ours=ours, theirs=theirs))
        answers[f"{name}/{path}"] = answer
    await _resolve(workspace, answers)
    return {name: workspace.read(f"{name}/{case[0]}") for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_written_byte_for_byte(name: str, written: dict[str, bytes]) -> None:
    assert written[name] == CASES[name][4].encode()


async def test_identical_hunks_get_different_resolutions(workspace: Workspace, tmp_path: Path) -> None:
    block = [*(f"same {number}\n" for number in range(8)), "value\n"]
    lines = block * 3
    numbers = [9, 18, 27]
    base = "".join(lines)
    ours = _edited(dict.fromkeys(numbers, "ours\n"), lines)
    theirs = _edited(dict.fromkeys(numbers, "theirs\n"), lines)
    workspace.put("a.txt", merge_file(tmp_path, base=base.encode(), ours=ours.encode(), theirs=theirs.encode()))
    answer = _edited({9: "first\n", 18: "second\n", 27: ""}, lines)
    await _resolve(workspace, {"a.txt": answer})
    assert workspace.read("a.txt").decode() == answer


@pytest.mark.parametrize("lines", [3_500, 60_000])
async def test_a_file_too_large_to_read_at_once(lines: int, workspace: Workspace, tmp_path: Path) -> None:
    content = [f"line {number} {'lorem ipsum ' * 6}\n" for number in range(1, lines + 1)]
    places = {2: "first", lines // 2: "middle", lines - 1: "last"}
    ours = _edited({number: f"ours {name}\n" for number, name in places.items()}, content)
    theirs = _edited({number: f"theirs {name}\n" for number, name in places.items()}, content)
    workspace.put(
        "big.txt",
        merge_file(tmp_path, base="".join(content).encode(), ours=ours.encode(), theirs=theirs.encode()),
    )
    answer = _edited({number: f"both {name}\nand more\n" for number, name in places.items()}, content)
    await _resolve(workspace, {"big.txt": answer})
    assert workspace.read("big.txt").decode() == answer


async def test_many_files_take_few_calls(workspace: Workspace, tmp_path: Path) -> None:
    conflicted = merge_file(tmp_path, base=b"a\nb\nc\n", ours=b"a\nB1\nc\n", theirs=b"a\nB2\nc\n")
    for number in range(12):
        workspace.put(f"dir {number}/ü.txt", conflicted)
    model = await _resolve(workspace, {})
    assert len(model.calls) == 4
    assert {workspace.read(path) for path in workspace.files} == {b"a\nB1\nB2\nc\n"}


async def test_a_second_try_may_be_answered_differently(workspace: Workspace, tmp_path: Path) -> None:
    workspace.put("a.txt", merge_file(tmp_path, base=b"a\nb\n", ours=b"a\nB1\n", theirs=b"a\nB2\n"))
    workspace.write_context(feedback=("a.txt: hunk 0 lost a line",))
    script = HonestResolver(answers={"a.txt": "a\nfirst\n"}, second_answers={"a.txt": "a\nsecond\n"})
    async with ScriptedModel.serve(script) as model:
        assert (await workspace.run(model.base_url)).exit_code == 0
    assert workspace.read("a.txt") == b"a\nsecond\n"


def _random_text(rng: random.Random, lines: int) -> list[str]:
    alphabet = ["a", "b", "", "  ", "x y", "\té", "}", "}  ", "=======", "\u3000", "\u201cq\u201d"]
    return [rng.choice(alphabet) + "\n" for _ in range(lines)]


def _random_conflict(rng: random.Random, scratch: Path) -> tuple[bytes, str]:
    """A file with few different lines, so that hunks and their neighbours repeat, and any answer to it."""
    while True:
        base = _random_text(rng, rng.randint(1, 25))
        places = sorted(rng.sample(range(1, len(base) + 1), rng.randint(1, min(4, len(base)))))
        sides = [_edited({n: "".join(_random_text(rng, rng.randint(0, 3))) for n in places}, base) for _ in range(2)]
        answer = _edited({n: "".join(_random_text(rng, rng.randint(0, 3))) for n in places}, base)
        if rng.random() < 0.3:
            answer = "".join(_random_text(rng, rng.randint(0, 10))) + rng.choice(["", "end", "end "])
        if rng.random() < 0.3:
            sides, answer = [side.replace("\n", "\r\n") for side in sides], answer.replace("\n", "\r\n")
            base = [line.replace("\n", "\r\n") for line in base]
        if sides[0] != sides[1] and "".join(base) not in sides:
            style = rng.choice(["--diff3", "--zdiff3", "--quiet"])
            ours, theirs = (side.encode() for side in sides)
            return merge_file(scratch, base="".join(base).encode(), ours=ours, theirs=theirs, style=style), answer


async def test_random_answers_are_written_byte_for_byte(workspace: Workspace, tmp_path: Path) -> None:
    rng = random.Random(20261123)  # noqa: S311 - repeatable, not secret
    answers = {}
    for number in range(80):
        content, answers[f"{number}.txt"] = _random_conflict(rng, tmp_path)
        workspace.put(f"{number}.txt", content)
    await _resolve(workspace, answers)
    wrong = {
        path: (workspace.files[path], workspace.read(path), answer)
        for path, answer in answers.items()
        if workspace.read(path) != answer.encode()
    }
    assert wrong == {}
