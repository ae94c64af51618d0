"""Check runs, as far as GitLab has them: commit statuses.

A commit status has a name, a state, one line of text and a link, and belongs to a pipeline of its commit. There are no
buttons, no remarks on lines and no long text: those are in the sticky note.

It has no field for our ``external_id`` and no lasting id either: one that has ended cannot change, and what is
posted after it is another. So what it is about stands behind the ``#`` of its link, which leads to the merge request,
and a check run's id in the port is made of the commit and the job. Whoever lost an answer finds the status by that.

Between states there are few ways: https://docs.gitlab.com/api/commits/#set-commit-pipeline-status . From ``running``
there is none back to ``pending``, and the text of a state that stays cannot change. Then the old status is ended as
``canceled`` and a new one takes its place, as GitLab does with jobs that are tried again.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bot.errors import ForgeError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient, Sleep
from bot.forges.gitlab.deliveries import OPEN_STATES
from bot.model.forge import RepositoryRef
from bot.model.ids import parse_watch_id
from bot.model.reports import CheckConclusion, CheckRunContent, CheckStatus
from bot.model.shown import ShownCheckRun

NAME: Final = "FlowForge"
WATCH_NAME: Final = "FlowForge conflicts"
"""GitLab shows the newest status of each name, so the conflict watch, which is no job, has its own."""

MAX_DESCRIPTION: Final = 255
MAX_URL: Final = 255

BUSY_PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries while GitLab is busy with another status of the same commit (409)."""

_STATES: Final = MappingProxyType(
    {
        CheckStatus.QUEUED.value: "pending",
        CheckStatus.IN_PROGRESS.value: "running",
        # A person has to do something: nothing failed, and the merge request should wait.
        CheckConclusion.ACTION_REQUIRED.value: "pending",
        CheckConclusion.SUCCESS.value: "success",
        # Nothing came of it and nothing is wrong: it must not keep anybody from merging.
        CheckConclusion.NEUTRAL.value: "success",
        CheckConclusion.CANCELLED.value: "canceled",
        CheckConclusion.FAILURE.value: "failed",
    }
)
"""GitLab's states, by our status, or by our conclusion once there is one."""

_UNFINISHED: Final = frozenset({"created", "pending", "running"})
_ABOUT: Final = "#flowforge/"
_CONFLICT: Final = 409
_BAD_REQUEST: Final = 400
_NO_WAY: Final = "Cannot transition status"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One status that our user posted, and what it says it is about."""

    id: int
    project_id: int
    state: str
    description: str
    url: str
    external_id: str
    word: str
    ref: str | None
    pipeline_id: int | None

    @property
    def job(self) -> str:
        return job_part(self.external_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a status may be posted: a pipeline, or a branch that gets one of its own. None: GitLab chooses."""

    project_id: int
    pipeline_id: int | None = None
    ref: str | None = None

    def data(self) -> dict[str, str | int]:
        if self.pipeline_id is not None:
            return {"pipeline_id": self.pipeline_id}
        return {} if self.ref is None else {"ref": self.ref}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A check run in GitLab's words."""

    sha: str
    name: str
    state: str
    description: str
    url: str
    job: str

    def is_shown_by(self, row: _Row) -> bool:
        """Whether a row says all of it; its link may go by an older name of the project."""
        about = self.url.partition("#")[2] == row.url.partition("#")[2]
        return about and (row.state, row.description) == (self.state, self.description)


class Statuses:
    """The commit statuses of our user."""

    def __init__(self, client: GitLabClient, *, sleep: Sleep = asyncio.sleep) -> None:
        self._client = client
        self._sleep = sleep

    async def put(self, repository: RepositoryRef, content: CheckRunContent, *, own_id: int) -> int:
        """Make the commit show ``content``; doing it twice is doing it once. The check run's id in the port.

        A job whose status was replaced by that of a later job writes nothing more: the newest one counts.
        """
        known = check_run_id(content.head_sha, content.external_id)
        opened = await self._opened(repository, content.head_sha)
        wanted = _wanted(self._client.base_url, repository, content, opened)
        rows = await self._rows(repository, content.head_sha, wanted.name, opened, own_id=own_id)
        newest = rows[-1] if rows else None
        if newest is not None and (wanted.is_shown_by(newest) or _is_past(rows, wanted.job)):
            return known
        places = await self._places(repository, content.head_sha, opened)
        # Progress is shown in the sticky note; here it would be a new status every few seconds.
        home = _home(newest, places)
        still = newest is not None and newest.job == wanted.job and newest.state == wanted.state == "running"
        if newest is not None and still and _is_in(newest, home):
            return known
        if newest is not None and newest.state in _UNFINISHED and not _can_become(newest, wanted, home):
            await self._end(content.head_sha, wanted.name, newest)
        await self._post(places, wanted)
        return known

    async def find(self, repository: RepositoryRef, head_sha: str, external_id: str, *, own_id: int) -> int | None:
        """The id of the check run of that job on that commit, if one is there."""
        job = job_part(external_id)
        opened = await self._opened(repository, head_sha)
        rows = await self._rows(repository, head_sha, _name(external_id), opened, own_id=own_id)
        return check_run_id(head_sha, external_id) if any(row.job == job for row in rows) else None

    async def shown(self, repository: RepositoryRef, head_sha: str, *, own_id: int) -> list[ShownCheckRun]:
        """The newest status of each job, with what GitLab keeps of it."""
        found: list[ShownCheckRun] = []
        opened = await self._opened(repository, head_sha)
        for name in (NAME, WATCH_NAME):
            rows = await self._rows(repository, head_sha, name, opened, own_id=own_id)
            last = {row.job: row for row in rows}
            found += [_shown(head_sha, row, replaced=_is_past(rows, row.job)) for row in last.values()]
        return found

    async def _opened(self, repository: RepositoryRef, sha: str) -> answers.MergeRequest | None:
        """The merge request whose head the commit is; the open one where there are several.

        https://docs.gitlab.com/api/commits/#list-merge-requests-associated-with-a-commit
        """
        url = f"/projects/{repository.id}/repository/commits/{sha}/merge_requests"
        ours: list[answers.MergeRequest] = []
        async for page in self._client.pages(url, list[answers.MergeRequest]):
            ours += [one for one in page if one.sha == sha and one.target_project_id == repository.id]
        return min(ours, key=lambda one: (one.state not in OPEN_STATES, one.iid), default=None)

    async def _places(self, repository: RepositoryRef, sha: str, opened: answers.MergeRequest | None) -> list[_Place]:
        """Where a status may go, the best first: to the newest pipeline of the merge request.

        Those of a fork come last, for there we may have nothing to say. Without any, GitLab makes one for the branch. https://docs.gitlab.com/api/merge_requests/#list-all-pipelines-for-a-merge-request
        """
        if opened is None:
            return [_Place(project_id=repository.id)]
        url = f"/projects/{repository.id}/merge_requests/{opened.iid}/pipelines"
        found: list[answers.Pipeline] = []
        async for page in self._client.pages(url, list[answers.Pipeline]):
            found += [one for one in page if one.sha == sha]
        found.sort(key=lambda one: (one.project_id in {None, repository.id}, one.id), reverse=True)
        places = [_Place(project_id=one.project_id or repository.id, pipeline_id=one.id) for one in found]
        source = opened.source_project_id
        branch = [] if source is None else [_Place(project_id=source, ref=opened.source_branch)]
        if source == repository.id:
            return places or branch
        # In a fork that is gone, or not ours to write to, there is no place: then the project itself keeps the status.
        own = _Place(project_id=repository.id, ref=f"refs/merge-requests/{opened.iid}/head")
        return [*(places or branch), own]

    async def _rows(
        self,
        repository: RepositoryRef,
        sha: str,
        name: str,
        opened: answers.MergeRequest | None,
        *,
        own_id: int,
    ) -> list[_Row]:
        """All that our user posted under a name, oldest first, in the project and the fork that the commit is from."""
        source = repository.id if opened is None else opened.source_project_id
        rows: list[_Row] = []
        for project_id in dict.fromkeys([repository.id, source or repository.id]):
            url = f"/projects/{project_id}/repository/commits/{sha}/statuses"
            try:
                async for page in self._client.pages(url, list[answers.Status], all=True, name=name):
                    rows += [
                        row
                        for status in page
                        if status.name == name and (row := _row(project_id, status, own_id)) is not None
                    ]
            except (ForgeNotFoundError, ForgeRefusedError):
                if project_id == repository.id:
                    raise
        return sorted(rows, key=lambda row: row.id)

    async def _end(self, sha: str, name: str, row: _Row) -> None:
        """End a status whose place another one takes. If it ended meanwhile, all is well."""
        place = _Place(project_id=row.project_id, pipeline_id=row.pipeline_id, ref=row.ref)
        data = {"state": "canceled", "name": name, "target_url": row.url, "description": row.description}
        try:
            await self._send(place, sha, data)
        except (ForgeNotFoundError, ForgeRefusedError) as error:
            if getattr(error, "status", None) == _CONFLICT:
                raise

    async def _post(self, places: list[_Place], wanted: _Wanted) -> None:
        """Post it where we may; the last place's refusal is raised.

        https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
        """
        data = {
            "state": wanted.state,
            "name": wanted.name,
            "target_url": wanted.url,
            "description": wanted.description,
        }
        refusal: ForgeError | None = None
        for place in places:
            try:
                await self._send(place, wanted.sha, data)
            except ForgeRefusedError as error:
                if error.status == _BAD_REQUEST and _NO_WAY in str(error):
                    # Somebody posted between our look and our word.
                    raise ForgeUnavailableError(str(error)) from None
                if error.status == _CONFLICT:
                    raise
                refusal = error
            except ForgeNotFoundError as error:
                refusal = error
            else:
                return
        if refusal is not None:
            raise refusal

    async def _send(self, place: _Place, sha: str, data: dict[str, str]) -> None:
        url = f"/projects/{place.project_id}/statuses/{sha}"
        for pause in BUSY_PAUSES:
            try:
                await self._client.send("post", url, answers.Created, data={**data, **place.data()}, idempotent=False)
            except ForgeRefusedError as error:
                if error.status != _CONFLICT:
                    raise
                await self._sleep(pause)
            else:
                return
        await self._client.send("post", url, answers.Created, data={**data, **place.data()}, idempotent=False)


def check_run_id(sha: str, external_id: str) -> int:
    """The id of a check run in the port: 62 bits made of its commit and its job."""
    digest = hashlib.sha256(f"{sha}/{job_part(external_id)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2


def job_part(external_id: str) -> str:
    """What stands before the colon decides: the rest grows while the job goes on."""
    return external_id.partition(":")[0]


def _name(external_id: str) -> str:
    return NAME if parse_watch_id(external_id) is None else WATCH_NAME


def _word(content: CheckRunContent) -> str:
    return content.status.value if content.conclusion is None else content.conclusion.value


def _wanted(
    base_url: str, repository: RepositoryRef, content: CheckRunContent, opened: answers.MergeRequest | None
) -> _Wanted:
    word = _word(content)
    about = f"{_ABOUT}{content.external_id}/{word}"
    page = f"/-/commit/{content.head_sha}" if opened is None else f"/-/merge_requests/{opened.iid}"
    url = f"{content.details_url or f'{base_url}/{repository.full_name}{page}'}{about}"
    if len(url) > MAX_URL:  # https://docs.gitlab.com/api/projects/ : a project is found by its id as well
        url = f"{base_url}/projects/{repository.id}{about}"
    return _Wanted(
        sha=content.head_sha,
        name=_name(content.external_id),
        state=_STATES[word],
        description=content.title[:MAX_DESCRIPTION],
        url=url,
        job=job_part(content.external_id),
    )


def _row(project_id: int, status: answers.Status, own_id: int) -> _Row | None:
    """A status of our own; None for one that others posted, or that says nothing of a job."""
    url = status.target_url or ""
    about = url.partition(_ABOUT)[2]
    external_id, slash, word = about.partition("/")
    if status.author is None or status.author.id != own_id or not slash:
        return None
    return _Row(
        id=status.id,
        project_id=project_id,
        state=status.status,
        description=status.description or "",
        url=url,
        external_id=external_id,
        word=word,
        ref=status.ref,
        pipeline_id=status.pipeline_id,
    )


def _is_past(rows: list[_Row], job: str) -> bool:
    """Whether another job took the place of one that was shown: its first status came after all of this one's."""
    ours = [row.id for row in rows if row.job == job]
    return bool(ours) and rows[-1].id > max(ours)


def _home(newest: _Row | None, places: list[_Place]) -> _Place:
    """Where the newest status should be: the best place of the project that took it, for another may not take any."""
    return next((one for one in places if newest is not None and one.project_id == newest.project_id), places[0])


def _is_in(row: _Row, place: _Place) -> bool:
    """Whether a status is where the next one would go, as far as it says where it is."""
    same_pipeline = None in {row.pipeline_id, place.pipeline_id} or row.pipeline_id == place.pipeline_id
    return row.project_id == place.project_id and same_pipeline


def _can_become(row: _Row, wanted: _Wanted, place: _Place) -> bool:
    """Whether GitLab lets this very status change into what is wanted."""
    forward = wanted.state not in {row.state, "pending"}
    return row.job == wanted.job and forward and _is_in(row, place)


def _shown(sha: str, row: _Row, *, replaced: bool) -> ShownCheckRun:
    """What people see. A state that is not the one of our word was set by somebody else, and is told as it is."""
    ours = _STATES.get(row.word) == row.state
    ended = row.word in set(CheckConclusion)
    status = CheckStatus.COMPLETED.value if ended else row.word
    return ShownCheckRun(
        id=check_run_id(sha, row.external_id),
        external_id=row.external_id,
        status=status if ours else row.state,
        conclusion=row.word if ours and ended else None,
        title=None if row.state == "running" else row.description,
        summary=None,
        replaced=replaced,
    )
