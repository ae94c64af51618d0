"""A diff on the approval page: every changed file is shown, or named with its numbers of lines."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from bot.report import page_words
from bot.report.diffs import FileDiff, split
from bot.report.page_html import code, words

ROOM: Final = 1_000_000
"""So many characters of diffs are on one page, which browsers still show at once."""

_OPEN_LINES: Final = 400
"""A file with more lines is folded."""

_CLASSES: Final = {"+": "a", "-": "d", "@": "h"}


@dataclass(slots=True, kw_only=True)
class Room:
    """What is left of the page's room for diffs."""

    left: int = field(default=ROOM)


def render_diff(diff: str, *, first: Collection[str], room: Room) -> str:
    """A diff as HTML; files named in ``first`` come before the others, and get the room first."""
    files = sorted(split(diff), key=lambda file: file.path not in first)
    if not files:
        return f"<p>{page_words.NO_CHANGE}</p>"
    shown, hidden = [], []
    for file in files:
        if len(file.text) <= room.left:
            room.left -= len(file.text)
            shown.append(_file(file))
        else:
            hidden.append(f"<li>{_named(file)}</li>")
    rest = f"<p>{page_words.not_shown(len(hidden), len(files))}</p><ul>{''.join(hidden)}</ul>" if hidden else ""
    return "".join(shown) + rest


def _named(file: FileDiff) -> str:
    remark = f", {words(file.remark.replace('`', ''))}" if file.remark else ""
    return f'{code(file.path, 4_096)} <span class="dim">+{file.added:,} −{file.removed:,}{remark}</span>'  # noqa: RUF001 - a minus sign


def _file(file: FileDiff) -> str:
    lines = file.text.split("\n")[:-1]
    header = next((number for number, line in enumerate(lines) if line.startswith("@@ ")), len(lines))
    is_open = " open" if len(lines) <= _OPEN_LINES else ""
    body = "".join(_line(line, "h" if number < header else _CLASSES.get(line[:1])) for number, line in enumerate(lines))
    return f'<details{is_open}><summary>{_named(file)}</summary><pre class="diff">{body}</pre></details>\n'


def _line(line: str, kind: str | None) -> str:
    begin = "<span>" if kind is None else f'<span class="{kind}">'
    return f"{begin}{words(line) or ' '}</span>"
