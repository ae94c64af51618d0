"""Untrusted text on its way into a line that people or logs get to see."""

import unicodedata
from typing import Final

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def one_line(text: str, limit: int) -> str:
    """``text`` as one line of at most ``limit`` characters: no control, invisible or unassigned character is left."""
    # Cut generously first: cleaning must not cost more than what is shown.
    cleaned = "".join(_shown(character) for character in text[: 4 * limit])
    line = " ".join(cleaned.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def readable(text: str) -> str:
    """``text`` with its lines and tabs; every other character that is not shown as itself is replaced."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if is_unsafe(character) and character not in "\n\t" else character
        for character in text
    )


def tail(text: bytes, limit: int) -> str:
    """The end of a log, ``readable`` and at most ``limit`` bytes long as UTF-8."""
    shown = readable(text[-limit:].decode("utf-8", "replace")).encode()
    return shown[-limit:].decode("utf-8", "ignore")


def is_unsafe(character: str) -> bool:
    """True for a character that is not shown as itself: control, format, surrogate, private, unassigned, separator."""
    return unicodedata.category(character) in _UNSAFE


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return "\N{REPLACEMENT CHARACTER}" if is_unsafe(character) else character
