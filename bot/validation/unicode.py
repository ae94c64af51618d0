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


_CONFUSABLE_LATIN: Final = frozenset("\u0131\u0237\u0251\u0261\u01c0\u1d0f\u1d1c\u1d20\u1d21\u1d22")
"""Letters of Latin alphabets that look like others; honest in many words, so they count in a side's word only."""

_SKELETON: Final = {
    other: plain
    for plain, others in {
        "A": "\u0410\u0391", "B": "\u0412\u0392", "C": "\u0421\u03f9", "E": "\u0415\u0395", "H": "\u041d\u0397",
        "I": "\u0406\u0399\u04c0", "J": "\u0408", "K": "\u041a\u039a", "M": "\u041c\u039c", "N": "\u039d",
        "O": "\u041e\u039f\u0555", "P": "\u0420\u03a1", "S": "\u0405\u054f", "T": "\u0422\u03a4", "U": "\u054d",
        "V": "\u0474", "X": "\u0425\u03a7", "Y": "\u0423\u03a5\u04ae", "Z": "\u0396",
        "a": "\u0430\u03b1\u0251", "b": "\u042c", "c": "\u0441\u03f2", "d": "\u0501", "e": "\u0435\u04bd",
        "f": "\u0584", "g": "\u0261\u0581", "h": "\u04bb\u0570", "i": "\u0456\u03b9\u0131", "j": "\u0458\u0575",
        "k": "\u043a\u03ba", "l": "\u04cf\u01c0", "m": "\u043c", "n": "\u0578\u03b7", "o": "\u043e\u03bf\u0585",
        "p": "\u0440\u03c1", "q": "\u051b\u0563", "r": "\u0433", "s": "\u0455", "t": "\u0442\u03c4",
        "u": "\u057d\u03c5", "v": "\u0475\u03bd", "w": "\u0461\u051d\u0561", "x": "\u0445\u03c7", "y": "\u0443\u04af",
        "z": "\u1d22",
    }.items()
    for other in others
}  # fmt: skip
"""What a letter of another script reads like. The usual ones of https://www.unicode.org/Public/security/ only."""


def check(candidate: Candidate) -> list[Finding]:
    """Promise: characters without a shape and look-alikes in words are where a side has them, or a person is asked.

    A control of text direction must stand in a line that a side has; any other hidden character in a word (what stands
    between spaces) that a side has; a word that mixes Latin with letters that look Latin must be a side's word. What
    counts as unassigned depends on Python's Unicode version. A word all of letters that look Latin counts where it
    reads like a word of the sides, and one of letters that compilers take for Latin ones (full width) always.
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
    plain = {word for word in known if word.isascii()}
    for number, line in enumerate(text.result.lines, start=1):
        if line.isascii():
            continue
        for match in _WORD.finditer(line):
            stranger = None if match[0] in known else _stranger(match[0], plain)
            if stranger is not None:
                where = "among Latin letters" if any(map(_is_latin, match[0])) else "in what looks like a Latin word"
                what = f"{code_point(stranger)} {_name(stranger)} {where}"
                yield _about(text.path, number, match.start() + match[0].index(stranger) + 1, what)


def _stranger(word: str, plain: set[str]) -> str | None:
    """The first letter that only looks Latin, in a word that has Latin letters too, or reads like one of them."""
    first = next(filter(_is_confusable, word), None)
    if first is None:
        return None
    foreign = next((letter for letter in word if _is_confusable(letter) and letter not in _CONFUSABLE_LATIN), None)
    if foreign is not None and any(map(_is_latin, word)):
        return foreign
    read = "".join(map(_as_read, word))
    return first if read in plain or (read.isascii() and any(map(_is_compatible, word))) else None


def _as_read(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character)
    return folded if folded.isascii() else _SKELETON.get(character, character)


@lru_cache(maxsize=4096)
def _is_compatible(character: str) -> bool:
    """True for another form of an ASCII letter, which compilers take for the letter itself (UAX 31, NFKC)."""
    tag = unicodedata.decomposition(character).partition(" ")[0]
    folded = unicodedata.normalize("NFKC", character)
    return tag in {"<font>", "<wide>", "<compat>"} and folded.isascii() and folded.isalpha()


@lru_cache(maxsize=4096)
def _is_latin(character: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith("LATIN")


@lru_cache(maxsize=4096)
def _is_confusable(character: str) -> bool:
    if character.isascii() or unicodedata.category(character)[0] not in "LN":
        return False
    script = unicodedata.name(character, "").partition(" ")[0]
    return (
        script in _CONFUSABLE_SCRIPTS
        or character in _CONFUSABLE_GREEK
        or character in _CONFUSABLE_LATIN
        or _is_compatible(character)
    )


def _name(character: str) -> str:
    return unicodedata.name(character, "unnamed").lower()


def _about(path: str, line: int, column: int, what: str) -> Finding:
    message = f"Column {column}: {what}, which neither side has there."
    return Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=path, message=message, lines=(line, line))
