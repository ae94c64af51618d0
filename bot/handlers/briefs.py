"""What a piece of work is about, as it stood when somebody asked for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from bot.commands import PREFIX
from bot.errors import StoreError
from bot.handlers.notice import OWN_BRANCH
from bot.model.forge import Actor, ActorKind, PermissionLevel, PullRequest, RepositoryRef, Thread
from bot.model.intents import Explain, Fix, Go, Implement, Origin, Plan, Strategy, Work
from bot.model.jobs import Job, JobKind, JobRequest, JobState
from bot.model.text import cut_text
from bot.model.work import Brief, FailingCheck, Said, SeenText, Source, ThreadComment
from bot.policy.facts import Facts
from bot.policy.limits import ServerLimits, chosen_budget, chosen_model
from bot.ports.forge import Forge
from bot.ports.store import Jobs
from bot.redact import redact
from bot.report import work

MAX_COMMENTS: Final = 50
"""So many of the newest comments are looked at."""

MAX_AUTHORS: Final = 15
"""So many people's permissions are asked for: each is a request."""

_TITLE_ROOM: Final = 500
_BODY_ROOM: Final = 20_000
_COMMENT_ROOM: Final = 4_000
_COMMENTS_ROOM: Final = 40_000
_CHECK_ROOM: Final = 6_000
_CHECKS_ROOM: Final = 30_000

_BEFORE: Final = frozenset({Source.PLAN, Source.EARLIER})
_MOST_BEFORE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherBrief:
    """Read what people wrote, once: the job is about that, whatever becomes of it later.

    Title and description are those that the event itself brought along. Comments count that people with write access
    wrote before, and that nobody has edited since; everybody else may write under a public issue, but instructs nobody.
    """

    forge: Forge
    jobs: Jobs

    async def __call__(self, intent: Work, facts: Facts) -> Brief:
        """The brief of a piece of work, and notes on what was left out of it.

        Raises:
            StoreError: policy let the intent through without an issue or a pull request.
        """
        origin = intent.origin
        latest = facts.latest
        if latest is not None and latest.request.origin_key == origin.key and latest.request.brief is not None:
            return latest.request.brief  # this very intent made the job already
        if isinstance(intent, Go) and latest is not None:
            return planned(latest)
        source, author, live = _live(facts)
        seen = origin.seen or live
        notes = [work.UNASKED] if origin.configured else []
        notes += [work.EDITED] if (seen.title, seen.body) != (live.title, live.body) else []
        # What was said before a mark without a time, nobody can tell from what was said or changed after it.
        timeless = origin.seen is not None and origin.seen.at is None
        comments = [] if timeless else await self._comments(origin)
        if isinstance(intent, Fix) and not timeless:
            of_review = await self.forge.line_comments(origin.repository, origin.number, limit=MAX_COMMENTS)
            comments = sorted([*comments, *of_review.comments], key=_age)
            notes += [] if of_review.all_told else [work.RESOLVED_UNKNOWN]
        own, us = origin.comment_id, await self.forge.bot_user(origin.repository.forge)
        # A token of GitLab's may be that of a user who looks like a person.
        people = [one for one in comments if one.author.kind is ActorKind.USER and one.author.id != us.id]
        earlier = [one for one in people if one.id != own and not _only_commands(one.body)]
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
        if isinstance(intent, Fix) and facts.pull_request is not None:
            failing = await self.forge.failing_checks(origin.repository, facts.pull_request.head_sha)
            said = [*_failing(failing), *said]
        said += await self._earlier(intent, facts)
        return Brief(title=cut_text(seen.title, _TITLE_ROOM), said=tuple(said), notes=tuple(notes))

    async def _earlier(self, intent: Work, facts: Facts) -> list[Said]:
        """What was asked for and done here before, where this goes on from it."""
        latest = facts.latest
        if latest is not None and latest.request.kind is kind_of(intent) and not isinstance(intent, Plan | Explain):
            # The same words while it is under way, or waits for an answer, are the same wish.
            waits = latest.state is JobState.AWAITING_APPROVAL and latest.request.instructions != intent.instructions
            return earlier(latest) if latest.finished_at is not None or waits else _before(latest)
        if not isinstance(intent, Fix) or facts.pull_request is None:
            return []
        drafted = await self._drafted(facts.pull_request)
        return [] if drafted is None else earlier(drafted)

    async def _drafted(self, pull_request: PullRequest) -> Job | None:
        """The job that opened this pull request for an issue, None where it is not ours.

        Its branch says so. Only who may write here can make another one of that name.
        """
        named = OWN_BRANCH.fullmatch(pull_request.head_ref)
        if named is None or pull_request.from_fork:
            return None
        job = await self.jobs.last_published(pull_request.repository, -int(named[1]))
        return job if job is not None and job.short_id == named[2] else None

    async def _comments(self, origin: Origin) -> list[ThreadComment]:
        thread = Thread(kind=origin.thread, number=origin.number)
        return sorted(await self.forge.comments(origin.repository, thread, limit=MAX_COMMENTS), key=_age)

    async def _levels(self, repository: RepositoryRef, authors: Sequence[Actor]) -> dict[int, PermissionLevel]:
        """What people may do now; those who come after too many others may do nothing here."""
        wanted = {author.id: author for author in authors}
        return {
            number: await self.forge.permission(repository, author)
            for number, author in list(wanted.items())[:MAX_AUTHORS]
        }


def _age(comment: ThreadComment) -> tuple[datetime, int]:
    return comment.created_at, comment.id


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


def _failing(checks: Sequence[FailingCheck]) -> list[Said]:
    """The checks that failed, as many of them as there is room for."""
    room = _CHECKS_ROOM
    kept: list[Said] = []
    for one in checks:
        text = cut_text(redact(f"{one.name}: {one.conclusion}\n{one.text}".strip()), _CHECK_ROOM)
        room -= len(text)
        if room < 0:
            break
        kept.append(Said(source=Source.CHECK, text=text))
    return kept


def names_something_to_mend(brief: Brief, *, unasked: bool) -> bool:
    """Whether a check failed or, where a person asks, somebody said something."""
    sources = {Source.CHECK} if unasked else {Source.CHECK, Source.COMMENT}
    return any(one.source in sources for one in brief.said)


def _only_commands(body: str) -> bool:
    """Whether somebody told us what to do, and said nothing about the work."""
    return all(line.strip().startswith(PREFIX) for line in body.splitlines() if line.strip())


def earlier(job: Job) -> list[Said]:
    """What a job was asked for and what it said at its end, and what came before it in the same way."""
    words = [job.request.instructions, job.answer]
    own = [Said(source=Source.EARLIER, text=cut_text(text, _BODY_ROOM)) for text in words if text.strip()]
    return [*_before(job)[-_MOST_BEFORE:], *own]


def _before(job: Job) -> list[Said]:
    """What a job knew of what came before it."""
    return [one for one in (job.request.brief or Brief(title="", said=())).said if one.source in _BEFORE]


def planned(job: Job) -> Brief:
    """What carrying out a plan is about: what the plan was about, as it stood then, and the plan."""
    about = job.request.brief or Brief(title="", said=())
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
        case Fix():
            return JobKind.FIX
        case _:
            assert_never(intent)
