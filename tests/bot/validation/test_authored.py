"""What is never pushed of a change that an agent wrote, and what is named for whoever decides."""

import pytest

from bot.config_keys import BUILTIN_PROTECTED_PATHS
from bot.model.resolutions import GateResult, GateVerdict
from bot.validation.authored import NAMES, judge

TOKEN = "ghp_" + "a1B2c3D4e5" * 4  # in the shape of a token
OLD_TEST = b"def test_fee():\n    assert fee(1) == 2\n    assert fee(2) == 4\n"


def judged(path: str, new: bytes, old: bytes | None = None, *, deleted: tuple[str, ...] = ()) -> GateResult:
    modes = {path: "100644"}
    return judge({path: old}, {path: new}, deleted, modes=modes, protected=tuple(BUILTIN_PROTECTED_PATHS))


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


def test_a_deleted_file_is_never_pushed() -> None:
    assert judged("src/a.py", b"x = 1\n", deleted=("src/b.py",)).verdict is GateVerdict.REFUSED


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
