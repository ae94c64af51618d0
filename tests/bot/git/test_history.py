"""What the history says: common ancestors, commits with their authors, the blobs a path had."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import GitError
from bot.git import history
from bot.git.adapter import GitMirrors
from bot.model.cases import PathHistory
from bot.model.conflicts import CleanMerge, ConflictedMerge, ImpossibleMerge
from bot.ports.git import Authorship, CommitSpec
from tests.bot.git.lab import BASE, OURS, REPOSITORY, THEIRS, Remote, fetched, numbered

TEXT = numbered()
TEA = timezone(timedelta(hours=5, minutes=45))


def spec(tree: str, *parents: str, author: Authorship | None = None) -> CommitSpec:
    return CommitSpec(
        base_tree=tree,
        changes={},
        parents=parents,
        message="picked",
        author_name="FlowForge",
        author_email="bot@example.invalid",
        when=datetime(2026, 1, 2, tzinfo=UTC),
        author=author,
    )


# ---- picks


async def test_a_pick_brings_one_commits_change_only(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": TEXT})
    first = remote.commit({"a": numbered(n3="first")}, root)
    second = remote.commit({"a": numbered(n3="first", n20="second")}, first, ref=OURS)
    onto = remote.commit({"a": numbered(n10="onto")}, root, ref=THEIRS)
    await fetched(git, remote)
    verdict = await git.pick(REPOSITORY, commit=second, onto=onto)
    assert verdict == CleanMerge(tree=remote.tree({"a": numbered(n10="onto", n20="second")}))


async def test_in_a_pick_ours_is_the_picked_commit(git: GitMirrors, remote: Remote) -> None:
    picked, onto = remote.sides({"a": TEXT}, {"a": numbered(n3="picked")}, {"a": numbered(n3="onto")})
    await fetched(git, remote)
    verdict = await git.pick(REPOSITORY, commit=picked, onto=onto)
    assert isinstance(verdict, ConflictedMerge)
    oids = {side.value: stage.oid for side, stage in verdict.conflicts[0].stages.items()}
    assert oids == {
        "ancestor": remote.blob(TEXT),
        "ours": remote.blob(numbered(n3="picked")),
        "theirs": remote.blob(numbered(n3="onto")),
    }
    assert verdict == await git.pick(REPOSITORY, commit=picked, onto=onto)


async def test_a_merge_is_picked_against_its_first_parent(git: GitMirrors, remote: Remote) -> None:
    left, right = remote.sides({"a": TEXT}, {"a": TEXT, "l": "1"}, {"a": TEXT, "r": "1"})
    merge = remote.commit({"a": TEXT, "l": "1", "r": "1"}, left, right, ref="refs/heads/merge")
    onto = remote.commit({"a": TEXT, "o": "1"}, ref="refs/heads/onto")
    await fetched(git, remote)
    verdict = await git.pick(REPOSITORY, commit=merge, onto=onto)
    assert verdict == CleanMerge(tree=remote.tree({"a": TEXT, "o": "1", "r": "1"}))


async def test_a_root_commit_adds_all_it_holds(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": "1\n", "b": "1\n"}, ref=OURS)
    onto = remote.commit({"b": "2\n"}, ref=THEIRS)
    await fetched(git, remote)
    verdict = await git.pick(REPOSITORY, commit=root, onto=onto)
    assert isinstance(verdict, ConflictedMerge)
    assert [(conflict.path, conflict.kind.value) for conflict in verdict.conflicts] == [("b", "add/add")]


async def test_what_is_not_in_the_mirror_cannot_be_picked(git: GitMirrors, remote: Remote) -> None:
    onto = remote.commit({"a": "1"}, ref=OURS)
    await fetched(git, remote)
    assert await git.pick(REPOSITORY, commit="1" * 40, onto=onto) == ImpossibleMerge(
        reason=f"the commit {'1' * 40} is not in the repository"
    )
    with pytest.raises(GitError, match="not an object id"):
        await git.pick(REPOSITORY, commit="--all", onto=onto)


# ---- commits and their authors


async def test_the_commits_of_a_branch_come_parents_first(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": "1"}, ref=BASE)
    chain = [root]
    for number in range(4):
        chain.append(remote.commit({"a": str(number)}, chain[-1], message=f"step {number}\n\nbody\n"))
    remote.set(OURS, chain[-1])
    await fetched(git, remote)
    found = await git.commits(REPOSITORY, since=root, until=chain[-1], limit=10)
    assert [one.commit for one in found] == chain[1:]
    assert [one.parents for one in found] == [(parent,) for parent in chain[:-1]]
    assert found[0].message == "step 0\n\nbody\n"
    newest = await git.commits(REPOSITORY, since=root, until=chain[-1], limit=2)
    assert newest == found[-2:]
    assert await git.commits(REPOSITORY, since=chain[-1], until=root, limit=10) == []


def raw_commit(remote: Remote, parent: str, headers: bytes, message: bytes) -> str:
    tree = remote.tree({"a": "raw"})
    data = f"tree {tree}\nparent {parent}\n".encode() + headers + b"\n" + message
    return remote.text("hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=data)


async def one_commit(git: GitMirrors, remote: Remote, headers: bytes, message: bytes = b"m\n") -> str:
    root = remote.commit({"a": "1"}, ref=BASE)
    commit = raw_commit(remote, root, headers, message)
    remote.set(OURS, commit)
    await fetched(git, remote)
    return commit


COMMITTER = b"committer C <c@example.invalid> 1700000000 +0000\n"


async def test_author_zone_and_message_survive_a_rebase(git: GitMirrors, remote: Remote) -> None:
    headers = "author Zoë Ngô <zoe@example.invalid> 1600000000 +0545\n".encode() + COMMITTER
    commit = await one_commit(git, remote, headers)
    root = (await git.parents_of(REPOSITORY, commit))[0]
    (picked,) = await git.commits(REPOSITORY, since=root, until=commit, limit=5)
    assert picked.author == Authorship(
        name="Zoë Ngô", email="zoe@example.invalid", when=datetime.fromtimestamp(1600000000, TEA)
    )
    written = await git.write_commit(REPOSITORY, spec(root, root, author=picked.author))
    (again,) = await git.commits(REPOSITORY, since=root, until=written.commit, limit=5)
    assert again.author == picked.author
    assert again.author.when.utcoffset() == timedelta(hours=5, minutes=45)
    assert await git.committed_at(REPOSITORY, written.commit) == datetime(2026, 1, 2, tzinfo=UTC)


async def test_a_declared_encoding_is_read(git: GitMirrors, remote: Remote) -> None:
    headers = b"author Andr\xe9 <a@example.invalid> 1600000000 +0000\n" + COMMITTER + b"encoding ISO-8859-1\n"
    commit = await one_commit(git, remote, headers, b"caf\xe9\n")
    root = (await git.parents_of(REPOSITORY, commit))[0]
    (picked,) = await git.commits(REPOSITORY, since=root, until=commit, limit=5)
    assert (picked.author.name, picked.message) == ("André", "café\n")


@pytest.mark.parametrize(
    "headers",
    [
        b"author  <> 1600000000 +0000\n" + COMMITTER,
        b"author N <n> 1600000000 +9999\n" + COMMITTER,
        b"author \xff\x01 <\xfe> 1600000000 -1459\n" + COMMITTER,
        b"author N <n@x> 1600000000 +0000\n" + COMMITTER + b"encoding unicode_escape\n",
        b"author N <n@x> 1600000000 +0000\n" + COMMITTER + b"encoding iso-8859-99\n",
    ],
    ids=["empty", "zone", "bytes", "escape", "no such encoding"],
)
async def test_odd_authors_can_still_be_carried_over(git: GitMirrors, remote: Remote, headers: bytes) -> None:
    commit = await one_commit(git, remote, headers, b"\\x41 \xff\n")
    root = (await git.parents_of(REPOSITORY, commit))[0]
    (picked,) = await git.commits(REPOSITORY, since=root, until=commit, limit=5)
    assert picked.message == "\\x41 \ufffd\n"
    written = await git.write_commit(REPOSITORY, spec(root, root, author=picked.author))
    (again,) = await git.commits(REPOSITORY, since=root, until=written.commit, limit=5)
    assert again.author.when == picked.author.when


async def test_a_date_beyond_all_calendars_is_refused(git: GitMirrors, remote: Remote) -> None:
    commit = await one_commit(git, remote, b"author N <n@x> 99999999999999 +0000\n" + COMMITTER)
    root = (await git.parents_of(REPOSITORY, commit))[0]
    with pytest.raises(GitError, match="date"):
        await git.commits(REPOSITORY, since=root, until=commit, limit=5)


async def test_a_hostile_author_adds_no_header(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": "1"}, ref=BASE)
    await fetched(git, remote)
    author = Authorship(
        name="N <x@y> 1 +0000\nparent " + "1" * 40, email="a\0b>\n", when=datetime(2026, 1, 1, tzinfo=TEA)
    )
    written = await git.write_commit(REPOSITORY, spec(root, root, author=author))
    assert await git.parents_of(REPOSITORY, written.commit) == (root,)
    naive = Authorship(name="N", email="n@x", when=datetime(2026, 1, 1))  # noqa: DTZ001 - the fault under test
    with pytest.raises(GitError, match="time zone"):
        await git.write_commit(REPOSITORY, spec(root, root, author=naive))


# ---- merge bases


async def test_merge_bases(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": "0"})
    left, right = (remote.commit({"a": name}, root, message=name) for name in ("l", "r"))
    one = remote.commit({"a": "1"}, left, right, message="1", ref=OURS)
    two = remote.commit({"a": "2"}, right, left, message="2", ref=THEIRS)
    alone = remote.commit({"a": "3"}, message="alone", ref=BASE)
    await fetched(git, remote)
    assert set(await git.merge_bases(REPOSITORY, ours=one, theirs=two)) == {left, right}
    assert await git.merge_bases(REPOSITORY, ours=one, theirs=left) == (left,)
    assert await git.merge_bases(REPOSITORY, ours=one, theirs=alone) == ()
    with pytest.raises(GitError):
        await git.merge_bases(REPOSITORY, ours=one, theirs="1" * 40)


# ---- the blobs a path had


async def test_a_squashed_branch_is_found_in_the_other_sides_history(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": "0\n", "b": "0\n"})
    part = remote.commit({"a": "1\n", "b": "0\n"}, root)
    done = remote.commit({"a": "2\n", "b": "0\n"}, part)
    ours = remote.commit({"a": "3\n", "b": "0\n"}, done, ref=OURS)
    theirs = remote.commit({"a": "2\n", "b": "9\n"}, root, message="squashed", ref=THEIRS)
    await fetched(git, remote)
    found = await git.path_history(REPOSITORY, ours=ours, theirs=theirs, paths=["a", "b", "none"])
    blobs = {text: remote.blob(f"{text}\n") for text in "01239"}
    assert found == {
        "a": PathHistory(ours=frozenset({blobs["1"], blobs["2"], blobs["3"]}), theirs=frozenset({blobs["2"]})),
        "b": PathHistory(ours=frozenset(), theirs=frozenset({blobs["9"]})),
        "none": PathHistory(),
    }


async def test_side_branches_that_were_merged_away_count(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": "0\n"})
    aside = remote.commit({"a": "aside\n"}, root, message="aside")
    line = remote.commit({"a": "line\n"}, root, message="line")
    merged = remote.commit({"a": "resolved\n"}, line, aside, message="by a person")
    ours = remote.commit({"a": "line\n"}, merged, message="aside lost", ref=OURS)
    theirs = remote.commit({"a": "theirs\n"}, root, ref=THEIRS)
    await fetched(git, remote)
    found = await git.path_history(REPOSITORY, ours=ours, theirs=theirs, paths=["a"])
    assert found["a"].ours == {remote.blob(text) for text in ("aside\n", "line\n", "resolved\n")}


async def test_a_deleted_path_has_the_blobs_it_had(git: GitMirrors, remote: Remote) -> None:
    root = remote.commit({"a": "0\n", "k": "k"})
    changed = remote.commit({"a": "1\n", "k": "k"}, root)
    ours = remote.commit({"k": "k"}, changed, ref=OURS)
    theirs = remote.commit({"a": "0\n", "k": "t"}, root, ref=THEIRS)
    await fetched(git, remote)
    found = await git.path_history(REPOSITORY, ours=ours, theirs=theirs, paths=["a"])
    assert found["a"] == PathHistory(ours=frozenset({remote.blob("1\n")}))


@pytest.mark.parametrize("path", [":(top)a", ":/b", "*", "[a]", "--all", "-x", "a\nb", "é", ":!a", "a\\b", "d"])
async def test_paths_are_names_and_nothing_else(git: GitMirrors, remote: Remote, path: str) -> None:
    root = remote.commit({"a": "0\n", path: "0\n"})
    ours = remote.commit({"a": "1\n", path: "mine\n"}, root, ref=OURS)
    theirs = remote.commit({"a": "2\n", path: "0\n"}, root, ref=THEIRS)
    await fetched(git, remote)
    found = await git.path_history(REPOSITORY, ours=ours, theirs=theirs, paths=[path])
    assert found == {path: PathHistory(ours=frozenset({remote.blob("mine\n")}))}


async def test_a_directory_has_no_blobs_of_its_own(git: GitMirrors, remote: Remote) -> None:
    ours, theirs = remote.sides({"d/a": "0"}, {"d/a": "1"}, {"d/a": "2"})
    await fetched(git, remote)
    assert await git.path_history(REPOSITORY, ours=ours, theirs=theirs, paths=["d"]) == {"d": PathHistory()}


async def test_a_side_with_too_many_commits_has_no_history(
    git: GitMirrors, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_COMMITS", 3)
    root = remote.commit({"a": "0"})
    theirs = remote.commit({"a": "t"}, root, ref=THEIRS)
    tips = [root]
    for number in range(4):
        # Only the first of them touches the path: the others are looked at all the same.
        tips.append(remote.commit({"a": "1", "n": str(number)}, tips[-1]))
    remote.set(OURS, tips[-1])
    await fetched(git, remote)
    assert set(await git.path_history(REPOSITORY, ours=tips[3], theirs=theirs, paths=["a"])) == {"a"}
    assert await git.path_history(REPOSITORY, ours=tips[4], theirs=theirs, paths=["a"]) == {}


async def test_no_time_means_no_history(git: GitMirrors, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "HISTORY_SECONDS", 0.0)
    ours, theirs = remote.sides({"a": "0"}, {"a": "1"}, {"a": "2"})
    await fetched(git, remote)
    assert await git.path_history(REPOSITORY, ours=ours, theirs=theirs, paths=["a"]) == {}


async def test_thousands_of_paths_are_looked_up(git: GitMirrors, remote: Remote) -> None:
    names = [f"some/rather/long/directory/name/{number:05}" for number in range(3_000)]
    ours, theirs = remote.sides(dict.fromkeys(names, "0"), dict.fromkeys(names, "1"), dict.fromkeys(names, "2"))
    await fetched(git, remote)
    found = await git.path_history(REPOSITORY, ours=ours, theirs=theirs, paths=names)
    assert len(found) == 3_000
    assert set(found.values()) == {
        PathHistory(ours=frozenset({remote.blob("1")}), theirs=frozenset({remote.blob("2")}))
    }


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "1" * 40, ":100644 100644 x y M", "b\n"]),
            st.sampled_from(["0", "1", "2", "f"]),
        )
    )
)
def test_paths_never_pass_for_facts(changes: list[tuple[str, str]]) -> None:
    commit = b"c" * 40
    lines = [f":100644 100644 {'0' * 40} {digit * 40} M\0{path}\0".encode() for path, digit in changes]
    seen, blobs = history._read_log(commit + b"\0\n" + b"".join(lines))
    assert seen == 1
    expected: dict[str, set[str]] = {}
    for path, digit in changes:
        if digit != "0":
            expected.setdefault(path, set()).add(digit * 40)
    assert blobs == expected
