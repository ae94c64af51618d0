"""Put what is settled into a file with conflict markers: what is left is open, what stands outside must stay."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.model.conflicts import Hunk, MarkedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """A file with its settled hunks put in: ``marked`` has only the open ones, ``indexes`` their numbers in git's file.

    ``marked.hunks[i]`` is hunk ``indexes[i]`` of the file as git left it.
    """

    marked: MarkedFile
    indexes: tuple[int, ...]


def remainder(marked: MarkedFile, settled: Mapping[int, bytes]) -> Remainder:
    """The file as the next resolver sees it. With every hunk settled it is one segment: the resolved file."""
    segments = [marked.segments[0]]
    hunks: list[Hunk] = []
    indexes: list[int] = []
    line = 1 + marked.segments[0].count(b"\n")
    for hunk, segment in zip(marked.hunks, marked.segments[1:], strict=True):
        text = settled.get(hunk.index)
        if text is None:
            last = line + hunk.last_line - hunk.first_line
            hunks.append(
                Hunk(
                    index=len(hunks),
                    first_line=line,
                    last_line=last,
                    ours=hunk.ours,
                    ancestor=hunk.ancestor,
                    theirs=hunk.theirs,
                )
            )
            indexes.append(hunk.index)
            segments.append(segment)
            line = last + 1 + segment.count(b"\n")
        else:
            segments[-1] += text + segment
            line += text.count(b"\n") + segment.count(b"\n")
    return Remainder(
        marked=MarkedFile(path=marked.path, segments=tuple(segments), hunks=tuple(hunks)), indexes=tuple(indexes)
    )
