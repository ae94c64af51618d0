"""Lines and tokens of the bytes of a file, and what a file's name says about them."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from bot.validation.path_classes import PathClass, class_of

_WORD: Final = rb"[A-Za-z0-9_\x80-\xff]+"
_TOKEN: Final = re.compile(_WORD + rb"|\s+|[^A-Za-z0-9_\s\x80-\xff]")
_SOLID: Final = re.compile(_WORD + rb"|[^A-Za-z0-9_\s\x80-\xff]")

_INDENTED: Final = frozenset(
    {
        *("py", "pyi", "pyx", "pxd", "yml", "yaml", "mk", "mak", "make", "nim", "coffee", "haml", "pug", "jade"),
        *("sass", "styl", "slim", "rst", "md", "markdown"),
    }
)
_INDENTED_NAMES: Final = frozenset({"makefile", "gnumakefile", "bsdmakefile"})
_PROSE: Final = frozenset(
    {
        *("md", "markdown", "rst", "adoc", "asciidoc", "txt", "text", "html", "htm", "tex", "org"),
        *("snap", "out", "expected", "golden"),
    }
)


def lines(text: bytes) -> list[bytes]:
    """The lines with their ends, as git sees them: a newline ends a line, nothing else does."""
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def tokens(text: bytes) -> list[bytes]:
    """Words, single signs and runs of white space: together they are the text."""
    return _TOKEN.findall(text)


def words(text: bytes) -> list[bytes]:
    """Words and single signs, without the white space between them."""
    return _SOLID.findall(text)


def squeezed(text: bytes) -> bytes:
    """The text without any white space."""
    return b"".join(text.split())


def solid(path: str, text: bytes) -> list[bytes]:
    """The text without the white space that has no meaning in files of this name."""
    if not indentation_counts(path):
        return [squeezed(text)] if text.strip() else []
    return [line.rstrip() for line in text.split(b"\n") if line.strip()]


def likeness(left: Sequence[bytes], right: Sequence[bytes]) -> float:
    """The share of elements that two sequences have in common, whatever their order (Dice's coefficient)."""
    total = len(left) + len(right)
    return 2 * (Counter(left) & Counter(right)).total() / total if total else 1.0


def joined(*texts: bytes) -> bytes:
    """The texts after one another, each on a new line; a line end that is missing is made like the first there is."""
    kept = [text for text in texts if text]
    first = next((text for text in kept if b"\n" in text), b"\n")
    end = b"\r\n" if first[: first.find(b"\n") + 1].endswith(b"\r\n") else b"\n"
    whole = [text if text.endswith(b"\n") else text + end for text in kept[:-1]]
    return b"".join([*whole, *kept[-1:]])


def indentation_counts(path: str) -> bool:
    """Whether white space at the beginning of a line has a meaning in files of this name."""
    name = _name(path)
    return name in _INDENTED_NAMES or _suffix(name) in _INDENTED


def is_prose(path: str) -> bool:
    """Whether files of this name are for reading (documentation, recorded output): a number there is what it says."""
    return _suffix(_name(path)) in _PROSE and class_of(path) is not PathClass.MANIFEST


def is_lock(path: str) -> bool:
    """Whether a tool writes files of this name from a manifest; such files are made anew, not merged."""
    return class_of(path) is PathClass.LOCK


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].lower()


def _suffix(name: str) -> str:
    return name.rpartition(".")[2] if "." in name else ""
