"""Verdicts: clean, conflicted, impossible; and the files with markers that git leaves."""

from pathlib import Path

import pytest

from bot.errors import GitError
from bot.git.adapter import GitMirrors
from bot.git.merge_tree import read_verdict
from bot.git.process import Completed
from bot.merge.markers import align, parse_marked, splice
from bot.model.conflicts import (
    MARKER_SIZE,
    CleanMerge,
    ConflictedMerge,
    ConflictKind,
    ImpossibleMerge,
    MarkedFile,
    Verdict,
)
from tests.bot.git.lab import REPOSITORY, Files, Remote, fetched, numbered

TEXT = numbered()


async def merged(git: GitMirrors, remote: Remote, base: Files, ours: Files, theirs: Files) -> Verdict:
    head, tip = remote.sides(base, ours, theirs)
    await fetched(git, remote)
    return await git.merge(REPOSITORY, ours=head, theirs=tip)


async def content(git: GitMirrors, verdict: Verdict, path: str = "a") -> bytes:
    assert isinstance(verdict, ConflictedMerge)
    oid = next(conflict.merged_oid for conflict in verdict.conflicts if conflict.path == path)
    assert oid is not None
    found = await git.read_blob(REPOSITORY, oid, limit=10**6)
    assert found is not None
    return found


async def marked(git: GitMirrors, remote: Remote, base: bytes, ours: bytes, theirs: bytes) -> MarkedFile:
    verdict = await merged(git, remote, {"a": base}, {"a": ours}, {"a": theirs})
    return parse_marked("a", await content(git, verdict))


async def test_changes_in_different_places_merge_cleanly(git: GitMirrors, remote: Remote) -> None:
    verdict = await merged(git, remote, {"a": TEXT}, {"a": numbered(n3="o")}, {"a": numbered(n20="t")})
    assert verdict == CleanMerge(tree=remote.tree({"a": numbered(n3="o", n20="t")}))


async def test_an_ancestor_merges_to_the_other_side(git: GitMirrors, remote: Remote) -> None:
    head, _ = remote.sides({"a": "1"}, {"a": "2"}, {"a": "1"})
    refs = await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=head, theirs=refs["refs/heads/base"])
    assert verdict == CleanMerge(tree=await git.tree_of(REPOSITORY, head))


async def test_the_markers_have_our_length_and_all_three_parts(git: GitMirrors, remote: Remote) -> None:
    file = await marked(git, remote, TEXT.encode(), numbered(n3="ours").encode(), numbered(n3="theirs").encode())
    (hunk,) = file.hunks
    assert (hunk.ours, hunk.ancestor, hunk.theirs) == (b"ours\n", b"line 3\n", b"theirs\n")
    assert (hunk.first_line, hunk.last_line) == (4, 10)
    assert splice(file, [hunk.ours]) == numbered(n3="ours").encode()
    assert align(file, numbered(n3="both").encode()) == (b"both\n",)


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        pytest.param(b"x\r\ny\r\nz\r\n", b"x\r\no\r\nz\r\n", b"x\r\nt\r\nz\r\n", id="crlf"),
        pytest.param(b"x\ny", b"x\no", b"x\nt", id="no newline at the end"),
        pytest.param(b"x\r\ny", b"x\r\no", b"x\r\nt", id="crlf, no newline at the end"),
        pytest.param(b"\xef\xbb\xbfx\ny\nz\n", b"\xef\xbb\xbfx\no\nz\n", b"\xef\xbb\xbfx\nt\nz\n", id="bom"),
        pytest.param(b"caf\xe9\ny\n\xff\n", b"caf\xe9\n\xe8\n\xff\n", b"caf\xe9\n\xe7\n\xff\n", id="not utf-8"),
        pytest.param(b"x\ny\x0b\x0c\x1cy\nz\n", b"x\no\x0bo\nz\n", b"x\nt\x85t\nz\n", id="odd line breaks"),
    ],
)
async def test_texts_keep_their_bytes(git: GitMirrors, remote: Remote, base: bytes, ours: bytes, theirs: bytes) -> None:
    file = await marked(git, remote, base, ours, theirs)
    (hunk,) = file.hunks
    for side, text in ((ours, hunk.ours), (theirs, hunk.theirs), (base, hunk.ancestor)):
        whole = splice(file, [text])
        # git ends the last line of a side before it writes the next marker.
        assert whole in {side, side + b"\n", side + b"\r\n"}


async def test_markers_in_the_files_themselves_are_text(git: GitMirrors, remote: Remote) -> None:
    legit = b"<<<<<<< HEAD\nold\n=======\nolder\n>>>>>>> x\n"
    file = await marked(git, remote, legit + b"a\nb\n", legit + b"o\nb\n", legit + b"t\nb\n")
    assert file.segments == (legit, b"b\n")


async def test_lines_like_our_markers_in_a_file_are_refused_not_mistaken(git: GitMirrors, remote: Remote) -> None:
    line = b"=" * MARKER_SIZE + b"\n"
    head, tip = remote.sides({"a": b"T\n" + line}, {"a": b"O\n" + line}, {"a": b"X\n" + line + b"y\n"})
    await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=head, theirs=tip)
    file = parse_marked("a", await content(git, verdict))
    assert file.hunks[0].theirs == b"X\n"
    assert file.segments[-1].startswith(line)


async def test_a_criss_cross_merge_nests_longer_markers_in_the_ancestor(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": TEXT})
    left = remote.commit({"a": numbered(n3="left")}, root)
    right = remote.commit({"a": numbered(n3="right")}, root)
    head = remote.commit({"a": numbered(n3="left, then right")}, left, right, ref="refs/heads/ours")
    tip = remote.commit({"a": numbered(n3="right, then left")}, right, left, ref="refs/heads/theirs")
    await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=head, theirs=tip)
    (hunk,) = parse_marked("a", await content(git, verdict)).hunks
    assert hunk.ours == b"left, then right\n"
    assert hunk.theirs == b"right, then left\n"
    assert hunk.ancestor.startswith(b"<" * (MARKER_SIZE + 2))


async def test_attributes_in_the_trees_have_no_say(git: GitMirrors, remote: Remote) -> None:
    attributes: Files = {".gitattributes": "* conflict-marker-size=7\na merge=union\na -diff binary\n"}
    verdict = await merged(
        git,
        remote,
        {"a": TEXT, **attributes},
        {"a": numbered(n3="o"), **attributes},
        {"a": numbered(n3="t"), **attributes},
    )
    assert isinstance(verdict, ConflictedMerge)
    assert verdict.conflicts[0].kind is ConflictKind.CONTENT
    assert len(parse_marked("a", await content(git, verdict)).hunks) == 1


async def test_equal_commits_give_equal_verdicts_in_another_mirror(
    git: GitMirrors, remote: Remote, tmp_path: Path
) -> None:
    one = await merged(git, remote, {"a": TEXT}, {"a": numbered(n3="o")}, {"a": numbered(n3="t")})
    refs = remote.refs()
    other = GitMirrors(tmp_path / "other", allow_file=True)
    await fetched(other, remote)
    two = await other.merge(REPOSITORY, ours=refs["refs/heads/ours"], theirs=refs["refs/heads/theirs"])
    assert one == two
    # An abbreviated id in a label would grow with the number of objects.
    assert b"| " + refs["refs/heads/base"].encode() in await content(git, one)


async def test_unrelated_histories_cannot_be_merged(git: GitMirrors, remote: Remote) -> None:
    one = remote.commit({"a": "1"}, ref="refs/heads/one")
    two = remote.commit({"a": "2"}, ref="refs/heads/two")
    await fetched(git, remote)
    assert await git.merge(REPOSITORY, ours=one, theirs=two) == ImpossibleMerge(
        reason="refusing to merge unrelated histories"
    )


async def test_a_missing_commit_cannot_be_merged(git: GitMirrors, remote: Remote) -> None:
    one = remote.commit({"a": "1"}, ref="refs/heads/one")
    await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=one, theirs="1" * 40)
    assert verdict == ImpossibleMerge(reason=f"the base {'1' * 40} is not in the repository")


async def test_what_is_no_commit_cannot_be_merged(git: GitMirrors, remote: Remote) -> None:
    one = remote.commit({"a": "1"}, ref="refs/heads/one")
    await fetched(git, remote)
    tree = await git.tree_of(REPOSITORY, one)
    assert isinstance(await git.merge(REPOSITORY, ours=tree, theirs=one), ImpossibleMerge)


@pytest.mark.parametrize("oid", ["", "main", "--stdin", "1" * 39])
async def test_what_is_no_id_is_refused(git: GitMirrors, remote: Remote, oid: str) -> None:
    one = remote.commit({"a": "1"}, ref="refs/heads/one")
    await fetched(git, remote)
    with pytest.raises(GitError, match="not an object id"):
        await git.merge(REPOSITORY, ours=one, theirs=oid)


async def test_a_conflict_at_a_path_that_is_no_utf_8_goes_to_a_person(git: GitMirrors, remote: Remote) -> None:
    verdict = await merged(git, remote, {"\udcff": "1\n"}, {"\udcff": "2\n"}, {"\udcff": "3\n"})
    assert verdict == ImpossibleMerge(reason=r"the conflicted path '\udcff' is not UTF-8")


@pytest.mark.parametrize("path", ["a b", "é/ü", "a\tb", "a\nb", '"', "-x", "a~b", "👩\u200d💻"])
async def test_odd_but_valid_paths(git: GitMirrors, remote: Remote, path: str) -> None:
    verdict = await merged(git, remote, {path: TEXT}, {path: numbered(n3="o")}, {path: numbered(n3="t")})
    assert isinstance(verdict, ConflictedMerge)
    assert [conflict.path for conflict in verdict.conflicts] == [path]
    assert verdict.conflicts[0].merged_oid


@pytest.mark.parametrize(
    "done",
    [
        Completed(status=-9, output=b"", words=""),
        Completed(status=129, output=b"", words="usage: git merge-tree"),
        Completed(status=128, output=b"", words="fatal: unable to create temporary file: No space left on device"),
        Completed(status=128, output=b"", words="fatal: Out of memory, malloc failed"),
        Completed(status=0, output=b"nonsense\0", words=""),
    ],
)
def test_failures_of_the_machine_are_errors_not_verdicts(tmp_path: Path, done: Completed) -> None:
    with pytest.raises(GitError):
        read_verdict(tmp_path, done)


async def test_a_published_change_is_taken_back_under_later_work(git: GitMirrors, remote: Remote) -> None:
    before = remote.commit({"a": TEXT})
    published = remote.commit({"a": numbered(n3="published"), "new": "x"}, before)
    head = remote.commit({"a": numbered(n3="published", n20="later"), "new": "x"}, published, ref="refs/heads/ours")
    await fetched(git, remote)
    verdict = await git.revert(REPOSITORY, head=head, published=published, before=before)
    assert verdict == CleanMerge(tree=remote.tree({"a": numbered(n20="later")}))
    at_once = await git.revert(REPOSITORY, head=published, published=published, before=before)
    assert at_once == CleanMerge(tree=await git.tree_of(REPOSITORY, before))


async def test_a_merge_commit_is_taken_back_to_its_first_parent(git: GitMirrors, remote: Remote) -> None:
    before, base = remote.sides({"a": TEXT}, {"a": TEXT, "o": "1"}, {"a": TEXT, "t": "1"})
    published = remote.commit({"a": TEXT, "o": "1", "t": "1"}, before, base)
    head = remote.commit({"a": TEXT, "o": "2", "t": "1"}, published, ref="refs/heads/head")
    await fetched(git, remote)
    verdict = await git.revert(REPOSITORY, head=head, published=published, before=before)
    assert verdict == CleanMerge(tree=remote.tree({"a": TEXT, "o": "2"}))


async def test_later_work_on_the_same_lines_conflicts_with_taking_back(git: GitMirrors, remote: Remote) -> None:
    before = remote.commit({"a": TEXT})
    published = remote.commit({"a": numbered(n3="published")}, before)
    head = remote.commit({"a": numbered(n3="later")}, published, ref="refs/heads/ours")
    await fetched(git, remote)
    one = await git.revert(REPOSITORY, head=head, published=published, before=before)
    assert isinstance(one, ConflictedMerge)
    assert one == await git.revert(REPOSITORY, head=head, published=published, before=before)


async def test_what_is_not_in_the_history_cannot_be_taken_back(git: GitMirrors, remote: Remote) -> None:
    before = remote.commit({"a": TEXT}, ref="refs/heads/base")
    published = remote.commit({"a": numbered(n3="p")}, before, ref="refs/heads/theirs")
    head = remote.commit({"a": numbered(n3="o")}, before, ref="refs/heads/ours")
    await fetched(git, remote)
    verdict = await git.revert(REPOSITORY, head=head, published=published, before=before)
    assert isinstance(verdict, ImpossibleMerge)
    assert "not in the history" in verdict.reason
