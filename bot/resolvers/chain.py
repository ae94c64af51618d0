"""Ask the rules, cheapest first, and take apart what is left.

Rules read hostile text and may be slow: call ``run_rules`` off the event loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bot.model.cases import FileCase, FileProgress
from bot.model.conflicts import Hunk, MarkedFile
from bot.model.resolutions import HunkAnswer, Tier
from bot.resolvers.table import RESOLVERS, Outside, Resolver

MAX_CANDIDATES: Final = 4
"""Candidates kept for one hunk: more would only be noise to a reader."""


def run_rules(case: FileCase, resolvers: tuple[Resolver, ...] = RESOLVERS) -> FileProgress:
    """Let every rule answer; the first answer to a hunk is applied unless its tier is ``B``.

    A rule that fails costs nothing but its time: its name is noted and the next one is asked. An answer that is no
    hunk's, or not whole lines, counts as a failure. Equal candidates are kept once.
    """
    settled: dict[int, HunkAnswer] = {}
    candidates: dict[int, list[HunkAnswer]] = {hunk.index: [] for hunk in case.marked.hunks}
    failures: list[str] = []
    for resolver in resolvers:
        if len(settled) == len(case.marked.hunks):
            break
        if isinstance(resolver.answer, Outside):
            continue
        try:
            answers = [answer for answer in resolver.answer(case) if _fits(case.marked, answer)]
        except Exception:  # noqa: BLE001 - a rule reads hostile text; whatever it meets there, the next one is asked
            failures.append(resolver.name)
            continue
        for answer in answers:
            if answer.tier is Tier.B:
                candidates[answer.index].append(answer)
            else:
                settled.setdefault(answer.index, answer)
    left = {
        index: tuple({item.content: item for item in reversed(found)}.values())[::-1][:MAX_CANDIDATES]
        for index, found in candidates.items()
        if found and index not in settled
    }
    return FileProgress(case=case, settled=settled, candidates=left, failures=tuple(failures))


def _fits(marked: MarkedFile, answer: HunkAnswer) -> bool:
    """Whether the text can stand in the place of its hunk: whole lines, unless the file ends there."""
    if not 0 <= answer.index < len(marked.hunks):
        return False
    at_end = answer.index == len(marked.hunks) - 1 and not marked.segments[-1]
    return at_end or not answer.content or answer.content.endswith(b"\n")


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
