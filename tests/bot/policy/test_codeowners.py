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
    assert [owner.kind for owner in two.owners] == [OwnerKind.USER, OwnerKind.USER, OwnerKind.ROLE]


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
