"""Answers to people: one reply to a command that needs words, an emoji to one that does not.

Who says the same a thousand times is answered once: each answer costs requests that others wait for.
"""

import hashlib
from dataclasses import dataclass, replace

from bot.config_keys import RepositoryConfig
from bot.config_layers import Effective
from bot.model.forge import Merging
from bot.model.intents import Origin, Refused
from bot.model.jobs import Job
from bot.model.reports import ReactionContent, Surface
from bot.ports.forge import Forge
from bot.ports.store import Store
from bot.ports.system import Queue
from bot.report.effective import render_config
from bot.report.reply import render_help, render_reply, render_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """Puts replies and reactions into the outbox. Each method returns None: no job comes of it."""

    store: Store
    queue: Queue
    forge: Forge

    async def say(self, origin: Origin, text: str, *, reaction: str | None = None) -> None:
        """Reply with a text of ours, which is Markdown; where nobody asked, nobody is answered.

        The same words get the same answer once for as long as no new job came, and one emoji a person.
        """
        if origin.configured:
            return
        same = await self._same(origin, text)
        if reaction is not None:
            await self._react(origin, f"{same}:{origin.actor.id}:{reaction}", reaction, first=True)
        await self._say(replace(origin, key=same), text)

    async def _say(self, origin: Origin, text: str) -> None:
        content = render_reply(origin, text)
        target = await self.store.reports.want(
            origin.repository, origin.number, origin.key, Surface.REPLY, content, thread=origin.thread
        )
        await self.queue.ring("report", target)

    async def _same(self, origin: Origin, text: str) -> str:
        """The key of all replies that would say the same to the same."""
        repository, number = origin.repository, origin.subject
        latest = await self.store.jobs.latest(repository, number)
        words = f"{origin.quoted}\0{text}".encode("utf-8", "surrogatepass")
        said = hashlib.sha256(words).hexdigest()
        return f"{repository.forge}:said:{repository.id}#{number}:{'' if latest is None else latest.id}:{said}"

    async def refuse(self, origin: Origin, refusal: Refused) -> None:
        """Say no, name the rule, say why."""
        await self.say(origin, f"{refusal.message}\n\nRule: `{refusal.rule}`", reaction="confused")

    async def help(self, origin: Origin, config: RepositoryConfig) -> None:
        """Show the commands, with the permissions that they need in this repository."""
        await self._say(origin, render_help(await self.forge.mention(origin.repository.forge), config))
        await self.react(origin, "eyes")

    async def status(self, origin: Origin, job: Job | None, merging: Merging | None) -> None:
        """Say where the newest job stands, what the tests said about its proposal, and what keeps from merging."""
        proposal = None if job is None else await self.store.proposals.of_job(job.id)
        tests = None if proposal is None else await self.store.proposals.tests(proposal.job_id, proposal.tree)
        await self._say(origin, render_status(job, tests, merging=merging))
        await self.react(origin, "eyes")

    async def config(self, origin: Origin, effective: Effective, *, bound: bool, required: bool) -> None:
        """Show the configuration that holds, and whether an organisation's is in it, which a server may require."""
        text = render_config(effective, origin.thread, bound=bound, required=required)
        await self.say(origin, text, reaction="eyes")

    async def react(self, origin: Origin, reaction: str) -> None:
        """Put an emoji under the comment; clicks have no comment to put it under."""
        await self._react(origin, f"{origin.key}:{reaction}", reaction)

    async def _react(self, origin: Origin, owner: str, reaction: str, *, first: bool = False) -> None:
        if origin.comment_id is None:
            return
        content = ReactionContent(comment_id=origin.comment_id, reaction=reaction)
        target = await self.store.reports.want(
            origin.repository, origin.number, owner, Surface.REACTION, content, thread=origin.thread, first=first
        )
        await self.queue.ring("report", target)
