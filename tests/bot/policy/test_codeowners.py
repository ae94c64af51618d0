"""Whose approval a path asks for, by the documented examples of both forges and in our own files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.forge import ForgeKind
from bot.policy.codeowners import CodeOwners, OwnerKind, all_demands

GITHUB = """\
# whoever is left
*       @everybody
*.js    @js-owner #an inline comment
/build/logs/ @doctocat
docs/*  docs@example.com
apps/   @octocat
/docs/  @docs-owner
/scripts/ @org/scripts @octocat
**/logs @logs-owner
/apps/github
!negated @nobody
[ab].txt @nobody
"""

GITLAB = """\
* @default
docs/* @writers
/config/  @ops/team
README\\ first.md @reader

[Database] @dba
model/db/
config/db/database-setup.md @docs

^[Optional] @optional
*.rb

[Two][2] @one @two @@maintainer
security/
!security/notes.md

[DATABASE]
*.sql
"""


def owners(text: str, kind: ForgeKind, path: str) -> list[str]:
    return [" ".join(owner.written for owner in demand.owners) for demand in CodeOwners(text, kind=kind).demands(path)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.py", "@everybody"),
        ("deep/inside/a.py", "@everybody"),
        ("web/a.js", "@js-owner"),
        ("build/logs/x/y.txt", "@logs-owner"),
        ("deploy/build/logs/y.txt", "@logs-owner"),
        ("docs/a.md", "@docs-owner"),
        ("lib/docs/a.md", "@everybody"),
        ("lib/apps/x/y.js", "@octocat"),
        ("scripts/a.sh", "@org/scripts @octocat"),
        ("a.txt", "@everybody"),
        ("A.JS", "@everybody"),
    ],
)
def test_on_github_the_last_line_that_covers_a_path_counts(path: str, expected: str) -> None:
    assert owners(GITHUB, ForgeKind.GITHUB, path) == [expected]


def test_a_line_without_owners_frees_its_paths() -> None:
    assert owners(GITHUB, ForgeKind.GITHUB, "apps/github/a.py") == []
    assert owners("docs/* a@example.com\n", ForgeKind.GITHUB, "docs/deep/a.md") == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.py", ["@default"]),
        ("docs/a.md", ["@writers"]),
        ("docs/deep/a.md", ["@default"]),
        ("config/a.yml", ["@ops/team"]),
        ("README first.md", ["@reader"]),
        ("model/db/a.py", ["@default", "@dba"]),
        ("config/db/database-setup.md", ["@ops/team", "@docs"]),
        ("x/a.sql", ["@default", "@dba"]),
        ("a.rb", ["@default"]),
        ("security/a", ["@default", "@one @two @@maintainer"]),
        ("security/notes.md", ["@default"]),
    ],
)
def test_on_gitlab_each_section_asks_for_itself(path: str, expected: list[str]) -> None:
    assert owners(GITLAB, ForgeKind.GITLAB, path) == expected


def test_a_section_may_ask_for_several_owners() -> None:
    (_, two) = CodeOwners(GITLAB, kind=ForgeKind.GITLAB).demands("security/a")
    assert two.count == 2
    assert [owner.kind for owner in two.owners] == [OwnerKind.NAME, OwnerKind.NAME, OwnerKind.ROLE]


TWICE = """\
^[Docs][2] @writers
docs/
[DOCS] @editors
*.md
^[Go]
*.go @gopher
^[go][3]
main.go @lead
"""


def test_of_sections_with_one_name_the_strictest_counts_and_each_heading_names_its_own_owners() -> None:
    (both,) = CodeOwners(TWICE, kind=ForgeKind.GITLAB).demands("docs/a.txt")
    assert ([owner.written for owner in both.owners], both.count) == (["@writers"], 2)
    (later,) = CodeOwners(TWICE, kind=ForgeKind.GITLAB).demands("docs/a.md")
    assert ([owner.written for owner in later.owners], later.count) == (["@editors"], 2)
    assert CodeOwners(TWICE, kind=ForgeKind.GITLAB).demands("main.go") == []


def test_a_name_without_a_slash_may_be_a_group_on_gitlab_only() -> None:
    (demand,) = CodeOwners("* @backend @ops/team\n", kind=ForgeKind.GITLAB).demands("a")
    assert [owner.kind for owner in demand.owners] == [OwnerKind.NAME, OwnerKind.TEAM]
    (demand,) = CodeOwners("* @backend\n", kind=ForgeKind.GITHUB).demands("a")
    assert [owner.kind for owner in demand.owners] == [OwnerKind.USER]


CLASSES = """\
/[ab].py @some
/v[0-9]/*.txt @digits
/x[!0-9].py @others
/y[^a-cz].py @others
/\\[ab].py @literal
/star\\*.py @star
/open[ab @open
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.py", ["@some"]),
        ("c.py", []),
        ("-.py", []),
        ("v7/a.txt", ["@digits"]),
        ("vx/a.txt", []),
        ("xa.py", ["@others"]),
        ("x1.py", []),
        ("yb.py", []),
        ("yz.py", []),
        ("yd.py", ["@others"]),
        ("[ab].py", ["@literal"]),
        ("star*.py", ["@star"]),
        ("starry.py", []),
        ("open[ab", ["@open"]),
    ],
)
def test_on_gitlab_a_pattern_has_classes_of_characters_and_escapes(path: str, expected: list[str]) -> None:
    assert owners(CLASSES, ForgeKind.GITLAB, path) == expected


def test_on_gitlab_nothing_ends_the_owners_and_what_is_none_is_passed_over() -> None:
    text = "a.py @one # and @two, with nobody@example.com\n[Docs] @writers\nb.md # ours\nc.md writer\n"
    assert owners(text, ForgeKind.GITLAB, "a.py") == ["@one @two nobody@example.com"]
    assert owners(text, ForgeKind.GITLAB, "b.md") == ["@writers"]
    assert owners(text, ForgeKind.GITLAB, "c.md") == ["@writers"]
    assert owners("c.md writer\n", ForgeKind.GITLAB, "c.md") == ["writer"], "nobody will do, rather than anybody"


@pytest.mark.parametrize("kind", list(ForgeKind))
def test_a_byte_order_mark_is_no_part_of_the_first_line(kind: ForgeKind) -> None:
    assert owners("\ufeff/a.py @one\n", kind, "a.py") == ["@one"]


def test_the_same_owners_are_asked_for_once() -> None:
    found = all_demands(CodeOwners(GITHUB, kind=ForgeKind.GITHUB), ["a.py", "b.py", "c.js"])
    assert [demand.path for demand in found] == ["a.py", "c.js"]


TEXTS = st.text(st.sampled_from("*/[]^!@# \\ab.\n"), max_size=60) | st.text(max_size=60)


@given(TEXTS, st.sampled_from(list(ForgeKind)), st.sampled_from(["a", "a/b", "a.b/a/b", "[a]"]))
def test_any_text_is_read(text: str, kind: ForgeKind, path: str) -> None:
    for demand in CodeOwners(text, kind=kind).demands(path):
        assert demand.owners
        assert demand.count >= 1


def test_a_hostile_pattern_takes_no_time() -> None:
    text = f"{'**/' * 400}*{'a*' * 400}b @x\n" * 20
    assert owners(text, ForgeKind.GITHUB, "/".join(["a" * 200] * 40)) == []
    classes = f"/{'[a-z]*' * 400}[0-9] @x\n" * 20
    assert owners(classes, ForgeKind.GITLAB, "a" * 4000) == []
