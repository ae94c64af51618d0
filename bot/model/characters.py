"""Characters that a reader cannot see, or that change how others are shown. Standard library only.

Sources: Unicode Technical Standard 39, section 3 (https://www.unicode.org/reports/tr39/), and CVE-2021-42574 for the
controls of bidirectional text.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})

_PLAIN_CONTROLS: Final = frozenset("\t\n\r")

_BIDI_CLASSES: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})

_BIDI_MARKS: Final = frozenset("\u061c\u200e\u200f")

_FILLERS: Final = frozenset(
    chr(point)
    for first, last in (
        (0x034F, 0x034F),  # combining grapheme joiner
        (0x115F, 0x1160),  # Hangul choseong and jungseong filler
        (0x17B4, 0x17B5),  # Khmer inherent vowels
        (0x180B, 0x180F),  # Mongolian variation selectors and vowel separator
        (0x2800, 0x2800),  # Braille pattern blank
        (0x3164, 0x3164),  # Hangul filler
        (0xFE00, 0xFE0F),  # variation selectors
        (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
        (0x1D159, 0x1D159),  # musical symbol null notehead
        (0xE0100, 0xE01EF),  # variation selectors supplement
    )
    for point in range(first, last + 1)
)
"""Blank or joining characters whose category is that of a letter, mark or symbol."""


def is_hidden(character: str) -> bool:
    """True for what has no visible shape of its own: controls, formats, fillers, unassigned and private code points.

    Tab, line feed and carriage return are not hidden, nor are spaces. What counts as unassigned depends on the Unicode
    version of the running Python.
    """
    if character in _PLAIN_CONTROLS:
        return False
    return character in _FILLERS or unicodedata.category(character) in _HIDDEN_CATEGORIES


def is_bidi_control(character: str) -> bool:
    """True for what changes the direction in which the text around it is shown."""
    return character in _BIDI_MARKS or unicodedata.bidirectional(character) in _BIDI_CLASSES


def code_point(character: str) -> str:
    """The character's usual name, such as ``U+202E``."""
    return f"U+{ord(character):04X}"


def matching(text: str, wanted: Callable[[str], bool]) -> re.Pattern[str] | None:
    """A pattern for those characters of ``text`` that are ``wanted``, None when there are none.

    Every distinct character is looked at once, so this stays quick for long texts.
    """
    found = "".join(sorted(character for character in set(text) if wanted(character)))
    return re.compile(f"[{re.escape(found)}]") if found else None


def shown(text: str) -> str:
    """``text`` with every hidden character written out, such as ``<U+202E>``. Tabs and line ends stay as they are."""
    pattern = None if text.isascii() and text.isprintable() else matching(text, is_hidden)
    return text if pattern is None else pattern.sub(lambda match: f"<{code_point(match[0])}>", text)
