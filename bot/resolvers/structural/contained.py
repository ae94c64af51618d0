"""One side did all that the other did, and more.

Every word and line that the one brought in or took away, the other brought in or took away as well, perhaps in another
place or order: typical of work that was merged before and then went on. In the corpus people keep the larger side in
more than eight of ten such hunks. When theirs is the larger one and only adds, they do in less than seven of ten; so
that is not decided. Nor is it where the larger one would take a version back: 2.0.9 has the words that 2.3.0 brought
in, but not what they say.
"""

import re
from collections import Counter
from typing import Final

from bot.model.conflicts import Hunk
from bot.resolvers.structural.proposals import Proposal
from bot.resolvers.text import lines, words

NAME: Final = "contained"

_VERSION: Final = re.compile(rb"(?<![0-9.])[0-9]{1,9}(?:\.[0-9]{1,9})+")

_OPPOSITES: Final = frozenset({b"not", b"!", b"rc", b"alpha", b"beta", b"snapshot"})
_SERIAL: Final = b"0123456789"

_MAX_MORE: Final = 63
"""Beside so much more, what both did is no sign of common work."""


def propose(hunk: Hunk) -> Proposal | None:
    """The side whose change contains the other's."""
    for whose, large, other, small in (
        ("Ours", hunk.ours, "theirs", hunk.theirs),
        ("Theirs", hunk.theirs, "ours", hunk.ours),
    ):
        if _contains(hunk.ancestor, large, small, must_remove=whose == "Theirs"):
            return Proposal(
                index=hunk.index,
                content=large,
                situation=NAME,
                reason=f"{whose} has every word that {other} added and lacks every one that {other} removed;"
                f" besides that, {whose.lower()} changed more.",
                certain=True,
            )
    return None


def _contains(ancestor: bytes, large: bytes, small: bytes, *, must_remove: bool) -> bool:
    before, much, little = (Counter(words(text)) for text in (ancestor, large, small))
    shared = (little - before).total() + (before - little).total()
    added = (much - before).total() - (little - before).total()
    removed = (before - much).total() - (before - little).total()
    return (
        little - before <= much - before
        and before - little <= before - much
        and shared > 0
        and 0 < added + removed <= _MAX_MORE
        and (removed > 0 or not must_remove)
        and _lines(ancestor) - _lines(small) <= _lines(ancestor) - _lines(large)
        and not _takes_back(large, small)
        and not _denies(large, small)
    )


def _denies(large: bytes, small: bytes) -> bool:
    """Whether a line of the larger side is one of the other's, turned into its opposite or into a preview of it."""
    plain = {_plainly(line)[0] for line in lines(small) if not _plainly(line)[1]}
    return any(found and rest in plain for rest, found in map(_plainly, lines(large)))


def _plainly(line: bytes) -> tuple[tuple[bytes, ...], bool]:
    """The words of a line without those that deny it or make it a preview, and whether there are such."""
    whole = words(line)
    rest = [word for word in whole if word.lower().rstrip(_SERIAL) not in _OPPOSITES]
    return tuple(word for word in rest if word != b"-"), len(rest) < len(whole)


def _takes_back(large: bytes, small: bytes) -> bool:
    """Whether the two differ in versions only, and one of the larger side is smaller than the other's."""
    if _VERSION.sub(b"", large) != _VERSION.sub(b"", small):
        return False
    mine, other = ([tuple(map(int, found.split(b"."))) for found in _VERSION.findall(text)] for text in (large, small))
    return any(left < right for left, right in zip(mine, other, strict=False))


def _lines(text: bytes) -> set[bytes]:
    return {line.strip() for line in lines(text)} - {b""}
