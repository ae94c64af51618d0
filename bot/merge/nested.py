"""Versions of a path that git put together itself, with conflicts in them, before there was one at the path.

Where both sides renamed a file, or a file was renamed to a path that the other side has as well, git merges the lines
first, and the version in its index is the outcome: with markers where that merge conflicts. After a criss-cross the
ancestor can be such a version. Those markers are longer than the others (``extra_marker_size`` in git's merge-ort.c).
"""

import re
from typing import Final

from bot.errors import MarkersError
from bot.merge.markers import parse_marked, splice
from bot.model.conflicts import MARKER_SIZE, Side

_OPENING: Final = re.compile(rb"^(<{%d,}) " % MARKER_SIZE, re.MULTILINE)


def of_side(path: str, content: bytes, side: Side) -> bytes | None:
    """A version with each conflict in it as ``side`` has it; most have none and stay as they are.

    None where there is no such version: the markers cannot be taken apart, or an ancestor is in conflict with itself.
    """
    found = _OPENING.search(content)
    if found is None:
        return content
    if side is Side.ANCESTOR:
        return None
    try:
        marked = parse_marked(path, content, size=len(found[1]))
    except MarkersError:
        return None
    text = splice(marked, [hunk.ours if side is Side.OURS else hunk.theirs for hunk in marked.hunks])
    return None if _OPENING.search(text) else text
