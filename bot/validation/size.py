"""What is too large to look at goes to a person."""

from typing import Final

from bot.model.conflicts import Side, Stage
from bot.model.resolutions import Candidate, Finding, GateVerdict, SideTexts
from bot.validation.texts import MAX_PROVABLE_BYTES, side_contents, within_limit

NAME: Final = "size"

_SUBMODULE: Final = "160000"


def check(candidate: Candidate) -> list[Finding]:
    """Promise: the other checks saw every byte of every resolution and of its sides, or a person is asked.

    A side that git has and the candidate does not is one that was too large to read.
    """
    findings = []
    stages = {conflict.path: conflict.stages for conflict in candidate.conflicts}
    for resolution in candidate.resolutions:
        sides = candidate.sides.get(resolution.path)
        large = not all(map(within_limit, (resolution.content, *side_contents(sides))))
        unread = any(_unread(side, stage, sides) for side, stage in stages.get(resolution.path, {}).items())
        if large or unread:
            findings.append(_too_large(resolution.path))
    return findings


def _unread(side: Side, stage: Stage, sides: SideTexts | None) -> bool:
    if side is Side.ANCESTOR or stage.mode == _SUBMODULE:
        return False
    if sides is None:
        return True
    return (sides.ours if side is Side.OURS else sides.theirs) is None


def _too_large(path: str) -> Finding:
    message = f"Too large to prove anything about: more than {MAX_PROVABLE_BYTES // 1024**2} MB."
    return Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=path, message=message)
