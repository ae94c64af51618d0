"""Ask the rules, cheapest first.

Rules read hostile text and may be slow: call ``run_rules`` off the event loop.
"""

from dataclasses import replace
from typing import Final

from bot.merge.final_newline import ends_with_newline, without_newline
from bot.model.cases import FileCase, FileProgress
from bot.model.conflicts import MarkedFile
from bot.model.resolutions import HunkAnswer, Tier
from bot.resolvers.table import RESOLVERS, Outside, Resolver

MAX_CANDIDATES: Final = 4
"""Candidates kept for one hunk: more would only be noise to a reader."""


def run_rules(case: FileCase, resolvers: tuple[Resolver, ...] = RESOLVERS) -> FileProgress:
    """Let every rule answer; the first answer to a hunk is applied unless its tier is ``B``.

    A rule that fails costs nothing but its time: its name is noted and the next one is asked. An answer that is for no
    hunk of the file, or not whole lines, counts as a failure; the rule's other answers stand. Equal candidates are kept
    once, in the place of the first.
    """
    settled: dict[int, HunkAnswer] = {}
    candidates: dict[int, dict[bytes, HunkAnswer]] = {hunk.index: {} for hunk in case.marked.hunks}
    failures: list[str] = []
    for resolver in resolvers:
        if len(settled) == len(candidates):
            break
        if isinstance(resolver.answer, Outside):
            continue
        try:
            answers = list(resolver.answer(case))
        except Exception:  # noqa: BLE001 - a rule reads hostile text; whatever it meets there, the next one is asked
            failures.append(resolver.name)
            continue
        fitting = [answer for answer in answers if _fits(case.marked, answer)]
        if len(fitting) < len(answers):
            failures.append(resolver.name)
        for answer in (_ended(case, answer) for answer in fitting):
            if answer.tier is Tier.B:
                candidates[answer.index].setdefault(answer.content, answer)
            else:
                settled.setdefault(answer.index, answer)
    left = {
        index: tuple(found.values())[:MAX_CANDIDATES]
        for index, found in candidates.items()
        if found and index not in settled
    }
    return FileProgress(case=case, settled=settled, candidates=left, failures=tuple(failures))


def _ended(case: FileCase, answer: HunkAnswer) -> HunkAnswer:
    """The answer without the newline that git put at the end of a file that has none; a person's own stays as it is."""
    last = answer.index == len(case.marked.hunks) - 1 and not case.marked.segments[-1]
    if not last or answer.tier is Tier.RECORDED or ends_with_newline(case.sides):
        return answer
    return replace(answer, content=without_newline(answer.content))


def _fits(marked: MarkedFile, answer: HunkAnswer) -> bool:
    """Whether the text can stand in the place of its hunk: whole lines, unless the file ends there."""
    if not 0 <= answer.index < len(marked.hunks):
        return False
    at_end = answer.index == len(marked.hunks) - 1 and not marked.segments[-1]
    return at_end or not answer.content or answer.content.endswith(b"\n")
