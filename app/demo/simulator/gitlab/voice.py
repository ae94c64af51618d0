"""What GitLab tells the hooks of a project."""

from urllib.parse import urlsplit

from app.demo.simulator.git import CommitInfo
from app.demo.simulator.gitlab import render_hooks
from app.demo.simulator.gitlab.render import Json, title_of
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.gitlab.state import USED_EVENTS, Hook, Label, Pipeline
from app.demo.simulator.state import Account, Comment, Issue, PullRequest, Reaction, Repository, Role
from app.demo.simulator.voice import Changes, Push

ACTIONS = {"opened": "open", "edited": "update", "synchronize": "update", "closed": "close", "reopened": "reopen"}
FIELDS = {
    "title": "title",
    "body": "description",
    "base": "target_branch",
    "draft": "draft",
    "labels": "labels",
    "assignees": "assignees",
}


class GitLabVoice:
    """GitLab's words."""

    def __init__(self, site: GitLabSite) -> None:
        self._site = site
        self._heads: dict[str, CommitInfo] = {}

    def email(self, number: int, login: str) -> str:
        """The address that hides a person's own.

        Source: https://docs.gitlab.com/user/profile/#use-an-automatically-generated-private-commit-email .
        """
        return f"{number}-{login}@users.noreply.{urlsplit(self._site.world.base_url).hostname}"

    def pull_ref(self, number: int) -> str:
        """Where the target project keeps the head of a merge request."""
        return f"refs/merge-requests/{number}/head"

    def issues(self, repository: Repository) -> dict[int, Issue]:
        """By themselves: there may be an issue and a merge request of the same number."""
        return repository.issues

    def token(self, account: Account) -> str:
        """A new personal access token, for git and the API."""
        return self._site.tokens.mint(account).value

    def cover(self, repository: Repository) -> None:
        """Make the bot a member of the project, and give the project a hook of ours."""
        site = self._site
        repository.roles.setdefault(site.world.bot.id, Role.MAINTAIN)
        hook = Hook(
            id=site.world.new_id(),
            url="",
            created_at=site.world.now(),
            events=set(USED_EVENTS),
            repository=repository,
            token=site.webhooks.secret,
            signing_token=site.webhooks.signing_token,
            name="FlowForge",
        )
        site.world.hooks[hook.id] = hook

    def comment(self, action: str, comment: Comment, sender: Account, *, before: str = "") -> None:
        """Send a ``Note Hook``; nobody is told that a note was deleted, or what it said before."""
        del before
        if action == "deleted" or comment.system:
            return
        word = {"created": "create", "edited": "update"}[action]
        payload = render_hooks.note_event(self._site.world, comment, self._head(comment.issue), word, sender)
        self._site.webhooks.emit("note_events", payload, comment.issue.repository)

    def reaction(self, action: str, comment: Comment, reaction: Reaction) -> None:
        """Send an ``Emoji Hook``."""
        word = {"added": "award", "removed": "revoke"}[action]
        payload = render_hooks.emoji_event(self._site.world, comment, reaction, self._head(comment.issue), word)
        self._site.webhooks.emit("emoji_events", payload, comment.issue.repository)

    def issue(self, action: str, issue: Issue, sender: Account, changes: Changes) -> None:
        """Send an ``Issue Hook``."""
        payload = render_hooks.issue_event(self._site.world, issue, ACTIONS[action], sender, _changes(issue, changes))
        self._site.webhooks.emit("issues_events", payload, issue.repository)

    def label(self, action: str, issue: Issue, name: str, sender: Account) -> None:
        """Send the hook of an issue or merge request, with the labels before and after.

        The project gets a label that it does not have yet.
        """
        self._know(issue, name)
        rest = [one for one in issue.labels if one != name]
        before = rest if action == "labeled" else [*rest, name]
        told = ([{"title": one} for one in before], [{"title": one} for one in issue.labels])
        self._edited(issue, sender, {"labels": told})

    def assign(self, issue: Issue, assignee: Account, sender: Account) -> None:
        """Send the hook of an issue or merge request, with who was and who is to see to it."""
        now = [render_hooks.user(one) for one in issue.assignees]
        before = [render_hooks.user(one) for one in issue.assignees if one is not assignee]
        self._edited(issue, sender, {"assignees": (before, now)})

    def _know(self, issue: Issue, *names: str) -> None:
        known = self._site.world.labels.setdefault(issue.repository.id, {})
        for name in names:
            known.setdefault(name, Label(id=self._site.world.new_id(), name=name, color="#6699cc"))

    def _edited(self, issue: Issue, sender: Account, changes: Changes) -> None:
        if isinstance(issue, PullRequest):
            self.pull("edited", issue, sender, changes)
        else:
            self.issue("edited", issue, sender, changes)

    def pull(self, action: str, pull: PullRequest, sender: Account, changes: Changes) -> None:
        """Send a ``Merge Request Hook``; new commits are noted under the merge request, too."""
        oldrev = None
        if "head" in changes:
            oldrev = str(changes["head"][0])
            self._note_commits(pull, sender)
        self._know(pull, *pull.labels)
        word = "merge" if action == "closed" and pull.merged_at is not None else ACTIONS[action]
        payload = render_hooks.merge_request_event(
            self._site.world, pull, self._head(pull), word, sender, changes=_changes(pull, changes), oldrev=oldrev
        )
        self._site.webhooks.emit("merge_requests_events", payload, pull.repository)

    def push(self, push: Push, pusher: Account) -> None:
        """Send a ``Push Hook`` or a ``Tag Push Hook``."""
        if push.head is not None:
            self._heads[push.head.sha] = push.head
        payload = render_hooks.push_event(self._site.world, push, pusher)
        events = "tag_push_events" if push.ref.startswith("refs/tags/") else "push_events"
        branch = push.ref.removeprefix("refs/heads/")
        self._site.webhooks.emit(events, payload, push.repository, branch=branch)

    def _head(self, thread: Issue) -> CommitInfo | None:
        """The commit at the head of a merge request, as far as it was pushed while somebody looked."""
        if not isinstance(thread, PullRequest):
            return None
        known = self._heads.get(thread.head_sha)
        if known is not None:
            return known
        when = thread.created_at.isoformat()
        return CommitInfo(
            sha=thread.head_sha,
            tree="",
            author_name=thread.author.name,
            author_email=thread.author.email,
            committer_name=thread.author.name,
            committer_email=thread.author.email,
            when=when,
            message="",
        )

    def _note_commits(self, pull: PullRequest, sender: Account) -> None:
        """GitLab's own comment under a merge request that got commits. It has no webhook."""
        now = self._site.world.now()
        body = f"added 1 commit\n\n<ul><li>{pull.head_sha[:8]}</li></ul>"
        note = Comment(
            id=self._site.world.new_id(),
            issue=pull,
            author=sender,
            body=body,
            created_at=now,
            updated_at=now,
            via_app=False,
            system=True,
        )
        pull.comments[note.id] = note


def announce_pipeline(site: GitLabSite, pipeline: Pipeline) -> None:
    """Send a ``Pipeline Hook``: its status is another one. Only a pipeline of a merge request itself names that."""
    pull = next(
        (
            pull
            for repository in site.world.repositories.values()
            for pull in repository.pull_requests()
            if pull.open and pipeline.source == "merge_request_event" and pipeline in site.world.pipelines_for(pull)
        ),
        None,
    )
    site.webhooks.emit("pipeline_events", render_hooks.pipeline_event(site.world, pipeline, pull), pipeline.repository)


def _changes(thread: Issue, changes: Changes) -> dict[str, Json]:
    """What a webhook tells of a change: the fields' old and new values."""
    told: dict[str, Json] = {
        FIELDS[name]: {"previous": old, "current": new} for name, (old, new) in changes.items() if name in FIELDS
    }
    if isinstance(thread, PullRequest) and "title" in told and thread.draft:
        told["title"]["current"] = title_of(thread)
    return told
