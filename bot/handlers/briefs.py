"""What a piece of work is about, as it stood when somebody asked for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from bot.errors import StoreError
from bot.model.forge import Actor, ActorKind, PermissionLevel, RepositoryRef, Thread
from bot.model.intents import Explain, Go, Implement, Origin, Plan, Strategy, Work
from bot.model.jobs import Job, JobKind, JobRequest
from bot.model.text import cut_text
from bot.model.work import Brief, Said, SeenText, Source, ThreadComment
from bot.policy.facts import Facts
from bot.policy.limits import ServerLimits, chosen_budget, chosen_model
from bot.ports.forge import Forge
from bot.report import work

MAX_COMMENTS: Final = 50
"""So many of the newest comments are looked at."""

MAX_AUTHORS: Final = 15
"""So many people's permissions are asked for: each is a request."""

_TITLE_ROOM: Final = 500
_BODY_ROOM: Final = 20_000
_COMMENT_ROOM: Final = 4_000
_COMMENTS_ROOM: Final = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherBrief:
    """Read what people wrote, once: the job is about that, whatever becomes of it later.

    Title and description are those that the event itself brought along. Comments count that people with write access
    wrote before, and that nobody has edited since; everybody else may write under a public issue, but instructs nobody.
    """

    forge: Forge

    async def __call__(self, intent: Work, facts: Facts) -> Brief:
        """The brief of a piece of work, and notes on what was left out of it.

        Raises:
            StoreError: policy let the intent through without an issue or a pull request.
        """
        origin = intent.origin
        if isinstance(intent, Go) and facts.latest is not None:
            return planned(facts.latest)
        source, author, live = _live(facts)
        seen = origin.seen or live
        notes = [work.EDITED] if (seen.title, seen.body) != (live.title, live.body) else []
        # What was said before a mark without a time, nobody can tell from what was said or changed after it.
        timeless = origin.seen is not None and origin.seen.at is None
        comments = [] if timeless else await self._comments(origin)
        own = origin.comment_id
        earlier = [one for one in comments if one.id != own and one.author.kind is ActorKind.USER]
        if seen.at is not None:
            earlier = [one for one in earlier if one.created_at <= seen.at]
            unchanged = [one for one in earlier if one.updated_at <= seen.at]
            notes += [work.edited_comments(len(earlier) - len(unchanged))] if len(unchanged) < len(earlier) else []
            earlier = unchanged
        levels = await self._levels(origin.repository, [author, *(one.author for one in reversed(earlier))])
        counted = [one for one in earlier if levels.get(one.author.id, PermissionLevel.NONE) >= PermissionLevel.WRITE]
        notes += [work.others_comments(len(earlier) - len(counted))] if len(counted) < len(earlier) else []
        body = _said(source, author, seen.body, levels, room=_BODY_ROOM)
        said = [*([body] if seen.body.strip() else []), *_newest(counted, levels)]
        return Brief(title=cut_text(seen.title, _TITLE_ROOM), said=tuple(said), notes=tuple(notes))

    async def _comments(self, origin: Origin) -> list[ThreadComment]:
        thread = Thread(kind=origin.thread, number=origin.number)
        return await self.forge.comments(origin.repository, thread, limit=MAX_COMMENTS)

    async def _levels(self, repository: RepositoryRef, authors: Sequence[Actor]) -> dict[int, PermissionLevel]:
        """What people may do now; those who come after too many others may do nothing here."""
        wanted = {author.id: author for author in authors}
        return {
            number: await self.forge.permission(repository, author)
            for number, author in list(wanted.items())[:MAX_AUTHORS]
        }


def _live(facts: Facts) -> tuple[Source, Actor, SeenText]:
    """What it is about, who opened it, and its text as it is now."""
    if facts.issue is not None:
        issue = facts.issue
        return Source.ISSUE, issue.author, SeenText(title=issue.title, body=issue.body)
    if facts.pull_request is None:
        raise StoreError("policy allowed work without an issue or a pull request")
    pull = facts.pull_request
    return Source.PULL_REQUEST, pull.author, SeenText(title=pull.title, body=pull.body)


def _newest(comments: Sequence[ThreadComment], levels: Mapping[int, PermissionLevel]) -> list[Said]:
    """The newest comments for which there is room, the oldest of them first."""
    room = _COMMENTS_ROOM
    kept: list[Said] = []
    for one in reversed(comments):
        said = _said(Source.COMMENT, one.author, one.body, levels, room=_COMMENT_ROOM)
        room -= len(said.text)
        if room < 0:
            break
        kept.append(said)
    return kept[::-1]


def _said(source: Source, author: Actor, text: str, levels: Mapping[int, PermissionLevel], *, room: int) -> Said:
    level = levels.get(author.id, PermissionLevel.NONE)
    return Said(source=source, text=cut_text(text, room), author=author.login, permission=level.name.lower())


def planned(job: Job) -> Brief:
    """What carrying out a plan is about: what the plan was about, as it stood then, and the plan."""
    about = job.request.brief or Brief(title="", said=())
    if job.request.kind is not JobKind.PLAN:
        return about  # this very intent made the job already
    wish = [Said(source=Source.EARLIER, text=job.request.instructions)] if job.request.instructions else []
    plan = Said(source=Source.PLAN, text=job.answer)
    return Brief(title=about.title, said=(*about.said, *wish, plan), notes=about.notes)


def work_request(intent: Work, facts: Facts, brief: Brief, server: ServerLimits, config_version: str) -> JobRequest:
    """The request for a job that does what people asked for in words.

    Raises:
        StoreError: policy let the intent through without an issue or a pull request.
    """
    origin, pull_request, issue = intent.origin, facts.pull_request, facts.issue
    if pull_request is None and issue is None:
        raise StoreError("policy allowed work without an issue or a pull request")
    return JobRequest(
        kind=kind_of(intent),
        origin_key=origin.key,
        repository=origin.repository,
        number=origin.subject,
        requested_by=origin.actor,
        comment_id=origin.comment_id,
        instructions=intent.instructions,
        strategy=Strategy.MERGE,
        budget_usd=chosen_budget(facts.settings, intent.budget_usd, server),
        model=chosen_model(facts.settings, intent.model, server),
        dry_run=False,
        config_version=config_version,
        # Of an issue there is no head: the work starts from the branch that it would go into.
        head_ref="" if pull_request is None else pull_request.head_ref,
        head_sha="" if pull_request is None else pull_request.head_sha,
        base_ref=issue.default_branch if issue is not None else pull_request.base_ref if pull_request else "",
        brief=brief,
    )


def kind_of(intent: Work) -> JobKind:
    """The kind of job that an intent becomes."""
    match intent:
        case Implement() | Go():
            return JobKind.IMPLEMENT
        case Plan():
            return JobKind.PLAN
        case Explain():
            return JobKind.EXPLAIN
        case _:
            assert_never(intent)
