"""Both sides changed a list of named things: keys, members, imports. Each thing is merged by its name.

A thing that one side changed, added or removed, and the other left alone, is as that side has it. A thing that both
changed differently leaves the hunk open, but for a dotted version, where the larger one is taken.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bot.model.conflicts import Hunk
from bot.resolvers.structural.items import Item, Listing, listing
from bot.resolvers.structural.languages import Frame, frames_of
from bot.resolvers.structural.parsing import Document, parse
from bot.resolvers.structural.proposals import Proposal
from bot.resolvers.text import indentation_counts
from bot.validation.languages import language_of

NAME: Final = "by key"
NAME_VERSION: Final = "by key, larger version"
NAME_BOTH: Final = "by key, both added"
NAME_IMPORTS: Final = "imports"

_VERSION: Final = re.compile(rb"\d{1,9}(?:\.\d{1,9})+")
_MAX_PROBED_BYTES: Final = 20_000
_MAX_PROBED_HUNKS: Final = 20

_Sorting = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Merged:
    items: tuple[Item, ...]
    versions: bool
    both_added: bool
    in_order: bool


def propose(path: str, hunks: Sequence[Hunk], deadline: float) -> Mapping[int, Proposal]:
    """The merges by name, for the hunks that are lists of named things on both sides and in the ancestor."""
    grammar = language_of(path)
    frames = frames_of(grammar)
    probed = [hunk for hunk in hunks if _size(hunk) <= _MAX_PROBED_BYTES][:_MAX_PROBED_HUNKS]
    if grammar is None or not frames or not probed:
        return {}
    framed = [(hunk, frame) for hunk in probed for frame in frames]
    indented = indentation_counts(path)
    documents = [_document(grammar, frame, side) for hunk, frame in framed for side in _sides(hunk)]
    answers = parse(documents, deadline)
    found: dict[int, Proposal] = {}
    for number, (hunk, frame) in enumerate(framed):
        parsed = answers[3 * number : 3 * number + 3]
        if hunk.index in found or any(item is None or item.errors for item in parsed):
            continue
        children = [item.children if item is not None and item.container else () for item in parsed]
        listings = [listing(side, nodes, len(frame.before)) for side, nodes in zip(_sides(hunk), children, strict=True)]
        if indented and len({indent for items in listings for indent in _indents(items)}) > 1:
            continue
        proposal = _proposal(hunk, frame, listings)
        if proposal is not None:
            found[hunk.index] = proposal
    return found


def _size(hunk: Hunk) -> int:
    return sum(map(len, _sides(hunk)))


def _indents(items: Listing | None) -> set[bytes]:
    """The white space before each thing: where it says which thing belongs to which, no side's may be lost."""
    return set() if items is None else {item.lead.rpartition(b"\n")[2] for item in items.items}


def _sides(hunk: Hunk) -> tuple[bytes, bytes, bytes]:
    return hunk.ancestor, hunk.ours, hunk.theirs


def _document(grammar: str, frame: Frame, text: bytes) -> Document:
    stripped = text.rstrip()
    if grammar == "json" and stripped.endswith(b","):
        # JSON knows no comma behind the last member.
        text = stripped[:-1]
    start = len(frame.before)
    stop = start + max(len(text.rstrip()), 0)
    return Document(
        grammar=grammar,
        content=frame.before + text + frame.after,
        start=start + len(text) - len(text.lstrip()),
        end=stop,
        kinds=frame.kinds,
    )


def _proposal(hunk: Hunk, frame: Frame, listings: Sequence[Listing | None]) -> Proposal | None:
    ancestor, ours, theirs = listings
    if ancestor is None or ours is None or theirs is None or not (ours.items and theirs.items):
        return None
    merged = _merge(ancestor.items, ours.items, theirs.items)
    if merged is None:
        return None
    items = _separated(merged.items, (ancestor, ours, theirs))
    if items is None:
        return None
    text = b"".join(item.text for item in items) + ours.tail
    if any(not item.text.endswith(b"\n") for item in items[:-1]):
        return None
    return _described(hunk, frame, merged, text)


def _described(hunk: Hunk, frame: Frame, merged: _Merged, text: bytes) -> Proposal:
    imports = any(item.is_import for item in merged.items)
    if imports:
        situation, certain = NAME_IMPORTS, False
        reason = "Both sides changed the imports: what each added is kept, what each removed is gone."
    elif merged.versions:
        situation, certain = NAME_VERSION, True
        reason = "Merged by name; where both sides raised a version, the larger one is taken."
    elif merged.both_added:
        situation, certain = NAME_BOTH, False
        reason = "Both sides added to the list: both additions are kept" + (
            ", in the list's order." if merged.in_order else ", ours first."
        )
    else:
        situation, certain = NAME, frame.data
        reason = "The sides changed different entries of the list: each is as the side that changed it has it."
    return Proposal(index=hunk.index, content=text, situation=situation, reason=reason, certain=certain)


def _merge(ancestor: Sequence[Item], ours: Sequence[Item], theirs: Sequence[Item]) -> _Merged | None:
    old, mine, other = ({item.key: item for item in items} for items in (ancestor, ours, theirs))
    kept: dict[bytes, Item] = {}
    versions = False
    for key in {**mine, **other}:
        before, left, right = old.get(key), mine.get(key), other.get(key)
        chosen = _chosen(before, left, right)
        if isinstance(chosen, str):
            chosen = _larger(left, right)
            versions = True
            if chosen is None:
                return None
        if chosen is not None:
            kept[key] = chosen
    added = [[key for key in side if key not in old] for side in (mine, other)]
    order = _order([*old], [*mine], [*other], kept)
    if order is None:
        return None
    return _Merged(
        items=tuple(kept[key] for key in order),
        versions=versions,
        both_added=any(key not in other for key in added[0]) and any(key not in mine for key in added[1]),
        in_order=_sorting([*mine], [*other]) is not None,
    )


def _chosen(before: Item | None, left: Item | None, right: Item | None) -> Item | str | None:
    """The entry after both sides' changes, None when it is gone, the word "both" when they contradict each other."""
    meanings = [item and item.meaning for item in (before, left, right)]
    if meanings[1] == meanings[2] or meanings[2] == meanings[0]:
        return left
    return right if meanings[1] == meanings[0] else "both"


def _larger(left: Item | None, right: Item | None) -> Item | None:
    """The entry with the larger version, when they differ in one dotted version only."""
    if left is None or right is None:
        return None
    found = [_VERSION.findall(item.body) for item in (left, right)]
    rest = [_VERSION.sub(b"#", b" ".join(item.meaning)) for item in (left, right)]
    if rest[0] != rest[1] or len(found[0]) != 1 or len(found[1]) != 1:
        return None
    numbers = [tuple(map(int, versions[0].split(b"."))) for versions in found]
    return left if numbers[0] >= numbers[1] else right


def _order(old: list[bytes], mine: list[bytes], other: list[bytes], kept: Mapping[bytes, Item]) -> list[bytes] | None:
    """The names in the order of the side that moved some, ours when none did; None when both did, differently."""
    common = [[key for key in side if key in mine and key in other] for side in (mine, other)]
    shared = [key for key in old if key in mine and key in other]
    first, second = mine, other
    if common[0] != common[1]:
        if [key for key in common[0] if key in old] != shared:
            if [key for key in common[1] if key in old] != shared:
                return None
        else:
            first, second = other, mine
    order = [key for key in first if key in kept]
    sorting = _sorting(first, second)
    for place, key in enumerate(second):
        if key in kept and key not in order:
            order.insert(_place(order, second[:place], key, set(second), sorting), key)
    return order


def _place(order: list[bytes], before: list[bytes], key: bytes, known: set[bytes], sorting: _Sorting | None) -> int:
    """Where a name of the other side goes: in the list's order, else after the name that it stands behind there."""
    if sorting is not None:
        return next((place for place, other in enumerate(order) if sorting(other) > sorting(key)), len(order))
    left = next((name for name in reversed(before) if name in order), None)
    place = 0 if left is None else order.index(left) + 1
    while place < len(order) and order[place] not in known:
        place += 1
    return place


def _sorting(*lists: Sequence[bytes]) -> _Sorting | None:
    """The order that all lists are in: that of the bytes, or the one that knows no capitals; None for neither."""
    for sorting in (bytes, bytes.lower):
        if all(sorting(one) <= sorting(other) for names in lists for one, other in pairwise(names)):
            return sorting
    return None


def _separated(items: Sequence[Item], listings: Sequence[Listing]) -> list[Item] | None:
    """The items with separators between them as the sides have them; None where the sides' ends contradict it."""
    signs = {item.separator for found in listings for item in found.items[:-1] if item.separator}
    bare = any(not item.separator for found in listings for item in found.items[:-1])
    last = {found.items[-1].separator for found in listings if found.items}
    if (bare and signs) or len(signs | (last - {b""})) > 1:
        return None
    if not signs and last == {b""}:
        return list(items)
    ends = {found.items[-1].separator for found in listings[1:] if found.items}
    if len(ends) > 1:
        return None
    sign = next(iter(signs | (last - {b""})))
    return [item.with_separator(sign) for item in items[:-1]] + [item.with_separator(min(ends)) for item in items[-1:]]
