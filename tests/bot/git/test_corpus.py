"""Real merges: the corpus beside the repository, where it is there."""

import base64
import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bot.git.adapter import GitMirrors
from bot.merge.markers import align, parse_marked, splice
from bot.model.conflicts import ConflictedMerge, ConflictKind
from tests.bot.git.lab import OURS, REPOSITORY, THEIRS, Files, Remote, environment, fetched

CORPUS = Path(__file__).parents[4] / "shared/corpus/conflicts"
BUNDLES = CORPUS / "bundles"
ROWS = CORPUS / "files.jsonl.gz"
NAMES = {"file location": "directory rename"}

# The manifest's kinds are those of the whole repository. This bundle holds only some of its files, and of the two in a
# content conflict none that ours could have: see test_no_setting_makes_a_content_conflict_of_a_side_that_is_missing.
OTHERWISE = {"directory-rename.bundle": {"directory rename", "rename/delete"}}

BUNDLE_NAMES = [
    *("add-add", "binary", "content-multi", "content-single", "directory-rename", "lockfile-manifest", "mode"),
    *("modify-delete", "rename-delete", "rename-rename", "submodule"),
]


@pytest.mark.skipif(not BUNDLES.exists(), reason="needs ../shared/corpus/conflicts/bundles")
@pytest.mark.parametrize("name", BUNDLE_NAMES)
async def test_a_bundle_gives_the_manifests_kinds_and_paths(git: GitMirrors, remote: Remote, name: str) -> None:
    file = f"{name}.bundle"
    entry = next(item for item in manifest() if item["bundle"] == f"bundles/{file}")
    remote.git("fetch", "--quiet", str(BUNDLES / file), "refs/heads/*:refs/heads/*")
    refs = await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=refs[OURS], theirs=refs[THEIRS])
    assert isinstance(verdict, ConflictedMerge)
    assert sorted(conflict.path for conflict in verdict.conflicts) == sorted(entry["conflicted"])
    kinds = {conflict.kind.value for conflict in verdict.conflicts}
    assert kinds == OTHERWISE.get(file, {NAMES.get(kind, kind) for kind in entry["kinds"]})
    assert (await git.merge(REPOSITORY, ours=refs[OURS], theirs=refs["refs/heads/base"])).__class__ is not type(verdict)


@pytest.mark.skipif(not BUNDLES.exists(), reason="needs ../shared/corpus/conflicts/bundles")
def test_no_setting_makes_a_content_conflict_of_a_side_that_is_missing(remote: Remote) -> None:
    """A content conflict has three stages; in the one bundle that is judged otherwise, ours has neither of the files.

    Neither under its old name nor under its new one, nor any file that they could have been renamed to: whatever
    merge.directoryRenames, merge.renames and merge.renameLimit say, ours deleted what theirs renamed and edited.
    """
    remote.git("fetch", "--quiet", str(BUNDLES / "directory-rename.bundle"), "refs/heads/*:refs/heads/*")
    entry = next(item for item in manifest() if item["bundle"] == "bundles/directory-rename.bundle")
    assert "content" in entry["kinds"]
    names = {Path(path).name for path in entry["conflicted"]}
    held = {Path(path).name for path in remote.text("ls-tree", "-r", "--name-only", OURS).splitlines()}
    assert names - held == {"UnitOfWork.php", "UnitOfWorkTest.php"}
    added = remote.text("diff", "--no-renames", "--diff-filter=A", "--name-only", "refs/heads/base", OURS).splitlines()
    assert {Path(path).name for path in added} == names & held
    for settings in (("directoryRenames", "true"), ("renames", "false"), ("renames", "copies"), ("renameLimit", "0")):
        said = merged_with(remote, *settings)
        assert "CONFLICT (content)" not in said
        assert said.count("deleted in") >= 2


def merged_with(remote: Remote, setting: str, value: str) -> str:
    """What git says about the branches with one more setting."""
    done = subprocess.run(
        ["git", "-c", f"merge.{setting}={value}", "merge-tree", "--write-tree", "--messages", OURS, THEIRS],  # noqa: S607
        cwd=remote.path,
        env=environment(remote.path),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stdout.decode()


def manifest() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((BUNDLES / "manifest.json").read_bytes())
    return found


def sample() -> list[dict[str, Any]]:
    """Some rows of each kind; all of the rarer ones."""
    with gzip.open(ROWS, "rt", encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    chosen: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["reproduces"] == "same":
            chosen.setdefault(row["kind"], []).append(row)
    return [row for kind in chosen.values() for row in kind[:: max(1, len(kind) // 4)][:4]]


def raw(text: Any) -> bytes:
    return base64.b64decode(text["base64"]) if isinstance(text, dict) else str(text).encode()


def texts(row: dict[str, Any]) -> dict[str, bytes]:
    """The row's blobs by their ids."""
    found = {oid: text.encode() for oid, text in row["blobs"].items()}
    if row["resolved"] is not None:
        found[row["resolved_oid"]] = raw(row["resolved"])
    for stage, name in (("1", "base"), ("2", "ours"), ("3", "theirs")):
        if row[name] is not None:
            found[row["stage_oids"][stage]] = raw(row[name])
    return found


def side(row: dict[str, Any], name: str) -> Files:
    blobs = texts(row)
    files: dict[str, tuple[str, str | bytes]] = {}
    for entry in row["trees"][name]:
        oid = entry["oid"]
        files[entry["path"]] = (entry["mode"], oid if entry["mode"] == "160000" else blobs[oid])
    if name == "base" and row["n_merge_bases"] != 1 and "1" in row["stage_oids"]:
        files[row["path"]] = (row["stage_modes"]["1"], blobs[row["stage_oids"]["1"]])
    return files


@pytest.mark.skipif(not ROWS.exists(), reason="needs ../shared/corpus/conflicts/files.jsonl.gz")
async def test_real_conflicts_get_the_kind_and_path_that_git_gave_them(git: GitMirrors, remote: Remote) -> None:
    rows = sample()
    assert len(rows) > 20
    wrong = []
    for number, row in enumerate(rows):
        base = remote.commit(side(row, "base"), message=str(number))
        head = remote.commit(side(row, "ours"), base, ref=OURS)
        tip = remote.commit(side(row, "theirs"), base, ref=THEIRS)
        await fetched(git, remote)
        verdict = await git.merge(REPOSITORY, ours=head, theirs=tip)
        assert isinstance(verdict, ConflictedMerge), row["id"]
        found = {conflict.path: conflict for conflict in verdict.conflicts}
        conflict = found.get(row["path"])
        if conflict is None or conflict.kind.value != NAMES.get(row["kind"], row["kind"]):
            wrong.append(row["id"])
        elif conflict.kind in {ConflictKind.CONTENT, ConflictKind.ADD_ADD}:
            blob = await git.read_blob(REPOSITORY, conflict.merged_oid or "", limit=10**7)
            assert blob is not None
            marked = parse_marked(conflict.path, blob)
            ours = [hunk.ours for hunk in marked.hunks]
            assert ours
            assert align(marked, splice(marked, ours)) is not None
    assert wrong == []
