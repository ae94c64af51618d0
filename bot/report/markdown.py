"""Words of others as GitHub Markdown in which nothing can format, ping, close, link, load, run or hide.

The rule is one for all: only what is known to be plain prose stands as text; every other word stands in a code span or
a fence, where GitHub links and mentions nothing. So no list of dangerous things has to be complete.

``size`` is how a forge counts: UTF-16 code units are the largest of the ways in use short of bytes. Limits:
65,536 for a comment, 65,535 for each text of a check run.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bot.model.characters import shown

_PLAIN_WORD: Final = re.compile(
    r"""["'(\u201c\u2018]*                       # opening quotes and brackets
    (?: [^\W\d_]+ (?:['\u2019-][^\W\d_]+)*      # letters, as in don't and well-known
      | \d+ (?:[.,:]\d+)* %?                    # numbers
      | (?:[A-Za-z]\.){2,}                      # e.g.
    )
    ["')\u201d\u2019]* [.,;:!?\u2026]* ["')\u201d\u2019]*
    """,
    re.VERBOSE,
)
_MAX_PLAIN: Final = 40
_COMMIT_LIKE: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{7,}(?![0-9A-Za-z])")
"""GitHub links what could be the beginning of a commit's id."""
_LIST_NUMBER: Final = re.compile(r"\d+[.)].*")
_SIGNS: Final = frozenset("-&\u2013\u2014\u2026\u00b7\u2192")
"""Alone between words these are only signs."""

_OPENING: Final = "\"'(\u201c\u2018"
_CLOSING: Final = ".,;:!?\u2026\"'\u201d\u2019"
_CODE_IN_PROSE: Final = re.compile(rf"([{_OPENING}]*)(?<!`)(`+)(?!`)(.+?)(?<!`)\2(?!`)([{_CLOSING})]*)")
"""What somebody put between backticks, and the sentence's punctuation around it."""

_REFERS: Final = re.compile(r"(?<=@)(?=[\w\"])|(?<=\#)(?=[\w\"])|(?<=\bGH-)(?=\d)|(?<=://)", re.IGNORECASE)
"""Where a space ends what would be a mention, a reference or a link in a text without Markdown."""

_BACKTICKS: Final = re.compile(r"`+")
_OUR_MARKER: Final = re.compile(r"<!--(\s*)flowforge:")

_LEFT_OUT_ROOM: Final = 40
_READ: Final = 4
"""So many times the characters that fit are read: white space shrinks, and hostile texts can be very long."""


def size(text: str) -> int:
    """The length of ``text`` in UTF-16 code units, the most that a forge may count."""
    return len(text) + sum(character > "\uffff" for character in text) if not text.isascii() else len(text)


def cut(text: str, limit: int) -> str:
    """A beginning of ``text`` of at most ``limit`` units, by whole code points; all of it where it fits."""
    limit = max(limit, 0)
    if size(text) <= limit:
        return text
    short = text[:limit]
    while size(short) > limit:
        short = short[: len(short) - max((size(short) - limit) // 2, 1)]
    return short


def _settled(text: str) -> str:
    """One line, with what cannot be seen written out, and without the hidden markers of our own comments."""
    return _OUR_MARKER.sub(r"<!--\1flowforge :", shown(" ".join(text.split())))


def plain(text: str, limit: int) -> str:
    """One line of at most ``limit`` units, for places that know no Markdown, such as titles."""
    line = _settled(text[: _READ * limit])
    line += "…" if len(text) > _READ * limit else ""
    return line if size(line) <= limit else cut(line, limit - 1) + "…"


def title(text: str, limit: int) -> str:
    """``plain`` for a title of ours in words of others: it calls nobody and closes nothing.

    GitLab tells whoever a title mentions, and a squashed merge has the title as its message, in which "fixes #1"
    closes an issue:
    https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue
    https://docs.gitlab.com/user/project/issues/managing_issues/#closing-issues-automatically
    """
    line = _REFERS.sub(" ", plain(text, limit))
    return line if size(line) <= limit else cut(line, limit - 1) + "…"


def code(text: str, limit: int = 200) -> str:
    """A code span. What is longer than ``limit`` units is cut, with an ellipsis."""
    return _span(plain(text, limit))


def _span(line: str) -> str:
    if not line:
        return "(empty)"
    longest = max((len(run) for run in _BACKTICKS.findall(line)), default=0)
    delimiter = "`" * (longest + 1)
    edge = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{delimiter}{edge}{line}{edge}{delimiter}"


def inline(text: str, limit: int, *, unread: int = 0) -> str:
    """Prose of others, or ours with words of others in it: one line of at most ``limit`` units, which is at least 80.

    Plain words stay words. Whatever could mean something to a forge, a bot or Markdown becomes code, as does what
    stands between backticks. What does not fit is left out, and it is said how much; ``unread`` more characters were
    left out before.
    """
    return _fitted(text, limit, unread, str)


def cell(text: str, limit: int, *, unread: int = 0) -> str:
    """Like ``inline``, for a cell of a table."""
    return _fitted(text, limit, unread, escape_pipes)


def escape_pipes(text: str) -> str:
    """For tables: a pipe ends a cell even within code, https://github.github.com/gfm/#example-200 ."""
    return text.replace("|", "\\|")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A word, with punctuation around it that stays outside where the word is code."""

    text: str
    is_code: bool
    before: str = ""
    after: str = ""

    def __len__(self) -> int:
        return len(self.before) + len(self.text) + len(self.after)

    @property
    def written(self) -> str:
        return f"{self.before}{_span(self.text)}{self.after}" if self.is_code else self.text


def _pieces(line: str) -> Iterator[_Piece]:
    place = 0
    for span in _CODE_IN_PROSE.finditer(line):
        yield from _words(line[place : span.start()], first=place == 0)
        yield _Piece(text=span[3].strip() or "`", is_code=True, before=span[1], after=span[4])
        place = span.end()
    yield from _words(line[place:], first=place == 0)


def _words(text: str, *, first: bool) -> Iterator[_Piece]:
    for word in text.split():
        list_number = first and _LIST_NUMBER.match(word)
        if (word in _SIGNS and not first) or (_is_prose(word) and not list_number):
            yield _Piece(text=word, is_code=False)
        else:
            yield _code_piece(word)
        first = False


def _is_prose(word: str) -> bool:
    # A text may be cut right behind the beginning of an address.
    risky = _COMMIT_LIKE.search(word) or "www." in word.lower()
    return len(word) <= _MAX_PLAIN and bool(_PLAIN_WORD.fullmatch(word)) and not risky


def _code_piece(word: str) -> _Piece:
    """A word as code, its quotes and the sentence's punctuation left outside."""
    start = len(word) - len(word.lstrip(_OPENING))
    end = len(word.rstrip(_CLOSING))
    core = word[start:end]
    if core.endswith(")") and core.count(")") > core.count("("):
        end -= 1
        core = word[start:end]
    if not core:
        return _Piece(text=word, is_code=True)
    return _Piece(text=core, is_code=True, before=word[:start], after=word[end:])


def _fitted(text: str, limit: int, unread: int, finish: Callable[[str], str]) -> str:
    """The words that fit, and how many characters of the rest are left out."""
    head = text[: _READ * limit]
    unread += len(text) - len(head)
    pieces = list(_pieces(_settled(head)))
    out: list[str] = []
    room = limit
    for index, piece in enumerate(pieces):
        written = finish(piece.written)
        last = index == len(pieces) - 1 and not unread
        if size(written) > room - (0 if last else _LEFT_OUT_ROOM):
            left = unread + sum(len(rest) + 1 for rest in pieces[index:]) - 1
            part = _part(piece, room - _LEFT_OUT_ROOM)
            if part:
                out.append(finish(_span(part + "…")))
            return " ".join([*out, _left_out(left - len(part))])
        out.append(written)
        room -= size(written) + 1
    return " ".join([*out, _left_out(unread)] if unread else out)


def _part(piece: _Piece, room: int) -> str:
    """The beginning of a word that is too long, where there is room enough to make sense of it."""
    # Delimiters may make a span three times as long, and pipes twice.
    part = cut(piece.text, (room - 4) // 4)
    return part if len(part) >= _LEFT_OUT_ROOM // 2 else ""


def _left_out(count: int) -> str:
    return f"… ({count:,} more characters)"


def fence(text: str, language: str = "") -> str:
    """A fenced block that nothing in ``text`` can close; hidden characters are written out, lines stay lines."""
    body = visible_block(text)
    longest = max((len(run) for run in _BACKTICKS.findall(body)), default=0)
    bar = "`" * max(3, longest + 1)
    return f"{bar}{language}\n{body}\n{bar}"


def visible_block(text: str) -> str:
    """What ``fence`` shows of ``text``."""
    lines = shown(text.replace("\r", "␍")).removesuffix("\n")
    return _OUR_MARKER.sub(r"<!--\1flowforge :", lines)


def details(summary: str, body: str) -> str:
    """A fold that is closed at first. ``summary`` is a text of ours without Markdown."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


_FENCE_LINE: Final = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)")
_BLOCK_START: Final = re.compile(r"[-*+>]|\d{1,3}[.)]|#{1,6}|-{3,}")
"""What makes a line a list's item, a heading, a quote or a rule."""
_CELLS: Final = re.compile(r"(?:\|[-:]*)+")
_EMPHASIS: Final = re.compile(r"(\*{0,2})(.*?)(\*{0,2})")


def defused(text: str, limit: int) -> str:
    """A Markdown text of ours, in which words of others may have been forgotten, of at most ``limit`` units.

    Lists, tables, headings, bold words, code and fences stay what they are. Everything else that could mean something
    to a forge or a bot becomes code.
    """
    # Code spans make a word four times as long at most.
    readable = visible_block(text)
    kept = cut(readable, limit // 4 - 2 * _LEFT_OUT_ROOM)
    lines: list[str] = []
    closing = ""
    for line in kept.split("\n"):
        found = _FENCE_LINE.fullmatch(line)
        if closing:
            lines.append(line)
            closing = "" if found and found[1].startswith(closing) and not found[2].strip() else closing
        elif found:
            closing = found[1]
            lines.append(line)
        else:
            lines.append(_defused_line(line))
    if closing:
        lines.append(closing)
    if len(kept) < len(readable):
        lines += ["", _left_out(len(readable) - len(kept))]
    return "\n".join(lines)


def _defused_line(line: str) -> str:
    indent = " " * min(len(line) - len(line.lstrip()), 3)
    out: list[str] = []
    place = 0
    for span in _CODE_IN_PROSE.finditer(line):
        out += _defused_words(line[place : span.start()], first=place == 0)
        out.append(span[1] + _span(span[3].strip() or "`") + span[4])
        place = span.end()
    out += _defused_words(line[place:], first=place == 0)
    return indent + " ".join(out)


def _defused_words(text: str, *, first: bool) -> Iterator[str]:
    for word in text.split():
        found = _EMPHASIS.fullmatch(word)
        bare = found[2] if found and found[1] == found[3] else word
        structure = _CELLS.fullmatch(word) or (first and _BLOCK_START.fullmatch(word))
        first = False
        if structure or _is_prose(bare) or word in _SIGNS:
            yield word
        else:
            yield _code_piece(word).written
