"""What people ask for in words on issues and pull requests, with real git and the real Claude Code."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.demo.model.replies import Script
from app.demo.model.worker import HonestWorker
from app.demo.simulator.state import Issue
from bot.model.jobs import Job, JobKind, JobState
from tests.scenarios.play import BASE, WAIT, Play, playing

TITLE = "A fee below zero"
BODY = "`fee` should refuse negative amounts."


@dataclass(slots=True, kw_only=True)
class OnIssue:
    """An issue beside the pull request of a play."""

    play: Play
    issue: Issue

    def say(self, body: str) -> None:
        self.play.stage.forge.people.comment(self.issue, self.play.maintainer, body)

    def ours(self) -> list[str]:
        bot = self.play.stage.forge.world.bot
        return [one.body for one in self.issue.comments.values() if one.author is bot]

    async def until_said(self, text: str) -> str:
        def found() -> str | None:
            return next((body for body in self.ours() if text in body), None)

        return await self.play.stage.forge.wait_for(found, timeout=WAIT, what=f"{text!r} in {self.ours()!r}")

    async def job(self) -> Job:
        job = await self.play.stage.instance.store.jobs.latest(self.play.ref, -self.issue.number)
        assert job is not None
        return job


@contextlib.asynccontextmanager
async def on_issue(
    directory: Path, script: Script, *, body: str = BODY, base: Mapping[str, str] = BASE
) -> AsyncIterator[OnIssue]:
    async with playing(directory, script, base=base) as play:
        issue = play.stage.forge.people.open_issue(play.repository, author=play.stranger, title=TITLE, body=body)
        yield OnIssue(play=play, issue=issue)


async def test_a_plan_is_an_answer_and_changes_nothing(tmp_path: Path) -> None:
    seen = []

    def words(context: Mapping[str, Any]) -> str:
        seen.append(context)
        return "1. Change `fees.py`.\n2. Ask @everyone, see https://evil.example/x and fixes #1."

    async with on_issue(tmp_path, HonestWorker(files={"fees.py": "nothing\n"}, words=words)) as scene:
        scene.say("/flowforge plan without a new dependency")
        answer = await scene.until_said("Change `fees.py`")
        assert "`@everyone`" in answer
        assert "`https://evil.example/x`" in answer
        assert "`#1`" in answer
        job = await scene.job()
        assert (job.request.kind, job.state, job.rule) == (JobKind.PLAN, JobState.REPORTED, "answered")
        assert scene.play.branches() == set()
        assert scene.play.check_runs() == []
    (context, *_) = seen
    assert context["title"] == TITLE
    assert context["instructions"] == "without a new dependency"
    said = [(one["source"], one["author"], one["permission"], one["text"]) for one in context["said"]]
    assert said == [("the issue", "stranger", "read", BODY)]


async def test_an_explanation_is_about_the_changes_of_the_pull_request(tmp_path: Path) -> None:
    def words(context: Mapping[str, Any]) -> str:
        return "\n".join(one["text"] for one in context["said"] if one["source"].startswith("the changes"))

    async with playing(tmp_path, HonestWorker(words=words)) as play:
        play.say("/flowforge explain why two")
        reply = await play.until_reply("RATE")
        assert "`+RATE`" in reply
        assert (await play.job()).state is JobState.REPORTED
