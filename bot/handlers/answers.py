"""What an agent made of the open hunks, put beside what was settled before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bot.handlers.progress import SEVERAL, Asked, MergeProgress, resolution_of, settle
from bot.merge.markers import align, render
from bot.merge.remainder import Remainder, remainder
from bot.model.cases import FileProgress
from bot.model.jobs import Job
from bot.model.resolutions import Confidence, HunkAnswer, HunkRationale, Resolution, Tier
from bot.model.runs import AgentAnswer, AnsweredFile, AnsweredHunk
from bot.report import endings

AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A merge as it is to be proved.

    ``resolutions`` are the text conflicts that somebody resolved, ``changed`` what came out of the sandbox of those,
    ``by_agent`` the files that an agent worked on, ``undecided`` those that it says it cannot decide. ``oddities`` are
    things in the sandbox that no honest run leaves.
    """

    progress: MergeProgress
    resolutions: tuple[Resolution, ...]
    changed: Mapping[str, bytes | None]
    by_agent: frozenset[str] = frozenset()
    undecided: frozenset[str] = frozenset()
    oddities: tuple[str, ...] = ()


def without_agent(progress: MergeProgress) -> Work:
    """What the cheaper resolvers came to by themselves."""
    resolutions = tuple(resolution_of(progress, path) for path in progress.settled_files)
    return Work(progress=progress, resolutions=resolutions, changed={})


def with_answer(job: Job, progress: MergeProgress, answer: AgentAnswer) -> Work:
    """What an agent came to on top of that. A file it left alone still has its markers, which the gate will say."""
    words = {file.path: file for file in answer.files}
    settled = without_agent(progress)
    resolutions, undecided = list(settled.resolutions), set[str]()
    by_agent = frozenset(progress.open_files)
    for path in progress.open_files:
        file, said = progress.files[path], _by_index(words.get(path))
        asked = Asked(prompt=_asked(job, file), response=_answered(said))
        progress = progress.with_asked(path, asked)
        open_words = [said[index] for index in file.open if index in said]
        if any(not word.resolved for word in open_words):
            undecided.add(path)
            notes = [endings.undecided_hunk(word.index, word.reason) for word in open_words if not word.resolved]
            progress = progress.with_file(file, note=" ".join(notes))
            continue
        content = _content(file, answer)
        if content is not None and (texts := align(_rest(file).marked, content)) is not None:
            answers = _answers(file, said, texts)
            progress = progress.with_file(settle(file, answers))
        resolutions.append(_resolution(progress, file, content, said))
    changed: dict[str, bytes | None] = {**answer.changed, **dict.fromkeys(answer.deleted)}
    return Work(
        progress=progress,
        resolutions=tuple(resolutions),
        changed={path: content for path, content in changed.items() if path not in undecided},
        by_agent=by_agent - undecided,
        undecided=frozenset(undecided),
        oddities=answer.oddities,
    )


def _by_index(file: AnsweredFile | None) -> dict[int, AnsweredHunk]:
    return {} if file is None else {hunk.index: hunk for hunk in file.hunks}


def _rest(file: FileProgress) -> Remainder:
    return remainder(file.case.marked, {index: answer.content for index, answer in file.settled.items()})


def _content(file: FileProgress, answer: AgentAnswer) -> bytes | None:
    path = file.case.path
    if path in answer.deleted:
        return None
    return answer.changed[path] if path in answer.changed else render(_rest(file).marked)


def _answers(file: FileProgress, said: Mapping[int, AnsweredHunk], texts: tuple[bytes, ...]) -> dict[int, HunkAnswer]:
    return {
        index: HunkAnswer(
            index=index,
            content=text,
            resolver=AGENT,
            tier=Tier.AGENT,
            reason=said[index].reason if index in said else "",
            confidence=Confidence(said[index].confidence) if index in said else Confidence.LOW,
        )
        for index, text in zip(file.open, texts, strict=True)
    }


def _resolution(
    progress: MergeProgress, file: FileProgress, content: bytes | None, said: Mapping[int, AnsweredHunk]
) -> Resolution:
    """The file as it came out, with a reason for each hunk that somebody gave one for."""
    conflict = progress.conflict(file.case.path)
    known = [
        HunkRationale(
            index=answer.index,
            resolved=True,
            reason=answer.reason,
            confidence=answer.confidence,
            resolver=answer.resolver,
            tier=answer.tier,
        )
        for answer in file.settled.values()
    ]
    told = [
        HunkRationale(
            index=index, resolved=True, reason=said[index].reason, confidence=Confidence(said[index].confidence)
        )
        for index in file.open
        if index in said
    ]
    return Resolution(
        path=file.case.path,
        kind=conflict.kind,
        resolver=AGENT if not known else SEVERAL,
        mode=conflict.merged_mode or "100644",
        content=content,
        hunks=tuple(sorted([*known, *told], key=lambda rationale: rationale.index)),
    )


def _asked(job: Job, file: FileProgress) -> str:
    """What the agent was told about one file, as JSON."""
    rest = _rest(file)
    hunks = [
        [index, hunk.first_line, hunk.last_line] for index, hunk in zip(rest.indexes, rest.marked.hunks, strict=True)
    ]
    return json.dumps({"path": file.case.path, "hunks": hunks, "instructions": job.request.instructions})


def _answered(said: Mapping[int, AnsweredHunk]) -> str:
    """What the agent said about one file, as JSON."""
    return json.dumps(
        [
            {"index": hunk.index, "resolved": hunk.resolved, "reason": hunk.reason, "confidence": hunk.confidence}
            for hunk in said.values()
        ],
    )
