"""Put what the rules leave open to the model in one call, where it is little."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from bot.errors import ModelError
from bot.handlers.progress import Asked, MergeProgress, settle
from bot.model.cases import FileProgress
from bot.model.conflicts import MarkedFile
from bot.model.direct import DirectLimits, DirectQuestion, DirectReply, MergeContext, ModelAccess, NotAsked
from bot.model.jobs import Job
from bot.model.resolutions import HunkAnswer
from bot.model.runs import RunKind, RunLimits, RunOutcome
from bot.ports.direct import DirectModel
from bot.ports.runs import Runs
from bot.ports.system import Clock, Ids
from bot.redact import redact
from bot.report import endings

MAX_INPUT_TOKENS: Final = 24_000
MAX_OUTPUT_TOKENS: Final = 8_000

TIMEOUT_SECONDS: Final = 40.0
"""With what comes before and after, the step that asks has to end within a worker's minute."""

_LEAST_SECONDS: Final = 10.0
_OWNER: Final = "direct"
_MIN_BUDGET_USD: Final = 0.01
_MAX_WORDS: Final = 300
_NOT_ASKED: Final = "The model was not asked directly:"
_FAILED: Final = "The model was asked directly, but that failed:"


def is_small(progress: MergeProgress, *, most: int) -> bool:
    """Whether the open hunks of all files together are few enough for one call."""
    return 0 < sum(len(progress.files[path].open) for path in progress.open_files) <= most


@dataclass(frozen=True, slots=True, kw_only=True)
class AskDirect:
    """One call through the gateway, metered like any run. A failure costs nothing but time: the hunks stay open."""

    model: DirectModel
    runs: Runs
    clock: Clock
    ids: Ids
    gateway_url: str

    async def __call__(
        self,
        job: Job,
        progress: MergeProgress,
        *,
        context: MergeContext,
        limits: RunLimits,
        most_hunks: int,
        begun: float,
    ) -> MergeProgress:
        """The merge with the model's answers applied; each file that was asked about is marked as asked.

        Where no call was made, or none that came to anything, a note on each open file says why.

        ``begun`` is when the job's step began, by the monotonic clock: what it took so far, the call cannot have.
        """
        paths = [path for path in progress.open_files if path not in progress.asked]
        if not paths or not is_small(progress, most=most_hunks) or limits.budget_usd < _MIN_BUDGET_USD:
            return progress
        seconds = max(_LEAST_SECONDS, TIMEOUT_SECONDS - (time.monotonic() - begun))
        question = DirectQuestion(
            model=job.request.model,
            files=tuple(progress.files[path] for path in paths),
            context=context,
            limits=DirectLimits(
                max_hunks=most_hunks,
                max_input_tokens=MAX_INPUT_TOKENS,
                max_output_tokens=MAX_OUTPUT_TOKENS,
                budget_usd=limits.budget_usd,
                timeout_seconds=seconds,
            ),
        )
        reply = await self._ask(job, question, limits)
        return _noted(progress, paths, reply) if isinstance(reply, str) else _applied(progress, paths, reply)

    async def _ask(self, job: Job, question: DirectQuestion, limits: RunLimits) -> DirectReply | str:
        """What the model said, or the sentence that says why there is nothing."""
        token, run_id = self.ids.new_token(), self.ids.new_id()
        await self.runs.create(
            run_id=run_id,
            job=job,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            model=job.request.model,
            limits=replace(limits, deadline_seconds=TIMEOUT_SECONDS, max_turns=1),
            kind=RunKind.DIRECT,
        )
        end = self.clock.now() + timedelta(seconds=TIMEOUT_SECONDS)
        # Supervised by nobody: the sweep ends the run, and its token, when this worker dies.
        await self.runs.started(run_id, owner=_OWNER, deadline=end, lease_until=end + timedelta(seconds=20))
        try:
            reply = await self.model.ask(question, ModelAccess(base_url=self.gateway_url, api_key=token))
        except ModelError as error:
            await self.runs.ended(run_id, RunOutcome(error.outcome), detail=str(error))
            return why_not(_FAILED, str(error))
        except BaseException:
            await self.runs.ended(run_id, RunOutcome.INFRA_RETRYABLE, detail="the call was cut off")
            raise
        detail = reply.reason if isinstance(reply, NotAsked) else ""
        await self.runs.ended(run_id, RunOutcome.SUCCEEDED, detail=detail)
        return why_not(_NOT_ASKED, detail) if isinstance(reply, NotAsked) else reply


def why_not(beginning: str, words: str) -> str:
    """A sentence of ours and what follows from words that may be anybody's."""
    clean = " ".join(redact(words).split()).removesuffix(".")
    return f"{beginning} {clean if len(clean) <= _MAX_WORDS else f'{clean[: _MAX_WORDS - 1]}…'}."


def _noted(progress: MergeProgress, paths: Sequence[str], note: str) -> MergeProgress:
    """The sentence on each file, once: a step that is taken again may come to the same end."""
    for path in paths:
        if note not in progress.notes.get(path, ()):
            progress = progress.with_file(progress.files[path], note=note)
    return progress


def _applied(progress: MergeProgress, paths: Sequence[str], reply: DirectReply) -> MergeProgress:
    asked = Asked(prompt=reply.prompt, response=reply.response)
    for path in paths:
        file = progress.files[path]
        answers = _usable(file, {answer.index: answer for name, answer in reply.answers if name == path})
        undecided = [item for item in reply.undecided if item.path == path and item.index in file.open]
        notes = [endings.undecided_hunk(item.index, item.reason) for item in undecided]
        progress = progress.with_file(settle(file, answers), note=" ".join(notes)).with_asked(path, asked)
    return progress


def _usable(file: FileProgress, answers: Mapping[int, HunkAnswer]) -> dict[int, HunkAnswer]:
    """The answers to open hunks that are whole lines."""
    return {index: item for index, item in answers.items() if index in file.open and _fits(file.case.marked, item)}


def _fits(marked: MarkedFile, answer: HunkAnswer) -> bool:
    at_end = answer.index == len(marked.hunks) - 1 and not marked.segments[-1]
    return at_end or not answer.content or answer.content.endswith(b"\n")
