"""``flowforge demo`` as a user runs it: a process of its own, its output, its exit status, what it leaves behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

FLOWFORGE = [sys.executable, "-m", "app.cli"]


def environment(directory: Path) -> dict[str, str]:
    """Ours without a model key, and with temporary files where we can see them."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANTHROPIC_", "FLOWFORGE_"))}
    return {**kept, "TMPDIR": str(directory)}


def demo(
    directory: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [*FLOWFORGE, "demo", "--once", "--yes", "--json", *arguments],
        env={**environment(directory), **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def git(directory: str, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the git on the PATH
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


DOCUMENT = [
    *(
        "ok",
        "version",
        "forge",
        "scenario",
        "runner",
        "database",
        "model",
        "claude_code",
        "steps",
        "pull_request",
        "proposal",
    ),
    *("conflicts", "tests", "check_run", "comment", "usage", "refusal", "kept"),
]
"""The same on every forge."""

CHECKS = {
    "github": ("action_required", ["approve", "retry", "discard"]),
    # https://docs.gitlab.com/api/commits/#set-commit-pipeline-status : neither conclusions nor buttons
    "gitlab": (None, []),
}


@pytest.mark.parametrize("forge", CHECKS)
def test_the_json_document_says_that_all_of_it_held(tmp_path: Path, forge: str) -> None:
    temporary, kept = tmp_path / "tmp", tmp_path / "kept"
    temporary.mkdir()
    status, document, said = demo(temporary, "--keep", str(kept), "--forge", forge)
    assert status == 0, said
    assert (document["ok"], document["forge"]) == (True, forge)
    assert list(document) == DOCUMENT
    assert [step["name"] for step in document["steps"] if step["ok"]] == [
        "delivered",
        "accepted",
        "status_shown",
        "run_started",
        "agent_done",
        "gate_passed",
        "proposed",
        "approved",
        "pushed",
        "rolled_back",
    ]
    pull, proposal = document["pull_request"], document["proposal"]
    assert pull["head_after_approve"] == proposal["commit"]
    assert pull["head_after_rollback"] == pull["head_before"]
    assert proposal["parents"] == [pull["head_before"], pull["base"]]
    repository = document["kept"]["repository"]
    assert git(repository, "rev-parse", f"{proposal['commit']}^{{tree}}") == proposal["tree"]
    assert git(repository, "log", "-1", "--format=%P", proposal["commit"]).split() == proposal["parents"]
    check = document["check_run"]
    assert (check["conclusion"], [action["identifier"] for action in check["actions"]]) == CHECKS[forge]
    assert check["title"] == "A resolution waits for approval; its tests passed"
    assert document["usage"]["model_calls"] == len(document["usage"]["request_bytes"]) >= 3
    assert document["refusal"] is None
    transcript = Path(document["kept"]["transcript"]).read_text(encoding="utf-8")
    assert '"subtype":"init"' in transcript
    assert "scripted model" in said
    assert files_in(temporary) == []


@pytest.mark.parametrize("forge", CHECKS)
def test_an_issue_becomes_a_draft_pull_request_and_is_taken_back(tmp_path: Path, forge: str) -> None:
    status, document, said = demo(tmp_path, "--forge", forge, "--scenario", "issue")
    assert status == 0, said
    assert list(document) == DOCUMENT
    assert (document["forge"], document["scenario"]) == (forge, "issue")
    assert [step["name"] for step in document["steps"] if step["ok"]] == [
        "delivered",
        "accepted",
        "status_shown",
        "run_started",
        "agent_done",
        "gate_passed",
        "proposed",
        "rolled_back",
    ]
    pull, proposal = document["pull_request"], document["proposal"]
    assert (pull["head_before"], pull["head_after_approve"]) == (None, proposal["commit"])
    assert proposal["parents"] == [pull["base"]]
    assert document["tests"]["outcome"] == "passed"
    assert (document["conflicts"], document["refusal"]) == ([], None)


@pytest.mark.parametrize("forge", CHECKS)
def test_a_pull_request_from_a_fork_is_vouched_for_and_its_merge_arrives_beside_it(tmp_path: Path, forge: str) -> None:
    status, document, said = demo(tmp_path, "--forge", forge, "--scenario", "fork")
    assert status == 0, said
    assert list(document) == DOCUMENT
    assert (document["forge"], document["scenario"], document["refusal"]) == (forge, "fork", None)
    assert all(step["ok"] for step in document["steps"])
    pull, proposal = document["pull_request"], document["proposal"]
    assert proposal["parents"] == [pull["head_before"], pull["base"]]
    assert (pull["head_after_approve"], pull["head_after_rollback"]) == (proposal["commit"], pull["head_before"])


def bundle(directory: Path, base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]) -> Path:
    repository = directory / "source"
    repository.mkdir()
    git(str(repository), "init", "--quiet", "--initial-branch=base")
    for branch, files in (("base", base), ("ours", ours), ("theirs", theirs)):
        if branch != "base":
            git(str(repository), "switch", "--quiet", "--create", branch, "base")
        for name, text in files.items():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            (repository / name).write_text(text, encoding="utf-8")
        git(str(repository), "add", "--all")
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        git(str(repository), *who, "commit", "--quiet", "--message", branch)
    path = directory / "conflict.bundle"
    git(str(repository), "bundle", "create", "--quiet", str(path), "base", "ours", "theirs")
    return path


def test_a_bundle_with_answers_lands_byte_for_byte(tmp_path: Path) -> None:
    answer = "one\nZWEI & DEUX\nthree\n"
    path = bundle(
        tmp_path,
        {"a b/ü.txt": "one\ntwo\nthree\n"},
        {"a b/ü.txt": "one\nzwei\nthree\n"},
        {"a b/ü.txt": "one\ndeux\nthree\n"},
    )
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"a b/ü.txt": answer}), encoding="utf-8")
    status, document, said = demo(
        tmp_path,
        "--bundle",
        str(path),
        "--answers",
        str(answers),
        "--keep",
        str(tmp_path / "kept"),
    )
    assert status == 0, said
    assert document["proposal"]["files"] == [{"path": "a b/ü.txt", "kind": "content", "resolver": "agent"}]
    shown = git(document["kept"]["repository"], "show", f"{document['proposal']['commit']}:a b/ü.txt")
    assert shown == answer.strip()


def test_a_refused_job_is_a_normal_end(tmp_path: Path) -> None:
    path = bundle(tmp_path, {"a.txt": "one\n"}, {"a.txt": "two\n"}, {"a.txt": "three\n"})
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"a.txt": "<<<<<<< mine\ntwo\n=======\nthree\n>>>>>>> yours\n"}), encoding="utf-8")
    status, document, _ = demo(tmp_path, "--bundle", str(path), "--answers", str(answers))
    assert status == 2
    assert document["ok"] is False
    assert document["refusal"]["rule"] == "gate"
    assert document["proposal"] is None
    assert document["pull_request"]["head_after_approve"] is None
    assert "a.txt" in document["comment"]


def test_a_directory_may_be_deep_and_have_spaces(tmp_path: Path) -> None:
    kept = tmp_path / ("deep" * 20) / "a b+c"
    status, document, said = demo(tmp_path, "--keep", str(kept), "--until", "proposed")
    assert status == 0, said
    assert document["kept"]["directory"] == str(kept)
    assert (kept / "flowforge.db").stat().st_size > 0


def test_until_stops_there(tmp_path: Path) -> None:
    status, document, _ = demo(tmp_path, "--until", "proposed")
    assert status == 0
    assert [step["name"] for step in document["steps"]][-1] == "proposed"
    assert document["pull_request"]["head_after_approve"] is None


@pytest.mark.parametrize("revision", ["feature~1", "v1", "abbreviated"])
def test_a_repository_on_disk_may_name_any_commit(tmp_path: Path, revision: str) -> None:
    bundle(tmp_path, {"a.txt": "one\n"}, {"a.txt": "two\n"}, {"a.txt": "three\n"})
    repository = tmp_path / "source"
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    ours = git(str(repository), "rev-parse", "ours")
    git(str(repository), "switch", "--quiet", "--create", "feature", "ours")
    git(str(repository), *who, "commit", "--quiet", "--allow-empty", "--message", "more")
    git(str(repository), *who, "tag", "--message", "annotated", "v1", "ours")
    (repository / "untracked").write_text("stays\n", encoding="utf-8")
    head = ours[:9] if revision == "abbreviated" else revision
    status, document, said = demo(
        tmp_path, "--repo", str(repository), "--head", head, "--base", "theirs", "--until", "delivered"
    )
    assert status == 0, said
    assert document["pull_request"]["head_before"] == ours
    assert document["pull_request"]["base"] == git(str(repository), "rev-parse", "theirs")


def test_the_first_lines_say_who_answers_and_why(tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    answers.write_text("{}", encoding="utf-8")
    assert "because --answers says what" in demo(tmp_path, "--answers", str(answers), "--until", "delivered")[2]
    key = {"ANTHROPIC_API_KEY": "sk-of-nobody", "ANTHROPIC_BASE_URL": "http://user:word@127.0.0.1:9/v"}
    status, document, said = demo(tmp_path, "--until", "delivered", variables=key)
    assert status == 0, said
    assert document["model"] == "anthropic"
    assert "the Anthropic API at http://127.0.0.1:9 answers, as ANTHROPIC_BASE_URL says" in " ".join(said.split())
    assert "user:word" not in said
    assert "word@" not in said


async def test_killed_outright_the_demo_takes_its_processes_along(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*FLOWFORGE, "demo", "--yes"),
        env={**environment(tmp_path), "COLUMNS": "120"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(90):
        while b"until Ctrl-C" not in said:
            chunk = await process.stdout.read(4096)
            assert chunk, said.decode()
            said += chunk
        assert any(in_session(one, process.pid) and one.pid != process.pid for one in psutil.process_iter())
        process.kill()
        await process.wait()
        while any(in_session(one, process.pid) for one in psutil.process_iter()):  # noqa: ASYNC110 - orphans tell nobody
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--repo", "."], "--head"),
        (["--head", "x"], "--repo"),
        (["--bundle", __file__], "cannot take"),
        (["--keep", __file__], "cannot be made"),
        (["--keep", "what?"], "cannot be used"),
    ],
)
def test_bad_options_get_a_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    status, document, said = demo(tmp_path, *arguments)
    assert status == 1
    assert document == {}
    assert message in said
    assert "Traceback" not in said


@pytest.mark.parametrize("after", ["FlowForge demo", "run_started", "proposed", "until Ctrl-C"])
async def test_ctrl_c_leaves_no_process_and_no_file(tmp_path: Path, after: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*FLOWFORGE, "demo", "--yes"),
        env={**environment(tmp_path), "COLUMNS": "120"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(90):
        while after.encode() not in said:
            chunk = await process.stdout.read(4096)
            assert chunk, said.decode()
            said += chunk
        os.killpg(process.pid, signal.SIGINT)
        said += await process.stdout.read()
        assert await process.wait() == 130, said.decode()
    assert b"Traceback" not in said, said.decode()
    left = [one for one in psutil.process_iter() if in_session(one, process.pid)]
    assert left == []
    assert files_in(tmp_path) == []


def files_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def in_session(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
