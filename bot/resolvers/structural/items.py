"""A hunk's text as a list of named things, each with its own lines: members, keys, imports, arguments."""

from dataclasses import dataclass, replace
from typing import Final

from bot.resolvers.structural.languages import COMMENTS, IMPORTS
from bot.resolvers.structural.parsing import Child

_SEPARATORS: Final = frozenset({b",", b";"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One named thing on lines of its own: ``lead + body + separator + rest``.

    ``lead`` holds the blank lines and comments before it, ``rest`` what follows on its last line.
    """

    key: bytes
    is_import: bool
    lead: bytes
    body: bytes
    separator: bytes
    rest: bytes

    @property
    def text(self) -> bytes:
        """All of it, whole lines."""
        return self.lead + self.body + self.separator + self.rest

    @property
    def meaning(self) -> tuple[bytes, ...]:
        """What makes two items the same: all but white space and the separator."""
        return (*self.lead.split(), *self.body.split(), *self.rest.split())

    def with_separator(self, separator: bytes) -> "Item":
        """The same thing with another separator behind it."""
        return replace(self, separator=separator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The items of one version, and the blank lines behind them."""

    items: tuple[Item, ...]
    tail: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a thing lies in the text."""

    key: bytes
    is_import: bool
    start: int
    end: int


def listing(text: bytes, children: tuple[Child, ...], offset: int) -> Listing | None:
    """The items of a text whose nodes are ``children``, None when it is anything but named things on their own lines.

    ``offset`` is where the text begins in the document that the children's bytes count in.
    """
    places = []
    for child in children:
        start, end = child.start - offset, child.end - offset
        if start < 0 or end > len(text):
            return None
        place = _place(text, child, start, end, offset)
        if place is not None:
            places.append(place)
        elif not _is_trivia(child.kind, text[start:end]):
            return None
    items = []
    before = 0
    for place, following in zip(places, [*(place.start for place in places[1:]), len(text)], strict=False):
        item = _item(text, place, before, following)
        if item is None:
            return None
        items.append(item)
        before += len(item.text)
    tail = text[before:]
    if tail.strip() or len({item.key for item in items}) < len(items):
        return None
    return Listing(items=tuple(items), tail=tail)


def _place(text: bytes, child: Child, start: int, end: int, offset: int) -> _Place | None:
    # Some grammars count the line's end as part of the node.
    end = start + len(text[start:end].rstrip())
    if child.kind in IMPORTS:
        key = b" ".join(text[start:end].split()).rstrip(b"; ")
        return _Place(key=key, is_import=True, start=start, end=end)
    if child.name is None:
        return None
    first, last = (place - offset for place in child.name)
    return _Place(key=text[first:last].strip(b"\"'"), is_import=False, start=start, end=end)


def _is_trivia(kind: str, text: bytes) -> bool:
    return kind in COMMENTS or text in _SEPARATORS or not text.strip()


def _item(text: bytes, place: _Place, before: int, following: int) -> Item | None:
    """The lines of one thing; None where something else stands on them."""
    newline = text.find(b"\n", place.end)
    line_end = len(text) if newline < 0 else newline + 1
    line_start = text.rfind(b"\n", 0, place.start) + 1
    shared = line_start < before or (line_end > following and following < len(text))
    if shared or text[line_start : place.start].strip():
        return None
    lead = text[before : place.start]
    behind = text[place.end : line_end]
    first = behind.lstrip()[:1]
    separator = first if first in _SEPARATORS else b""
    body = text[place.start : place.end]
    rest = behind
    if separator:
        spaces, rest = behind.split(separator, 1)
        if spaces:
            return None
    elif body[-1:] in {b",", b";"}:
        separator = body[-1:]
        body = body[:-1]
    return Item(key=place.key, is_import=place.is_import, lead=lead, body=body, separator=separator, rest=rest)
