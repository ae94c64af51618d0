"""What the pages for people say exists, exists: links, settings, commands, programs, files and tests."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import COMMANDS as PROGRAMS
from app.demo.command import demo
from app.demo.steps import Step
from app.docs import ROOT
from app.settings import Settings
from bot.commands import COMMANDS

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
OURS = [page for page in PAGES if page.name not in {"CONTRIBUTING.md", "SECURITY.md"}]
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(<?([^)\s>]+)>?\)")
CODE = re.compile(r"```[^\n]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_of(page: Path) -> Iterator[str]:
    """What stands between backticks or fences."""
    yield from (block or span for block, span in CODE.findall(text_of(page)))


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(text_of(page)):
        path, _, anchor = link.partition("#")
        if path.startswith(("http://", "https://", "mailto:")):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    return broken


def test_the_pages_are_found() -> None:
    names = {name_of(page) for page in PAGES}
    assert {"README.md", "CHANGELOG.md", "docs/operations.md", "docs/security.md", "docs/adr/README.md"} <= names


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A `code` heading, twice\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](not-there.md) [c](there.md#a-code-heading-twice) [d](there.md#b) [e](#f)\n"
        "![picture](none.svg) [w](https://example.com/x#y)\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["not-there.md", "there.md#b", "#f", "none.svg"]


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@each_page
def test_every_setting_exists(page: Path) -> None:
    known = {f"FLOWFORGE_{name.upper()}" for name in Settings.model_fields} | {
        "FLOWFORGE_SECRETS_DIR",
        "FLOWFORGE_SECRETS_KEY_FILE",
    }
    assert set(re.findall(r"FLOWFORGE_[A-Z_]*[A-Z]", text_of(page))) - known == set()


@each_page
def test_every_command_in_a_comment_exists(page: Path) -> None:
    known = {word for spec in COMMANDS for word in (spec.name, *spec.aliases)}
    said = {word for code in code_of(page) for word in re.findall(r"(?<![\w/.])/flowforge (\w+)", code)}
    assert said - known == set()


@each_page
def test_every_program_exists(page: Path) -> None:
    said = {word for code in code_of(page) for word in re.findall(r"(?m)(?:^|bin/)flowforge ([a-z]+)", code)}
    assert said - set(PROGRAMS) == set()


@each_page
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    said = {word for code in code_of(page) for word in re.findall(r"(?m)^\s*make ([a-z-]+)", code)}
    assert said - targets == set()


@each_page
def test_every_file_and_test_exists(page: Path) -> None:
    named = [code for code in code_of(page) if re.fullmatch(r"(?:app|bot|runners|tests|tools)/[\w./]+(?:::\w+)?", code)]
    missing = []
    for one in named:
        path, _, test = one.partition("::")
        file = ROOT / path
        if not file.exists() or (test and f"def {test}(" not in text_of(file)):
            missing.append(one)
    assert missing == []


def test_the_readme_names_the_two_commands() -> None:
    code = "\n".join(code_of(ROOT / "README.md"))
    assert "make demo" in code
    assert "make test" in code


def test_the_page_on_the_demo_shows_its_options_and_steps() -> None:
    options = {name for parameter in demo.params for name in parameter.opts if name.startswith("--")}
    text = text_of(ROOT / "docs/demo.md")
    assert set(re.findall(r"(--[a-z]+(?:-[a-z]+)*)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))) == options
    assert [step.value for step in Step] == re.findall(
        r"`(\w+)`", text.split("The steps are", 1)[1].split("\n\n", 1)[0]
    )
    assert json.loads(text.split("```json\n", 1)[1].split("```", 1)[0])["ok"] is True


@pytest.mark.parametrize("page", OURS, ids=name_of)
def test_lines_are_not_too_long(page: Path) -> None:
    assert [line for line in text_of(page).splitlines() if len(line) > 120 and not line.startswith("|")] == []
