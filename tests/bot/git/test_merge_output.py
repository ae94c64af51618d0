"""The answer of merge-tree as bytes: what is documented, and what went wrong in real merges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import GitError
from bot.git.merge_output import kind_of, parse_output
from bot.model.conflicts import ConflictKind, Side, Stage

TREE = "d" * 40
ADVICE = b"Recursive merging with submodules currently only supports trivial cases.\nPlease manually handle\n"


def field(*parts: str) -> bytes:
    return b"".join(part.encode() + b"\0" for part in parts)


def stage(number: int, path: str, mode: str = "100644") -> str:
    return f"{mode} {str(number) * 40} {number}\t{path}"


def content(path: str) -> bytes:
    return field("1", path, "CONFLICT (contents)", f"CONFLICT (content): Merge conflict in {path}\n")


def test_stages_and_messages_are_read() -> None:
    out = parse_output(field(TREE, stage(1, "a"), stage(2, "a"), stage(3, "a"), "") + content("a"))
    assert out.tree == TREE
    assert list(out.stages["a"]) == [Side.ANCESTOR, Side.OURS, Side.THEIRS]
    assert out.about("a")[0].text == "CONFLICT (content): Merge conflict in a"


def test_advice_behind_the_messages_is_no_message() -> None:
    out = parse_output(field(TREE, stage(2, "a"), "") + content("a") + ADVICE)
    assert len(out.messages) == 1


def test_advice_in_between_ends_the_messages_and_leaves_the_rest_unknown() -> None:
    data = field(TREE, stage(2, "a"), stage(2, "b"), "") + content("a") + ADVICE + content("b")
    out = parse_output(data)
    assert kind_of(out.about("a"), out.stages["a"]) is ConflictKind.CONTENT
    assert kind_of(out.about("b"), out.stages["b"]) is ConflictKind.UNKNOWN


def test_a_clean_merge_has_a_tree_and_remarks_only() -> None:
    out = parse_output(field(TREE, "") + field("1", "a", "Auto-merging", "Auto-merging a\n"))
    assert (out.tree, out.conflicted_paths()) == (TREE, [])


def test_a_conflict_without_stages_is_not_lost() -> None:
    split = field("1", "d", "CONFLICT(directory rename unclear split)", "CONFLICT (directory rename split): ...\n")
    out = parse_output(field(TREE, "") + split)
    assert out.conflicted_paths() == ["d"]
    assert kind_of(out.about("d"), {}) is ConflictKind.DIRECTORY_RENAME


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("CONFLICT (upgrade your version of git)", "CONFLICT ..."),
        ("CONFLICT (something new)", "CONFLICT (content): Merge conflict in a"),
        ("CONFLICT (contents)", "CONFLICT (something new): Merge conflict in a"),
        ("ERROR (object write failed)", "error"),
    ],
)
def test_what_we_do_not_know_is_unknown_even_beside_a_known_kind(kind: str, text: str) -> None:
    out = parse_output(field(TREE, stage(2, "a"), "") + content("a") + field("1", "a", kind, text))
    assert kind_of(out.about("a"), out.stages["a"]) is ConflictKind.UNKNOWN


def test_a_path_no_message_speaks_of_is_unknown() -> None:
    out = parse_output(field(TREE, stage(2, "a"), ""))
    assert out.conflicted_paths() == ["a"]
    assert kind_of((), {Side.OURS: Stage(mode="100644", oid="1" * 40)}) is ConflictKind.UNKNOWN


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"fatal: no\0",
        TREE.encode(),
        field("D" * 40),
        field(TREE, "100644 abc 1\ta"),
        field(TREE, f"100644 {TREE} 4\ta"),
        field(TREE, f"100644 {TREE} 1\t"),
        field(TREE, f"100644 {TREE} 1 a"),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(GitError):
        parse_output(data)


@pytest.mark.parametrize("count", ["99999999999999", "3", "-1", "x", ""])
def test_a_message_that_is_cut_off_is_left_out(count: str) -> None:
    out = parse_output(field(TREE, stage(2, "a"), "") + content("a") + field(count, "a", "CONFLICT (contents)"))
    assert len(out.messages) == 1


@given(st.binary(max_size=200) | st.lists(st.binary(max_size=12), max_size=8).map(b"\0".join))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for text in (data, TREE.encode() + b"\0" + data):
        try:
            out = parse_output(text)
        except GitError:
            continue
        assert out.tree == TREE
        assert all(path in out.stages or out.about(path) for path in out.conflicted_paths())
