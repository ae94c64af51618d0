"""Lists of named things: each is merged by its name."""

import pytest

from bot.model.resolutions import Tier
from bot.resolvers.structural import resolver
from tests.bot.resolvers.cases import a_case

PACKAGE = "package.json"
INSIDE = (b'{\n  "dependencies": {\n', b"  }\n}\n")


def lines(*texts: str, end: str = "\n") -> bytes:
    return "".join(text + end for text in texts).encode()


def merged(path: str, ours: bytes, ancestor: bytes, theirs: bytes, around: tuple[bytes, bytes]) -> bytes | None:
    """The text that is applied, None where the merge by name has none."""
    found = [
        answer
        for answer in resolver.answer(a_case((ours, ancestor, theirs), path=path, around=around))
        if answer.tier is Tier.STRUCTURAL and answer.resolver.startswith("structural: by key")
    ]
    assert len(found) <= 1
    return found[0].content if found else None


class TestJson:
    def test_each_entry_is_as_the_side_that_changed_it(self) -> None:
        found = merged(
            PACKAGE,
            lines('    "one": "1.0",', '    "two": "2.1"'),
            lines('    "one": "1.0",', '    "two": "2.0"'),
            lines('    "one": "1.1",', '    "two": "2.0"'),
            INSIDE,
        )
        assert found == lines('    "one": "1.1",', '    "two": "2.1"')

    def test_one_side_adds_what_the_other_leaves_alone(self) -> None:
        found = merged(
            PACKAGE,
            lines('    "a": "1",', '    "b": "2"'),
            lines('    "b": "2"'),
            lines('    "b": "3"'),
            INSIDE,
        )
        assert found == lines('    "a": "1",', '    "b": "3"')

    def test_what_one_side_removed_is_gone_and_the_comma_is_right(self) -> None:
        found = merged(
            PACKAGE,
            lines('    "a": "1"'),
            lines('    "a": "1",', '    "b": "2"'),
            lines('    "a": "9",', '    "b": "2"'),
            INSIDE,
        )
        assert found == lines('    "a": "9"')
        found = merged(
            PACKAGE,
            lines('    "a": "1",'),
            lines('    "a": "1",', '    "b": "2",'),
            lines('    "a": "9",', '    "b": "2",'),
            (INSIDE[0], b'    "z": "0"\n' + INSIDE[1]),
        )
        assert found == lines('    "a": "9",')

    def test_the_larger_of_two_versions(self) -> None:
        larger, smaller = (lines(f'    "a": "^{version}",', '    "b": "2"') for version in ("1.10.0", "1.9.0"))
        ancestor = lines('    "a": "^1.2.0",', '    "b": "2"')
        assert merged(PACKAGE, larger, ancestor, smaller.replace(b'"2"', b'"3"'), INSIDE) == larger.replace(
            b'"2"', b'"3"'
        )
        assert merged(PACKAGE, smaller.replace(b'"2"', b'"3"'), ancestor, larger, INSIDE) == larger.replace(
            b'"2"', b'"3"'
        )

    def test_what_both_added_is_proposed_in_the_order_of_the_list(self) -> None:
        case = a_case(
            (
                lines('    "a": "1",', '    "c": "3",', '    "z": "9"'),
                lines('    "a": "1",', '    "z": "9"'),
                lines('    "a": "1",', '    "b": "2",', '    "z": "9"'),
            ),
            path=PACKAGE,
            around=INSIDE,
        )
        (found,) = resolver.answer(case)
        assert found.tier is Tier.B
        assert found.content == lines('    "a": "1",', '    "b": "2",', '    "c": "3",', '    "z": "9"')

    def test_and_ours_first_where_there_is_no_order(self) -> None:
        case = a_case(
            (
                lines('    "z": "9",', '    "a": "1",', '    "c": "3"'),
                lines('    "z": "9",', '    "a": "1"'),
                lines('    "z": "9",', '    "b": "2",', '    "a": "1"'),
            ),
            path=PACKAGE,
            around=INSIDE,
        )
        found = list(resolver.answer(case))
        assert [answer.tier for answer in found] == [Tier.B]
        assert found[0].content.count(b'"') == 16

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            pytest.param('"a": "x"', '"a": "y"', id="both changed one entry"),
            pytest.param('"a": "1.2.3"', '"a": "latest"', id="a version and a word"),
            pytest.param('"a": "^1.2"', '"a": "~1.3"', id="ranges of two sorts"),
            pytest.param('"a": "1", "b": "2"', '"a": "2"', id="two on a line"),
            pytest.param('"c": 1,\n"c": 2', '"a": "2"', id="a name twice"),
            pytest.param('"c": [', '"a": "2"', id="no whole entry"),
            pytest.param('"c": 1,,', '"a": "2"', id="broken"),
        ],
    )
    def test_left_open(self, ours: str, theirs: str) -> None:
        assert merged(PACKAGE, lines(ours), lines('"a": "0"'), lines(theirs), (b"{\n", b"}\n")) is None

    def test_nested_entries_are_whole(self) -> None:
        nested = ('  "k": {', '    "x": [1, 2],', '    "y": {}', "  },")
        found = merged(
            "a.json",
            lines(*nested, '  "m": 2,'),
            lines('  "k": {},', '  "m": 1,'),
            lines('  "k": {},', '  "m": 1,', '  "n": true,'),
            (b"{\n", b'  "last": 0\n}\n'),
        )
        assert found == lines(*nested, '  "m": 2,', '  "n": true,')

    def test_line_ends_and_tabs_stay(self) -> None:
        found = merged(
            PACKAGE,
            lines('\t"one": "1.0",', '\t"two": "2.1"', end="\r\n"),
            lines('\t"one": "1.0",', '\t"two": "2.0"', end="\r\n"),
            lines('\t"one": "1.1",', '\t"two": "2.0"', end="\r\n"),
            (b"{\r\n", b"}\r\n"),
        )
        assert found == lines('\t"one": "1.1",', '\t"two": "2.1"', end="\r\n")

    def test_without_newline_at_the_end_of_the_file(self) -> None:
        case = a_case((b"a: 1\nb: 3", b"a: 1\nb: 2", b"a: 5\nb: 2"), path="a.yaml", around=(b"x: 0\n", b""))
        found = list(resolver.answer(case))
        assert [answer.content for answer in found] == [b"a: 5\nb: 3"]


class TestTomlAndYaml:
    def test_toml(self) -> None:
        found = merged(
            "Cargo.toml",
            lines('serde = "1.0"', 'tokio = { version = "1", features = ["full"] }'),
            lines('serde = "1.0"', 'tokio = "1"'),
            lines('anyhow = "1"', 'serde = "1.0"', 'tokio = "1"'),
            (b"[dependencies]\n", b"\n[features]\n"),
        )
        assert found == lines('anyhow = "1"', 'serde = "1.0"', 'tokio = { version = "1", features = ["full"] }')

    def test_yaml_with_blocks_and_comments(self) -> None:
        found = merged(
            "ci.yaml",
            lines("  image: x", "  # why", "  steps:", "    - one", "    - two"),
            lines("  image: x", "  # why", "  steps:", "    - one"),
            lines("  image: y", "  # why", "  steps:", "    - one"),
            (b"job:\n", b"other:\n  a: 1\n"),
        )
        assert found == lines("  image: y", "  # why", "  steps:", "    - one", "    - two")

    def test_yaml_whose_entries_one_side_moved_to_another_level(self) -> None:
        case = a_case((b"c: 2\n", b"  c: 2\n", b"  c: 3\n"), path="a.yaml", around=(b"a:\n  b: 1\n", b""))
        assert list(resolver.answer(case)) == []

    def test_a_comment_goes_with_its_entry(self) -> None:
        found = merged(
            "a.toml",
            lines("# about a", "a = 1", "b = 2"),
            lines("a = 1", "b = 2"),
            lines("a = 1", "b = 3"),
            (b"[t]\n", b""),
        )
        assert found == lines("# about a", "a = 1", "b = 3")

    def test_a_comment_that_both_changed_leaves_it_open(self) -> None:
        theirs = lines("# theirs", "a = 1", "b = 2")
        assert merged("a.toml", lines("# ours", "a = 1", "b = 2"), lines("a = 1", "b = 2"), theirs, (b"", b"")) is None


CODE = [
    pytest.param(
        "a.py",
        ("import os", "import sys"),
        ("import os", "import re"),
        ("import os",),
        ("import os", "import re", "import sys"),
        id="python",
    ),
    pytest.param(
        "A.java",
        ("import a.A;", "import a.C;"),
        ("import a.A;", "import a.B;"),
        ("import a.A;",),
        ("import a.A;", "import a.B;", "import a.C;"),
        id="java",
    ),
    pytest.param(
        "a.ts",
        ('import a from "a";', 'import c from "c";'),
        ('import a from "a";', 'import b from "b";'),
        ('import a from "a";',),
        ('import a from "a";', 'import b from "b";', 'import c from "c";'),
        id="typescript",
    ),
    pytest.param(
        "a.go",
        ('\t"a"', '\t"c"'),
        ('\t"a"', '\t"b"'),
        ('\t"a"',),
        ('\t"a"', '\t"b"', '\t"c"'),
        id="go",
    ),
    pytest.param(
        "a.rs",
        ("use a::A;", "use a::C;"),
        ("use a::A;", "use a::B;"),
        ("use a::A;",),
        ("use a::A;", "use a::B;", "use a::C;"),
        id="rust",
    ),
    pytest.param(
        "A.cs",
        ("using A;", "using C;"),
        ("using A;", "using B;"),
        ("using A;",),
        ("using A;", "using B;", "using C;"),
        id="csharp",
    ),
    pytest.param(
        "A.php",
        ("use A\\A;", "use A\\C;"),
        ("use A\\A;", "use A\\B;"),
        ("use A\\A;",),
        ("use A\\A;", "use A\\B;", "use A\\C;"),
        id="php",
    ),
]


@pytest.mark.parametrize(("path", "ours", "theirs", "ancestor", "union"), CODE)
def test_imports_are_proposed_as_a_union_and_never_applied(
    path: str, ours: tuple[str, ...], theirs: tuple[str, ...], ancestor: tuple[str, ...], union: tuple[str, ...]
) -> None:
    around = (b"import (\n", b")\n") if path.endswith(".go") else (b"", b"")
    case = a_case((lines(*ours), lines(*ancestor), lines(*theirs)), path=path, around=around)
    found = list(resolver.answer(case))
    assert [(answer.tier, answer.content) for answer in found] == [(Tier.B, lines(*union))]


@pytest.mark.parametrize(
    ("path", "member", "around"),
    [
        ("A.java", "    int {}() {{ return 1; }}", (b"class A {\n", b"}\n")),
        ("a.ts", "  {}(): number {{ return 1; }}", (b"class A {\n", b"}\n")),
        ("A.cs", "    int {}() {{ return 1; }}", (b"class A {\n", b"}\n")),
        ("A.php", "    function {}() {{ return 1; }}", (b"<?php class A {\n", b"}\n")),
        ("a.py", "    def {}(self): return 1", (b"class A:\n", b"")),
        ("a.rs", "    fn {}(&self) -> i32 {{ 1 }}", (b"impl A {\n", b"}\n")),
    ],
)
def test_members_that_both_added_are_proposed_ours_first(path: str, member: str, around: tuple[bytes, bytes]) -> None:
    common, ours, theirs = (member.format(name) for name in ("zero", "mine", "other"))
    case = a_case((lines(common, ours), lines(common), lines(common, theirs)), path=path, around=around)
    found = list(resolver.answer(case))
    assert [(answer.tier, answer.content) for answer in found] == [(Tier.B, lines(common, ours, theirs))]


def test_overloads_have_one_name_and_are_left_open() -> None:
    ours = lines("  int a() { return 1; }", "  int a(int b) { return b; }")
    case = a_case((ours, b"", lines("  int c() { return 1; }")), path="A.java", around=(b"class A {\n", b"}\n"))
    assert list(resolver.answer(case)) == []


def test_what_is_made_by_a_tool_is_left_to_it() -> None:
    texts = (
        lines('    "one": "1.0",', '    "two": "2.1"'),
        lines('    "one": "1.0",', '    "two": "2.0"'),
        lines('    "one": "1.1",', '    "two": "2.0"'),
    )
    assert merged("package-lock.json", *texts, INSIDE) is None
    assert merged("package.json", *texts, INSIDE) is not None
