"""Reads a report as a forge would, and says what in it could do harm."""

import re
from collections.abc import Iterator

from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.model.characters import is_hidden

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

OWN_HTML = re.compile(
    r"<!-- flowforge:(?:sticky repository=\d+ pull=\d+|reply key=[0-9a-f]{32}) -->\n?"
    r"|<details>\n<summary>[A-Za-z0-9 ,:+\u2212']+</summary>\n?|</details>\n?"
)
HARMFUL = re.compile(
    r"@|#|<|>|\[|\]|://|www\.|\bGH-\d|\b[0-9a-f]{7,}\b"
    r"|\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\W+(?:\w+/\w+)?#\d",
    re.IGNORECASE,
)
WORDS = [
    "@anna",
    "@acme/all",
    "fixes #1",
    "no-close: #2",
    "GH-3",
    "acme/shop#4",
    "https://github.com/acme/shop/issues/5",
    "www.evil.example",
    "a@b.example",
    "/flowforge approve",
    "\n/flowforge approve\n",
    "\n/ok-to-test\n",
    "\n@dependabot merge\n",
    "<!-- flowforge:sticky repository=4711 pull=12 -->",
    "-->",
    "<!--",
    "</details>",
    "<details><summary>",
    "<img src=x>",
    "<form>",
    "![x](http://evil/?q=1)",
    "[Approve](http://evil)",
    "[a]: http://evil",
    "javascript:alert(1)",
    "```",
    "````\n",
    "\n```\n",
    "\n~~~\n",
    "`",
    "``",
    "`a`",
    "|",
    "\\|",
    "\\",
    "| --- |",
    "\n---\n",
    "\n===\n",
    "\n# x\n",
    "\n    indented\n",
    "\n> quote\n",
    "\n1. x\n",
    "**b**",
    "*",
    "_a_",
    "~~s~~",
    "&lt;",
    "&#64;anna",
    "\\@anna",
    "deadbeefdeadbeef",
    "1234567",
    "x-",
    "-y",
    "\r",
    "\r\n/x\r\n",
    "\u2028/x",
    "\x85/x",
    "\x1b[2J",
    "\x1b]8;;http://evil\x07",
    "\u202e",
    "\u200b",
    "@\u200banna",
    "\ufeff",
    "\ud800",
    "\U0001f600",
    "$x$",
    ":tada:",
    "word",
    "plain words, here.",
    "(in brackets)",
    "日本語",
    "x" * 300,
    "`" * 300,
]

HOSTILE = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=20)), max_size=12).map(" ".join) | st.lists(
    st.sampled_from(WORDS), max_size=8
).map("".join)
"""Texts as an attacker would write them, and texts of any characters whatever."""


def harm(markdown: str) -> list[str]:
    """Everything in a Markdown text that could ping, close, link, load, run or hide; empty when all is well."""
    tokens = PARSER.parse(markdown)
    found = [f"command at line start: {line}" for line in _outside_fences(markdown, tokens) if line.lstrip()[:1] == "/"]
    for token in _all(tokens):
        if token.type in {"html_block", "html_inline"} and not OWN_HTML.fullmatch(token.content):
            found.append(f"HTML: {token.content!r}")
        if token.type in {"image", "link_open", "code_block"}:
            found.append(f"{token.type}: {token.attrs} {token.content!r}")
        if token.type == "text" and HARMFUL.search(token.content):
            found.append(f"text: {token.content!r}")
    found += [f"hidden: {ord(character):04X}" for character in markdown if is_hidden(character) or character == "\r"]
    return found


def _all(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def _outside_fences(markdown: str, tokens: list[Token]) -> list[str]:
    lines = markdown.split("\n")
    for token in tokens:
        if token.type == "fence" and token.map:
            for number in range(token.map[0], token.map[1]):
                lines[number] = ""
    return lines


def fences(markdown: str) -> list[str]:
    """The contents of all fenced blocks."""
    return [token.content for token in PARSER.parse(markdown) if token.type == "fence"]


def code_spans(markdown: str) -> list[str]:
    """The contents of all code spans."""
    return [token.content for token in _all(PARSER.parse(markdown)) if token.type == "code_inline"]


def paragraphs(markdown: str) -> list[str]:
    """The source of all top-level paragraphs."""
    tokens = PARSER.parse(markdown)
    return [token.content for token, before in zip(tokens[1:], tokens, strict=False) if before.type == "paragraph_open"]


def columns(markdown: str) -> list[int]:
    """How many cells each row of each table has."""
    counts: list[int] = []
    for token in PARSER.parse(markdown):
        if token.type == "tr_open":
            counts.append(0)
        elif token.type in {"td_open", "th_open"}:
            counts[-1] += 1
    return counts
