"""What people do on the simulated GitLab only: emoji, hooks, pipelines and squashing."""

from collections.abc import Mapping
from datetime import datetime

from app.demo.simulator import acts_threads
from app.demo.simulator.gitlab.acts_pipelines import move, new_pipeline, new_status
from app.demo.simulator.gitlab.auth import ALL_SCOPES
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.gitlab.state import USED_EVENTS, AccessToken, Hook, Pipeline
from app.demo.simulator.people import People
from app.demo.simulator.state import Account, Comment, PullRequest, Reaction, Repository, Role


class GitLabPeople(People):
    """The acts of people on GitLab."""

    _site: GitLabSite

    def __init__(self, site: GitLabSite) -> None:
        super().__init__(site)

    def join(self, group: Account, account: Account, role: Role = Role.WRITE) -> None:
        """Make somebody a direct member of a group."""
        self._site.world.members.setdefault(group.id, {})[account.id] = role

    def access_token(
        self, account: Account, *, scopes: frozenset[str] = ALL_SCOPES, expires_at: datetime | None = None
    ) -> AccessToken:
        """An access token with some scopes only, or that expires."""
        return self._site.tokens.mint(account, scopes=scopes, expires_at=expires_at)

    def authorize(self, account: Account) -> str:
        """Let the OAuth application act as somebody: the refresh token that comes of it."""
        return self._site.tokens.authorize(account)

    def revoke_authorizations(self) -> None:
        """Take back all that was ever granted to the OAuth application."""
        for token in self._site.world.refresh_tokens.values():
            token.revoked = True
        self._site.world.refresh_tokens.clear()

    def revoke(self, token: AccessToken) -> None:
        """Revoke an access token."""
        token.revoked = True

    def remark(self, pull: PullRequest, author: Account, body: str) -> Comment:
        """Comment on a line of a merge request's changes; of which, the bot is not told."""
        comment = self.comment(pull, author, body)
        comment.resolved = False
        return comment

    def resolve(self, comment: Comment) -> None:
        """Mark a comment on a line as resolved; the bot is told by no webhook."""
        comment.resolved = True

    def award(self, comment: Comment, account: Account, emoji: str) -> Reaction:
        """Put an emoji under a comment."""
        return acts_threads.react(self._site, comment, account, emoji)[0]

    def take_back(self, comment: Comment, reaction: Reaction) -> None:
        """Take an emoji away again."""
        acts_threads.take_reaction_back(self._site, comment, reaction)

    def squash(self, repository: Repository, option: str) -> None:
        """Choose what a project does about squashing: never, always, default_on or default_off."""
        self._site.world.squash[repository.id] = option

    def push_rule(self, repository: Repository, *, branches: str = "", messages: str = "") -> None:
        """Let a project take only branches with such names, and commits with such messages.

        Source: https://docs.gitlab.com/user/project/repository/push_rules/ .
        """
        self._site.world.push_rules[repository.id] = (branches, messages)

    def group_hook(self, group: Account, url: str, *, token: str = "", signing_token: str = "") -> Hook:
        """A hook that is told of everything we use in all projects of a group."""
        hook = Hook(
            id=self._site.world.new_id(),
            url=url,
            created_at=self._site.world.now(),
            events=set(USED_EVENTS),
            group=group,
            token=token,
            signing_token=signing_token,
        )
        self._site.world.hooks[hook.id] = hook
        return hook

    def run_pipeline(
        self, pull: PullRequest, jobs: Mapping[str, str], *, trace: str = "", source: str = "merge_request_event"
    ) -> Pipeline:
        """Let GitLab's own pipeline of a merge request run: the jobs' names, and how each ends."""
        repository = pull.head_repository
        ref = f"refs/merge-requests/{pull.number}/head" if source == "merge_request_event" else pull.head_ref
        if source == "merge_request_event" and not pull.from_fork:
            repository = pull.repository
        pipeline = new_pipeline(self._site, repository, sha=pull.head_sha, ref=ref, source=source, user=pull.author)
        begun = []
        for name in jobs:
            status = new_status(self._site, pipeline, name, pull.author)
            status.stage, status.trace = "test", trace
            begun.append(status)
        for status in begun:
            move(self._site, status, "running")
        for status in begun:
            move(self._site, status, jobs[status.name])
        return pipeline
