"""What there is on GitLab only: hooks, access tokens, labels, pipelines and the statuses in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from app.demo.simulator.state import Account, PullRequest, Repository, Role, World

FINISHED = frozenset({"success", "failed", "canceled", "skipped"})

HOOK_EVENTS = (
    "push_events",
    "tag_push_events",
    "merge_requests_events",
    "issues_events",
    "confidential_issues_events",
    "note_events",
    "confidential_note_events",
    "pipeline_events",
    "emoji_events",
    "job_events",
    "wiki_page_events",
    "deployment_events",
    "releases_events",
    "milestone_events",
    "feature_flag_events",
    "resource_access_token_events",
)
"""What a hook may be told of. Source: https://docs.gitlab.com/api/project_webhooks/ ."""

USED_EVENTS = (
    "push_events",
    "merge_requests_events",
    "issues_events",
    "note_events",
    "pipeline_events",
    "emoji_events",
)
"""What the hook of a project is told of in which FlowForge was set up."""


@dataclass(slots=True, kw_only=True, eq=False)
class AccessToken:
    """A personal, project or group access token; ``account`` is the user it speaks as."""

    id: int
    value: str = field(repr=False)
    name: str
    account: Account
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Hook:
    """A webhook of a project, or of a group (``group``, and then of all projects in it)."""

    id: int
    url: str
    created_at: datetime
    events: set[str]
    repository: Repository | None = None
    group: Account | None = None
    token: str = field(default="", repr=False)
    signing_token: str = field(default="", repr=False)
    name: str = ""
    description: str = ""
    branch_filter: str = ""
    ssl: bool = True
    failures: int = 0
    disabled_until: datetime | None = None

    def covers(self, repository: Repository) -> bool:
        """Whether it is told of what happens in a project."""
        if self.group is None:
            return self.repository is repository
        owner = repository.owner.login
        return owner == self.group.login or owner.startswith(f"{self.group.login}/")


@dataclass(slots=True, kw_only=True, eq=False)
class Label:
    """A label of a project."""

    id: int
    name: str
    color: str
    description: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Pipeline:
    """A pipeline. ``source`` is ``external`` where a status made it, else ``push`` or ``merge_request_event``."""

    id: int
    iid: int
    repository: Repository
    sha: str
    ref: str
    source: str
    user: Account
    created_at: datetime
    updated_at: datetime
    statuses: "list[CommitStatus]" = field(default_factory=list)

    @property
    def latest(self) -> "list[CommitStatus]":
        """The statuses that count: the newest of each name."""
        return [status for status in self.statuses if not status.retried]

    @property
    def status(self) -> str:
        """What its statuses come to. Source: https://docs.gitlab.com/ci/pipelines/#pipeline-statuses ."""
        states = {status.status for status in self.latest}
        for state in ("running", "pending", "failed", "canceled"):
            if state in states:
                return "running" if state == "pending" and states & FINISHED else state
        return "success" if "success" in states else "skipped" if states else "created"


@dataclass(slots=True, kw_only=True, eq=False)
class CommitStatus:
    """A status on a commit: from outside, or a job of GitLab's own with a ``stage`` and a ``trace``."""

    id: int
    pipeline: Pipeline
    name: str
    author: Account
    created_at: datetime
    status: str = "created"
    target_url: str | None = None
    description: str | None = None
    coverage: float | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    retried: bool = False
    stage: str = "external"
    trace: str | None = None

    @property
    def is_job(self) -> bool:
        """Whether GitLab ran it itself."""
        return self.trace is not None


@dataclass(slots=True, kw_only=True, eq=False)
class GitLabWorld(World):
    """Everything there is on a GitLab."""

    hooks: dict[int, Hook] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    labels: dict[int, dict[str, Label]] = field(default_factory=dict)
    pipelines: dict[int, Pipeline] = field(default_factory=dict)
    members: dict[int, dict[int, Role]] = field(default_factory=dict)
    """Who is a direct member of which group, by the numbers of both."""
    refresh_tokens: dict[str, AccessToken] = field(default_factory=dict, repr=False)
    """Each with the access token that it came with."""
    application: tuple[str, str] = ("flowforge-application", "gloas-the-secret-of-the-application")
    """The id and the secret of the one OAuth application."""
    push_rules: dict[int, tuple[str, str]] = field(default_factory=dict)
    """By project, what names of branches and messages of commits have to match; empty: anything does."""
    squash: dict[int, str] = field(default_factory=dict)
    """Squash options by project: never, always, default_on or default_off, which is what goes without saying."""

    def project(self, name: str) -> Repository | None:
        """A project by its id or by its path, which may be an old one."""
        if name.isdecimal():
            found = self.repositories.get(int(name))
            return None if found is None or found.deleted else found
        return self.repository(name) or self._moved(name)

    def _moved(self, name: str) -> Repository | None:
        found = self.renamed.get(name.casefold())
        return None if found is None or found.deleted else found

    def pipelines_of(self, repository: Repository) -> list[Pipeline]:
        """The pipelines of a project, newest first."""
        return [one for one in reversed(self.pipelines.values()) if one.repository is repository]

    def statuses_of(self, repository: Repository, sha: str | None = None) -> list[CommitStatus]:
        """The statuses in a project, on one commit or all, oldest first, retried ones too."""
        return [
            status
            for pipeline in self.pipelines.values()
            if pipeline.repository is repository and sha in {None, pipeline.sha}
            for status in pipeline.statuses
        ]

    def pipelines_for(self, pull: PullRequest) -> Iterator[Pipeline]:
        """The pipelines of a merge request, newest first: of its branch, and of itself in either project."""
        both = (pull.repository, pull.head_repository)
        for pipeline in reversed(self.pipelines.values()):
            of_branch = pipeline.repository is pull.head_repository and pipeline.ref == pull.head_ref
            of_itself = pipeline.repository in both and pipeline.ref == f"refs/merge-requests/{pull.number}/head"
            if of_branch or of_itself:
                yield pipeline
