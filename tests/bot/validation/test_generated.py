"""A file that the repository's own command made: nobody merged it, and it may still not hold what no file may."""

from dataclasses import replace

import pytest

from bot.model.conflicts import ConflictKind
from bot.model.resolutions import Candidate, GateVerdict, HunkRationale, Resolution
from bot.validation.gate import run_gate
from tests.bot.validation.candidates import candidate

PATH = "deps.lock"
OURS = b'alpha==1.1 "sha512-' + b"A" * 60 + b'"\nbeta==1\nboth\n'
ANCESTOR = OURS.replace(b"1.1", b"1.0")
THEIRS = OURS.replace(b"1.1", b"1.2")
MADE = b'alpha==1.3 "sha512-' + b"B" * 60 + b'"\n' + b"x" * 3000 + b"\n"


def made(content: bytes | None, *, path: str = PATH, protected_paths: tuple[str, ...] = ()) -> Candidate:
    """The file as a command made it, the gate being told so."""
    merged = candidate(content, path=path, ours=OURS, ancestor=ANCESTOR, theirs=THEIRS, protected_paths=protected_paths)
    return replace(merged, marked={}, settled={}, changed={path: content}, generated=frozenset({path}))


def verdicts(found: Candidate) -> dict[str, GateVerdict]:
    """The checks that do not pass."""
    return {one.check: one.verdict for one in run_gate(found).findings if one.verdict is not GateVerdict.PASS}


def test_what_is_lost_or_new_in_it_is_as_its_command_wants_it() -> None:
    result = run_gate(made(MADE))
    assert result.verdict is GateVerdict.PASS
    notes = [finding.message for finding in result.findings]
    assert "Made anew by the repository's own command, not merged." in notes
    assert "The repository's own command wrote 2 lines that are on neither side into it." in notes
    merged = verdicts(replace(made(MADE), generated=frozenset()))
    assert {"sensitive", "provenance"} <= merged.keys(), "of anybody else, a person is asked about it"


@pytest.mark.parametrize(
    ("content", "check"),
    [
        (MADE + b"<<<<<<< a\nb\n=======\nc\n>>>>>>> d\n", "markers"),
        (MADE + "a \u202e b\n".encode(), "unicode"),
        (MADE + b"ghp_" + b"a1B2c3D4e5" * 4 + b"\n", "credentials"),
        (b"x" * (4 * 1024 * 1024 + 1), "size"),
        (None, "scope_paths"),
    ],
    ids=["markers", "unicode", "credentials", "size", "deleted"],
)
def test_what_no_file_may_hold_it_may_not_hold_either(content: bytes | None, check: str) -> None:
    assert check in verdicts(made(content))


def test_it_parses_as_well_as_its_sides() -> None:
    assert "syntax" in verdicts(made(b'{"a": [}\n', path="made.json"))


@pytest.mark.parametrize("path", ["requirements.txt", "Makefile"])
def test_what_people_write_or_what_builds_is_for_a_person_whoever_wrote_it(path: str) -> None:
    assert verdicts(made(MADE, path=path)) == {"sensitive": GateVerdict.NEEDS_PERSON}


def test_a_protected_path_stays_protected() -> None:
    assert verdicts(made(MADE, protected_paths=(PATH,))) == {"paths": GateVerdict.NEEDS_PERSON}


def beside(path: str, content: bytes | None) -> Candidate:
    """The same with another file that the command changed."""
    found = made(MADE)
    reason = HunkRationale(index=0, resolved=True, reason="It was made.")
    other = Resolution(
        path=path, kind=ConflictKind.CONTENT, resolver="regenerate", mode="100644", content=content, hunks=(reason,)
    )
    return replace(
        found,
        resolutions=(*found.resolutions, other),
        changed={**found.changed, path: content},
        modes={**found.modes, path: "100644"},
        generated=found.generated | {path},
    )


def test_a_file_of_the_commands_that_is_in_no_conflict_may_change() -> None:
    assert verdicts(beside("other.lock", b"new\n")) == {}


def test_one_that_is_deleted_or_not_the_commands_is_refused_by_name() -> None:
    assert verdicts(beside("other.lock", None)) == {"scope_paths": GateVerdict.REFUSED}
    strange = replace(made(MADE), changed={PATH: MADE, "README.md": b"hello\n"})
    (finding,) = [one for one in run_gate(strange).findings if one.verdict is GateVerdict.REFUSED]
    assert (finding.check, finding.path) == ("scope_paths", "README.md")
