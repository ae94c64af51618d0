"""One side removed or rewrote a piece of the file, the other made a smaller change inside that piece.

In the corpus people keep the larger change in more than eight of ten such hunks: what the smaller change was made to is
no longer there. Not so when the smaller change adds a line, which may be wanted elsewhere, or when the piece was only
moved: then nobody can say without reading.
"""

from collections.abc import Sequence
from typing import Final

from bot.model.conflicts import Hunk
from bot.resolvers.edits import Budget, Edit, edits
from bot.resolvers.structural.proposals import Proposal
from bot.resolvers.text import lines, words

NAME: Final = "removed"

_SMALL: Final = 0.5
"""The other side's change is the smaller one when it touches at most this share of the words that were there."""
_PIECE: Final = 10
"""Fewer words and signs are no piece of a file."""
_MOST: Final = 0.6
"""When more than this share of the words is gone, changes may also lie at the rim of what is gone."""
_TELLING: Final = 10
"""Bytes from which on a line that stands elsewhere says that text was moved."""


def propose(hunk: Hunk, elsewhere: frozenset[bytes], budget: Budget) -> Proposal | None:
    """The side that removed or rewrote, when the other only made a smaller change in the midst of it.

    ``elsewhere`` are the lines of the file outside the hunk, without the white space around them.

    Raises:
        OverBudgetError: the texts are too large to be compared.
    """
    ancestor = words(hunk.ancestor)
    if len(ancestor) < _PIECE:
        return None
    for whose, remover, other, editor in (
        ("Ours", hunk.ours, "theirs", hunk.theirs),
        ("Theirs", hunk.theirs, "ours", hunk.ours),
    ):
        changes = edits(ancestor, words(editor), budget)
        touched = sum(change.removed + len(change.text) for change in changes)
        if not 0 < touched <= _SMALL * len(ancestor) or editor.count(b"\n") > hunk.ancestor.count(b"\n"):
            continue
        removals = edits(ancestor, words(remover), budget)
        if not _gone(changes, removals, len(ancestor)):
            continue
        if _moved(hunk.ancestor, elsewhere):
            return None
        return Proposal(
            index=hunk.index,
            content=remover,
            situation=NAME,
            reason=f"{whose} {'rewrote' if remover.strip() else 'removed'} these lines; {other} changed only {touched}"
            f" of {len(ancestor)} words and signs, all inside of what is gone.",
            certain=True,
        )
    return None


def _gone(changes: Sequence[Edit], removals: Sequence[Edit], size: int) -> bool:
    """Whether every change lies inside of something removed, and gone words are on both sides of it or most is gone."""
    most = sum(removal.removed for removal in removals) > _MOST * size
    rim = 0 if most else 1
    return all(
        any(removal.first + rim <= change.first and change.last <= removal.last - rim for removal in removals)
        for change in changes
    )


def _moved(ancestor: bytes, elsewhere: frozenset[bytes]) -> bool:
    """Whether most of the lines still stand somewhere else in the file."""
    telling = [line for line in map(bytes.strip, lines(ancestor)) if len(line) >= _TELLING]
    return bool(telling) and 2 * sum(line in elsewhere for line in telling) > len(telling)
