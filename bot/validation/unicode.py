"""No character that hides something, or passes for another, unless a side has it already."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from bot.model.characters import code_point, is_bidi_control, is_hidden, matching
from bot.model.resolutions import Candidate, Finding, GateVerdict
from bot.validation.texts import ResolvedText, Text, at_most, is_strange_byte, resolved_texts

NAME: Final = "unicode"

_WORD: Final = re.compile(r"[^\W\d_]\w*")

_CONFUSABLE_SCRIPTS: Final = frozenset(
    {"CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "FULLWIDTH", "MATHEMATICAL"},
)
"""Scripts with letters that look like Latin ones: https://www.unicode.org/reports/tr39/#Confusable_Detection ."""

_CONFUSABLE_GREEK: Final = frozenset(
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03b9\u03bd",
)
"""Greek letters that look Latin. The others are common in formulas, beside Latin ones."""


def check(candidate: Candidate) -> list[Finding]:
    """Promise: characters without a shape and look-alikes in words are where a side has them, or a person is asked.

    A control of text direction must stand in a line that a side has; any other hidden character in a word (what stands
    between spaces) that a side has; a word that mixes Latin with letters that look Latin must be a side's word. What
    counts as unassigned depends on Python's Unicode version.
    """
    return [finding for text in resolved_texts(candidate) for finding in at_most(_findings(text))]


def _findings(text: ResolvedText) -> Iterator[Finding]:
    if text.result.text.isascii() and not _has_controls(text.result.text):
        return
    yield from _hidden(text)
    yield from _mixed(text)


def _has_controls(text: str) -> bool:
    return matching(text, is_hidden) is not None


def _hidden(text: ResolvedText) -> Iterator[Finding]:
    suspicious = matching(text.result.text, lambda it: is_hidden(it) and not is_strange_byte(it))
    if suspicious is None:
        return
    lines, words = _known(text.sides, suspicious)
    for number, line in enumerate(text.result.lines, start=1):
        if line in lines or suspicious.search(line) is None:
            continue
        start = 1
        for word in line.split(" "):
            excused = word in words
            for match in suspicious.finditer(word):
                if not excused or is_bidi_control(match[0]):
                    what = f"{code_point(match[0])} {_name(match[0])}"
                    yield _about(text.path, number, start + match.start(), what)
            start += len(word) + 1


def _known(sides: tuple[Text, ...], suspicious: re.Pattern[str]) -> tuple[set[str], set[str]]:
    """The lines and the words of the sides that hold a suspicious character."""
    lines = {line for side in sides for line in side.lines if suspicious.search(line)}
    return lines, {word for line in lines for word in line.split(" ") if suspicious.search(word)}


def _mixed(text: ResolvedText) -> Iterator[Finding]:
    if matching(text.result.text, _is_confusable) is None:
        return
    known = {word for side in text.sides for word in _WORD.findall(side.text)}
    for number, line in enumerate(text.result.lines, start=1):
        if line.isascii():
            continue
        for match in _WORD.finditer(line):
            stranger = None if match[0] in known else _stranger(match[0])
            if stranger is not None:
                what = f"{code_point(stranger)} {_name(stranger)} among Latin letters"
                yield _about(text.path, number, match.start() + match[0].index(stranger) + 1, what)


def _stranger(word: str) -> str | None:
    """The first letter that only looks Latin, in a word that has Latin letters too."""
    if not any(map(_is_latin, word)):
        return None
    return next(filter(_is_confusable, word), None)


@lru_cache(maxsize=4096)
def _is_latin(character: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith("LATIN")


@lru_cache(maxsize=4096)
def _is_confusable(character: str) -> bool:
    if character.isascii() or not character.isalpha():
        return False
    script = unicodedata.name(character, "").partition(" ")[0]
    return script in _CONFUSABLE_SCRIPTS or character in _CONFUSABLE_GREEK


def _name(character: str) -> str:
    return unicodedata.name(character, "unnamed").lower()


def _about(path: str, line: int, column: int, what: str) -> Finding:
    message = f"Column {column}: {what}, which neither side has there."
    return Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=path, message=message, lines=(line, line))
