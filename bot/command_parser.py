"""Comments into commands. A comment is Markdown, and only what its author says in the open counts.

A command is a line of a top-level paragraph that starts at column 0 with ``/flowforge`` or with a mention of the bot.
Quotes, lists, tables, headings, code, links, HTML blocks and comments hold no commands: quoting somebody, or showing
how a command is written, runs nothing. The structure is found by a CommonMark parser, never by regular expressions.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from bot.command_words import SPACE, CommandFault, FaultKind, ParsedCommand, parse_line
from bot.commands import MAX_COMMANDS, PREFIX

MAX_CHARACTERS: Final = 65_536
"""The longest comment that is read; GitHub allows no longer ones."""

Parsed = ParsedCommand | CommandFault


def parse_comment(body: str, *, mention: str) -> list[Parsed]:
    """The commands and the faulty command lines of a comment, in order. Never raises.

    ``mention`` is the bot's login, with or without ``[bot]``. A comment with too many commands, or a command in a
    comment that is too long, gives one fault and no command.
    """
    if len(body) > MAX_CHARACTERS:
        return [_too_long(body)] if _mentions_us(body, mention) else []
    parsed = _parse(body, mention)
    return [_too_many(parsed)] if len(parsed) > MAX_COMMANDS else parsed


def added_commands(before: str, after: str, *, mention: str) -> list[Parsed]:
    """What an edit added to a comment: the lines of ``after`` less those of ``before``, as multisets.

    Lines that ask for the same are the same, so moving, re-spacing or quoting a command adds nothing. Ordinals are
    those of ``after``. Where ``before`` is too long to be read nothing counts as added.
    """
    if len(before) > MAX_CHARACTERS:
        return [_too_long(after)] if _mentions_us(after, mention) else []
    if len(after) > MAX_CHARACTERS:
        return parse_comment(after, mention=mention)
    parsed = _parse(after, mention)
    known = Counter(_parse(before, mention))
    added = []
    for item in parsed:
        if known[item] > 0:
            known[item] -= 1
        else:
            added.append(item)
    return [_too_many(added)] if added and len(parsed) > MAX_COMMANDS else added


def fault_message(faults: list[CommandFault]) -> str:
    """One answer to all faulty lines of a comment, as Markdown."""
    if len(faults) == 1:
        return faults[0].message
    return "\n".join(f"- Line {fault.line}: {fault.message}" for fault in faults)


def _parse(body: str, mention: str) -> list[Parsed]:
    if not _mentions_us(body, mention):
        return []
    address = _address(mention)
    parsed: list[Parsed] = []
    for number, line in _open_lines(body, address):
        found = address.match(line)
        if found is not None:
            text = line.rstrip(SPACE)
            parsed.append(parse_line(text[found.end() :], text=text, line=number, ordinal=len(parsed)))
    return parsed


def _address(mention: str) -> re.Pattern[str]:
    login = re.escape(mention.removeprefix("@").removesuffix("[bot]"))
    return re.compile(rf"(?:{re.escape(PREFIX)}|@{login}(?:\[bot\])?[,:]?)(?=[{SPACE}]|\Z)", re.IGNORECASE)


def _mentions_us(body: str, mention: str) -> bool:
    folded = body.casefold()
    return PREFIX in folded or f"@{mention.removeprefix('@').removesuffix('[bot]')}".casefold() in folded


def _too_long(body: str) -> CommandFault:
    message = f"A comment with commands may have at most {MAX_CHARACTERS} characters. Nothing in it was run."
    return CommandFault(kind=FaultKind.COMMENT_TOO_LONG, message=message, text=body[:80], line=1, ordinal=0)


def _too_many(parsed: list[Parsed]) -> CommandFault:
    message = f"A comment may hold at most {MAX_COMMANDS} commands. None of them was run."
    last = parsed[-1]
    return CommandFault(
        kind=FaultKind.TOO_MANY_COMMANDS, message=message, text=last.text, line=last.line, ordinal=last.ordinal
    )


# --- Markdown -------------------------------------------------------------------------------------------------------

_STARTS: Final = "line starts"
_TOKENS: Final = "tokens"


def _note_line_start(state: StateInline, silent: bool) -> bool:
    """An inline rule that matches nothing: it writes down which lines of a paragraph begin outside of any construct.

    The tokenizer comes by at a line's start only when no code span, HTML tag or comment goes over it. Within a link's
    label ``linkLevel`` is set; an image's label is tokenized into another list.
    """
    start = state.pos == 0 or state.src[state.pos - 1] == "\n"
    if start and not silent and not state.linkLevel and state.tokens is state.env[_TOKENS]:
        state.env[_STARTS].append(state.src.count("\n", 0, state.pos))
    return False


def _markdown() -> MarkdownIt:
    # GitHub's tables are no part of CommonMark, and a row may begin with a command.
    markdown = MarkdownIt("commonmark").enable("table")
    # Inlines are looked at by us, paragraph by paragraph; emphasis and entities are nothing to us.
    markdown.disable(["inline", "text_join", "emphasis", "entity", "balance_pairs", "fragments_join"])
    markdown.inline.ruler.before("text", "note_line_start", _note_line_start)
    return markdown


_MARKDOWN: Final = _markdown()


def _open_lines(body: str, address: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Lines of top-level paragraphs that begin at column 0 outside of links, code and HTML, numbered from 1."""
    lines = re.split(r"\r\n?|\n", body)
    env: dict[str, Any] = {}
    folded = _HtmlDepth()
    for token, inline in _top_level(_MARKDOWN.parse(body, env)):
        if token.type == "html_block":
            folded.feed(token.content)
        elif inline is not None and inline.map is not None and not folded.inside:
            first, end = inline.map
            own = lines[first:end]
            if any(address.match(line) for line in own):
                yield from ((first + n + 1, own[n]) for n in _line_starts(inline.content, own, env))


def _top_level(tokens: list[Token]) -> Iterator[tuple[Token, Token | None]]:
    """Each block at the top, a paragraph with its inline content."""
    following = [*tokens[1:], None]
    for token, after in zip(tokens, following, strict=True):
        if token.level == 0:
            yield token, after if token.type == "paragraph_open" else None


def _line_starts(content: str, lines: list[str], env: dict[str, Any]) -> list[int]:
    """Which of a paragraph's lines begin in the open, counted from 0."""
    if [line.strip() for line in content.split("\n")] != [line.replace("\0", "\ufffd").strip() for line in lines]:
        return []  # the parser took something away that we do not know of: better no command than a wrong one
    tokens: list[Token] = []
    starts: list[int] = []
    _MARKDOWN.inline.parse(content, _MARKDOWN, {**env, _TOKENS: tokens, _STARTS: starts}, tokens)
    return starts


class _HtmlDepth:
    """Whether an HTML element that quotes, folds or shows code is open.

    CommonMark ends an HTML block at a blank line, so what stands between ``<blockquote>`` and ``</blockquote>`` can be
    a paragraph at the top, though people see a quote.
    """

    _TAG = re.compile(r"<(/?)(?:blockquote|details|q|pre|code|samp|kbd|del|s|table|ul|ol|dl|template)\b", re.IGNORECASE)

    _COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)

    def __init__(self) -> None:
        self._depth = 0

    def feed(self, html: str) -> None:
        for closing in self._TAG.findall(self._COMMENT.sub("", html)):
            self._depth = max(0, self._depth - 1) if closing else self._depth + 1

    @property
    def inside(self) -> bool:
        return self._depth > 0
