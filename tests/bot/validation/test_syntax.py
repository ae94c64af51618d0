"""Parse errors that neither side has; and parsers that give up."""

from dataclasses import replace

import pytest

from bot.errors import SandboxError
from bot.model.resolutions import Finding, GateVerdict
from bot.validation import parse_child, syntax
from bot.validation.languages import language_of
from tests.bot.validation.candidates import ANCESTOR, OURS, THEIRS, Sides, candidate

BROKEN = OURS.replace(b"return a + 1", b"return a + (1")


def test_a_new_parse_error_is_refused_with_its_line() -> None:
    (finding, *_) = syntax.check(candidate(BROKEN))
    assert finding.verdict is GateVerdict.REFUSED
    assert finding.lines is not None
    assert finding.lines[0] in (6, 7, 8, 9)


@pytest.mark.parametrize("result", [OURS, THEIRS, OURS.replace(b"a + 1", b"(a + 1) * 2")])
def test_what_parses_passes(result: bytes) -> None:
    assert syntax.check(candidate(result)) == []


def test_an_error_that_a_side_has_may_stay_but_gets_no_company() -> None:
    sides: Sides = {"ours": BROKEN, "ancestor": ANCESTOR, "theirs": THEIRS}
    assert syntax.check(candidate(BROKEN, **sides)) == []
    more = BROKEN.replace(b"return a + (1", b"return )(")
    assert any(finding.verdict is GateVerdict.REFUSED for finding in syntax.check(candidate(more, **sides)))


SAMPLES = {
    "a.py": ("def f():\n    return (1)\n", "def f():\n    return (1\n"),
    "a.js": ("let a = {b: 1};\n", "let a = {b: 1;\n"),
    "a.ts": ("let a: number = f(1);\n", "let a: number = f(1;\n"),
    "a.tsx": ("const a = <b>c</b>;\n", "const a = <b>c</d;\n"),
    "a.go": ("package a\nfunc f() { g(1) }\n", "package a\nfunc f() { g(1 }\n"),
    "a.rs": ("fn f() { g(1) }\n", "fn f() { g(1 }\n"),
    "a.java": ("class A { int a = 1; }\n", "class A { int a = ; \n"),
    "a.c": ("int f(void) { return 1; }\n", "int f(void) { return 1; \n"),
    "a.cpp": ("int f() { return 1; }\n", "int f() { return 1; \n"),
    "a.cs": ("class A { int a = 1; }\n", "class A { int a = ; \n"),
    "a.rb": ("def f\n  1\nend\n", "def f\n  1\n"),
    "a.php": ("<?php f(1);\n", "<?php f(1;\n"),
    "a.kt": ("fun f() { g(1) }\n", "fun f() { g(1 \n"),
    "a.swift": ("func f() { g(1) }\n", "func f() { g(1 \n"),
    "a.scala": ("object A { val a = f(1) }\n", "object A { val a = f(1 \n"),
    "a.lua": ("f(1)\n", "f(1\n"),
    "a.ex": ("def f do\n  1\nend\n", "def f do\n  1\n"),
    "a.yaml": ("a: [1, 2]\nb: 1\n", "a: [1, 2\nb: 1\n"),
    "a.json": ('{"a": [1]}\n', '{"a": [1}\n'),
    "a.toml": ("a = 1\n", "a = = 1\n"),
    "a.html": ("<p>x</p>\n", "<p <x</p>\n"),
    "a.css": ("a { b: c }\n", "a { b: c \n"),
    "a.sh": ("if a; then b; fi\n", "if a; then b; \n"),
    "a.tf": ('a "b" { c = 1 }\n', 'a "b" { c = \n'),
    "a.xml": ("<a><b/></a>\n", "<a><b></a>\n"),
    "Dockerfile": ("FROM a\nRUN b\n", "FROM a\nRNU b\n"),
}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_listed_language_tells_good_from_bad(name: str) -> None:
    good, bad = (text.encode() for text in SAMPLES[name])
    sides: Sides = {"ancestor": b"", "ours": good, "theirs": good + b"\n"}
    assert syntax.check(candidate(good, path=name, **sides)) == []
    assert [finding.verdict for finding in syntax.check(candidate(bad, path=name, **sides))][:1] == [
        GateVerdict.REFUSED
    ]


def test_every_language_has_a_sample() -> None:
    suffixes = [".bash", ".c", ".cc", ".cs", ".css", ".ex", ".go", ".hcl", ".html", ".java", ".js", ".json", ".kt"]
    suffixes += [".lua", ".php", ".py", ".rb", ".rs", ".scala", ".sh", ".swift", ".toml", ".ts", ".tsx", ".xml", ".yml"]
    known = {language_of(f"x{suffix}") for suffix in suffixes} | {language_of("Dockerfile")}
    assert known == {language_of(name) for name in SAMPLES}


def only_note(findings: list[Finding]) -> str:
    (finding,) = findings
    assert finding.verdict is GateVerdict.PASS
    return finding.message


@pytest.mark.parametrize("path", ["notes.txt", "LICENSE", "a.unknown", "x.md", "py"])
def test_a_file_without_grammar_leaves_a_note(path: str) -> None:
    assert "no grammar" in only_note(syntax.check(candidate(b"(((\n", path=path)))


def test_a_large_side_leaves_a_note() -> None:
    large = b"# x\n" * (syntax.MAX_PARSED_BYTES // 4 + 1)
    assert "larger than 1 MB" in only_note(syntax.check(candidate(large, ours=large, path="a.py")))


def test_a_result_that_outgrew_its_sides_needs_a_person() -> None:
    large = OURS + b"# x\n" * (syntax.MAX_PARSED_BYTES // 4 + 1)
    (finding,) = syntax.check(candidate(large))
    assert finding.verdict is GateVerdict.NEEDS_PERSON


DEADLY = b"a<" * 100_000 + b"\n"
"""Measured: this runs tree-sitter's C# grammar out of stack. In a child that is an answer, here it would be the end."""


def test_a_text_that_kills_the_parser_costs_only_itself() -> None:
    deadly = candidate(DEADLY, path="a.cs", ours=b"class A { }\n", theirs=b"class B { }\n", ancestor=b"")
    broken = candidate(BROKEN)
    both = replace(
        broken,
        resolutions=(*deadly.resolutions, *broken.resolutions),
        sides={**deadly.sides, **broken.sides},
    )
    findings = syntax.check(both)
    assert {(finding.path, finding.verdict) for finding in findings} == {
        ("a.cs", GateVerdict.NEEDS_PERSON),
        ("src/app.py", GateVerdict.REFUSED),
    }


def test_a_side_that_kills_the_parser_leaves_a_note() -> None:
    sides: Sides = {"ours": DEADLY, "theirs": b"class B { }\n", "ancestor": b""}
    assert "too hard" in only_note(syntax.check(candidate(b"class {\n", path="a.cs", **sides)))


def test_a_parser_that_cannot_be_started_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(SandboxError):
        syntax.check(candidate(BROKEN))


def test_the_child_counts_all_errors_and_lists_some() -> None:
    count, listed = parse_child.errors_in("json", b"[1 1]\n" * 1000)
    assert count > parse_child.MAX_LISTED == len(listed)


def test_files_with_very_many_errors_are_compared_by_their_number() -> None:
    many = b"[1 1]\n" * 1000
    sides: Sides = {"ours": many, "theirs": many + b"[1]\n", "ancestor": b""}
    assert syntax.check(candidate(many, path="a.json", **sides)) == []
    assert len(syntax.check(candidate(many * 3, path="a.json", **sides))) == 1
