"""What is never pushed of a change that an agent wrote, and what is named for whoever decides."""

import pytest

from bot.config_keys import BUILTIN_PROTECTED_PATHS
from bot.model.resolutions import AuthoredChange, GateResult, GateVerdict
from bot.validation.authored import NAMES, judge

TOKEN = "ghp_" + "a1B2c3D4e5" * 4  # in the shape of a token
OLD_TEST = b"def test_fee():\n    assert fee(1) == 2\n    assert fee(2) == 4\n"


def judged(path: str, new: bytes, old: bytes | None = None, *, deleted: tuple[str, ...] = ()) -> GateResult:
    return judged_all({path: new}, {} if old is None else {path: old}, deleted=deleted)


def judged_all(
    changed: dict[str, bytes],
    before: dict[str, bytes],
    *,
    deleted: tuple[str, ...] = (),
    directories: dict[str, dict[str, str]] | None = None,
) -> GateResult:
    """The gate's word on files; those that were there before stand in the root, but for what ``directories`` says."""
    paths = (*changed, *deleted)
    change = AuthoredChange(
        before={path: before.get(path) for path in paths},
        changed=changed,
        deleted=deleted,
        modes=dict.fromkeys(paths, "100644"),
        new=frozenset(changed.keys() - before.keys()),
        directories=directories or {"": dict.fromkeys(before, "100644")},
    )
    return judge(change, protected=tuple(BUILTIN_PROTECTED_PATHS))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (".github/workflows/ci.yml", b"on: push\n"),
        (".gitlab-ci.yml", b"test:\n  script: id\n"),
        ("CLAUDE.md", b"Obey.\n"),
        (".claude/settings.json", b"{}\n"),
        (".flowforge.yml", b"version: 1\n"),
        ("CODEOWNERS", b"* @eve\n"),
        ("a/../b.py", b"x = 1\n"),
        (".git/hooks/post-checkout", b"id\n"),
        ("src/keys.py", f'TOKEN = "{TOKEN}"\n'.encode()),
        ("src/app.py", 'admin = "\u202euser"\n'.encode()),
    ],
)
def test_these_are_never_pushed(path: str, content: bytes) -> None:
    assert judged(path, content).verdict is GateVerdict.REFUSED


OLD = {"a.py": b"x = 1\n", "test_a.py": OLD_TEST, "CODEOWNERS": b"* @eve\n", "Makefile": b"all:\n"}


@pytest.mark.parametrize(
    ("path", "new", "finding"),
    [
        ("a.py", {}, ("deleted", GateVerdict.NEEDS_PERSON, "This file is deleted.")),
        (
            "a.py",
            {"b.py": OLD["a.py"]},
            ("deleted", GateVerdict.NEEDS_PERSON, "This file is moved to `b.py`, as it is."),
        ),
        ("test_a.py", {}, ("weakened_tests", GateVerdict.NEEDS_PERSON, "This file of tests is deleted.")),
        (
            "test_a.py",
            {"a.txt": OLD_TEST},
            ("weakened_tests", GateVerdict.NEEDS_PERSON, "This file of tests is deleted."),
        ),
        ("nothing.py", {}, ("deleted", GateVerdict.REFUSED, "There is no file here that could be deleted.")),
    ],
)
def test_a_deletion_is_named(path: str, new: dict[str, bytes], finding: tuple[str, GateVerdict, str]) -> None:
    result = judged_all(new, OLD, deleted=(path,), directories={"": dict.fromkeys(OLD, "100644")})
    assert [(one.check, one.verdict, one.message) for one in result.findings] == [finding]


@pytest.mark.parametrize(("path", "mode"), [("CODEOWNERS", "100644"), ("a.py", "120000"), ("a.py", "160000")])
def test_what_nobody_may_change_nobody_deletes(path: str, mode: str) -> None:
    result = judged_all({}, OLD, deleted=(path,), directories={"": {path: mode}})
    assert result.verdict is GateVerdict.REFUSED


def test_a_name_in_another_case_may_take_the_old_ones_place() -> None:
    result = judged_all({"A.py": OLD["a.py"]}, OLD, deleted=("a.py",), directories={"": {"a.py": "100644"}})
    assert result.verdict is GateVerdict.NEEDS_PERSON


@pytest.mark.parametrize(
    ("path", "new", "old"),
    [
        ("package.json", b'{"dependencies": {"left-pad": "1"}}\n', b"{}\n"),
        ("requirements.txt", b"requests\nreqeusts\n", b"requests\n"),
        ("Makefile", b"all:\n\tcurl x | sh\n", b"all:\n"),
        ("test_fees.py", b"def test_fee():\n    assert fee(1) == 2\n", OLD_TEST),
        ("test_fees.py", b"import pytest\n\n@pytest.mark.skip\n" + OLD_TEST, OLD_TEST),
    ],
)
def test_these_are_named_for_people(path: str, new: bytes, old: bytes) -> None:
    result = judged(path, new, old)
    assert result.verdict is GateVerdict.NEEDS_PERSON
    assert any(finding.path == path for finding in result.findings)


def test_an_ordinary_change_passes_without_a_word_about_what_is_new() -> None:
    result = judged(
        "src/fees.py", b"def fee(amount):\n    return amount * 3\n", b"def fee(amount):\n    return amount\n"
    )
    assert (result.verdict, result.findings, result.checks) == (GateVerdict.PASS, (), NAMES)


@pytest.mark.parametrize(
    ("path", "new", "old"),
    [
        ("requirements.txt", b"requests\nreqeusts\n", b"requests\n"),
        ("test_fees.py", b"import pytest\n\n@pytest.mark.skip\ndef test_it():\n    assert True\n", OLD_TEST),
        ("src/keys.py", f'TOKEN = "{TOKEN}"\n'.encode(), None),
        ("src/long.py", b'x = "' + b"y" * 2_000 + b'"\n', b""),
    ],
)
def test_nobody_reads_of_sides_where_nothing_was_merged(path: str, new: bytes, old: bytes | None) -> None:
    messages = [finding.message for finding in judged(path, new, old).findings]
    assert messages
    assert not [message for message in messages if " side" in message]


TREE = {
    "": {
        "src": "040000",
        "aux": "040000",
        "link": "120000",
        "lib": "160000",
        "a.txt": "100644",
        "donn\u00e9es": "040000",
    },
    "src": {"config.py": "100644", "\udcff.py": "100644"},
    "aux": {},
}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("lib/evil.c", "`lib` is a submodule"),
        ("link/x/y", "`link` is a symbolic link"),
        ("a.txt/x", "`a.txt` is a file"),
        ("src", "Here is a directory"),
        ("src/Config.py", "`src/config.py` is there"),
        ("SRC/new.py", "`src` is there"),
        ("\uff53rc/new.py", "`src` is there"),
        ("donne\u0301es/x", "`donn\u00e9es` is there"),
        ("src/con.txt", "Windows"),
        ("new/NUL", "Windows"),
        ("com\u00b9.c", "Windows"),
        ("src/a:b", "Windows"),
        ("src/x. ", "Windows"),
    ],
)
def test_a_new_file_takes_no_place_and_is_not_taken_for_another(path: str, reason: str) -> None:
    result = judged_all({path: b"x\n"}, {}, directories=TREE)
    assert result.verdict is GateVerdict.REFUSED
    assert [finding.message for finding in result.findings if reason in finding.message]


@pytest.mark.parametrize("path", ["src/other.py", "src/deep/config.py", "aux/x.c", "console.txt", "a.txt2/x"])
def test_other_new_files_stand_where_they_like(path: str) -> None:
    assert judged_all({path: b"x\n"}, {}, directories=TREE).verdict is GateVerdict.PASS


def test_two_new_files_are_not_taken_for_each_other() -> None:
    assert judged_all({"new/a.c": b"x\n", "new/A.c": b"x\n"}, {}).verdict is GateVerdict.REFUSED
    assert judged_all({"new/a.c": b"x\n", "New/b.c": b"x\n"}, {}).verdict is GateVerdict.REFUSED


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 123\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (POINTER % (b"a" * 64), POINTER % (b"b" * 64)),
        (POINTER % (b"a" * 64), b"x = 1\n"),
        (b"x = 1\n", POINTER % (b"a" * 64)),
        (None, POINTER % (b"a" * 64)),
    ],
)
def test_what_is_behind_a_pointer_is_for_people(old: bytes | None, new: bytes) -> None:
    result = judged("model.bin", new, old)
    assert [(finding.check, finding.verdict) for finding in result.findings] == [("lfs", GateVerdict.NEEDS_PERSON)]


def test_a_file_that_was_too_large_to_be_read_is_for_people() -> None:
    change = AuthoredChange(
        before={"tests/test_a.py": None},
        changed={"tests/test_a.py": b"x = 1\n"},
        deleted=(),
        modes={"tests/test_a.py": "100644"},
        new=frozenset(),
        directories={"": {"tests": "040000"}, "tests": {"test_a.py": "100644"}},
    )
    assert judge(change, protected=()).verdict is GateVerdict.NEEDS_PERSON
