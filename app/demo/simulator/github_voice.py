"""What GitHub tells its App: every act as a webhook, where the App is installed."""

from app.demo.simulator import acts_apps, render, render_threads
from app.demo.simulator.git import CommitInfo
from app.demo.simulator.render import Json
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import (
    ZERO_OID,
    Account,
    AccountKind,
    CheckRun,
    Comment,
    Issue,
    PullRequest,
    Reaction,
    Repository,
)
from app.demo.simulator.voice import Changes, Push


class GitHubVoice:
    """GitHub's words."""

    def __init__(self, site: GitHubSite) -> None:
        self._site = site

    def email(self, number: int, login: str) -> str:
        """The address that hides a person's own."""
        return f"{number}+{login}@users.noreply.github.com"

    def pull_ref(self, number: int) -> str:
        """Where the base repository keeps the head of a pull request."""
        return f"refs/pull/{number}/head"

    def issues(self, repository: Repository) -> dict[int, Issue]:
        """Among the pull requests: GitHub counts both together."""
        return repository.threads

    def token(self, account: Account) -> str:
        """A new personal access token, for git and the API."""
        return self._site.credentials.user_token(account)

    def cover(self, repository: Repository) -> None:
        """Install the App on the owner of a new repository, or add the repository to where it is installed."""
        acts_apps.cover(self._site, repository)

    def comment(self, action: str, comment: Comment, sender: Account, *, before: str = "") -> None:
        """Send an ``issue_comment`` webhook."""
        payload: dict[str, object] = {
            "issue": self._issue(comment.issue),
            "comment": render_threads.comment(self._site.world, comment),
        }
        if action == "edited":
            payload["changes"] = {"body": {"from": before}}
        repository = comment.issue.repository
        announce(self._site, "issue_comment", payload, action=action, repository=repository, sender=sender)

    def reaction(self, action: str, comment: Comment, reaction: Reaction) -> None:
        """Nothing: GitHub has no webhook for emoji."""

    def issue(self, action: str, issue: Issue, sender: Account, changes: Changes) -> None:
        """Send an ``issues`` webhook."""
        payload = {"issue": self._issue(issue), **_changes(changes)}
        announce(self._site, "issues", payload, action=action, repository=issue.repository, sender=sender)

    def label(self, action: str, issue: Issue, name: str, sender: Account) -> None:
        """Send a ``pull_request`` or an ``issues`` webhook."""
        label = render_threads.hooked_label(self._site.world, issue.repository, name)
        self._marked(action, issue, sender, {"label": label})

    def assign(self, issue: Issue, assignee: Account, sender: Account) -> None:
        """Send a ``pull_request`` or an ``issues`` webhook."""
        self._marked("assigned", issue, sender, {"assignee": render.account(self._site.world, assignee)})

    def _marked(self, action: str, issue: Issue, sender: Account, mark: dict[str, object]) -> None:
        if isinstance(issue, PullRequest):
            event, payload = "pull_request", self._pull(issue) | mark
        else:
            event, payload = "issues", {"issue": self._issue(issue)} | mark
        announce(self._site, event, payload, action=action, repository=issue.repository, sender=sender)

    def _issue(self, issue: Issue) -> Json:
        world = self._site.world
        return render_threads.issue(world, issue) | render_threads.hooked_labels(world, issue) | {"assignee": None}

    def _pull(self, pull: PullRequest) -> dict[str, object]:
        world = self._site.world
        numbers = self._site.numbers.get((pull.base_sha, pull.head_sha), (0, 0, 0, 0))
        kept = {"assignee": None, "merge_commit_sha": pull.merge_commit_sha}
        return {
            "number": pull.number,
            "pull_request": render_threads.pull_request(world, pull, numbers)
            | render_threads.hooked_labels(world, pull)
            | kept,
        }

    def pull(self, action: str, pull: PullRequest, sender: Account, changes: Changes) -> None:
        """Send a ``pull_request`` webhook, and one for each mark that a pull request is opened with."""
        payload = self._pull(pull) | _changes(changes)
        announce(self._site, "pull_request", payload, action=action, repository=pull.repository, sender=sender)
        if action == "opened":
            for name in pull.labels:
                self.label("labeled", pull, name, sender)
            for assignee in pull.assignees:
                self.assign(pull, assignee, sender)

    def push(self, push: Push, pusher: Account) -> None:
        """Send a ``push`` webhook."""
        site, repository = self._site, push.repository
        old, new = push.old or ZERO_OID, push.new or ZERO_OID
        person: Json = {"name": pusher.login, "email": pusher.email}
        payload: dict[str, object] = {
            "ref": push.ref,
            "before": old,
            "after": new,
            "created": push.old is None,
            "deleted": push.new is None,
            "forced": push.forced,
            "base_ref": None,
            "compare": f"{render.html(site.world, repository)}/compare/{old[:12]}...{new[:12]}",
            "commits": [self._commit(push, commit) for commit in push.commits],
            "head_commit": None if push.head is None else self._commit(push, push.head),
            "pusher": person,
            "repository": _push_repository(site, repository),
        }
        announce(site, "push", payload, action=None, repository=repository, sender=pusher)

    def _commit(self, push: Push, commit: CommitInfo) -> Json:
        return {
            "id": commit.sha,
            "tree_id": commit.tree,
            "distinct": True,
            "message": commit.message,
            "timestamp": commit.when,
            "url": f"{render.html(self._site.world, push.repository)}/commit/{commit.sha}",
            "author": {"name": commit.author_name, "email": commit.author_email},
            "committer": {"name": commit.committer_name, "email": commit.committer_email},
            **push.paths[commit.sha],
        }


def announce(
    site: GitHubSite,
    event: str,
    payload: dict[str, object],
    *,
    action: str | None,
    repository: Repository,
    sender: Account,
) -> None:
    """Send a webhook about a repository to the App, if it is installed there."""
    installation = site.world.installation_for(repository)
    if installation is None or installation.suspended_at is not None:
        return
    body: dict[str, object] = {} if action is None else {"action": action}
    body |= payload
    body.setdefault("repository", render.repository(site.world, repository) | {"has_downloads": True})
    if repository.owner.kind is AccountKind.ORGANIZATION:
        body["organization"] = render.organization(site.world, repository.owner)
    body["sender"] = render.account(site.world, sender)
    body["installation"] = {
        "id": installation.id,
        "node_id": render.node_id("IntegrationInstallation", installation.id),
    }
    site.webhooks.emit(event, body, action=action, installation_id=installation.id, repository_id=repository.id)


def announce_check(
    site: GitHubSite, action: str, check: CheckRun, sender: Account, extra: dict[str, object] | None = None
) -> None:
    """Send a ``check_run`` webhook."""
    run = render_threads.check_run(site.world, check) | {"check_suite": render_threads.check_suite(site.world, check)}
    payload: dict[str, object] = {"check_run": run} | (extra or {})
    announce(site, "check_run", payload, action=action, repository=check.repository, sender=sender)
    site.world.changed()


def _changes(changes: Changes) -> dict[str, object]:
    """What a pull request's webhook tells of its change."""
    if "head" in changes:
        before, after = changes["head"]
        return {"before": before, "after": after}
    told: dict[str, object] = {name: {"from": changes[name][0]} for name in ("title", "body") if name in changes}
    if "base" in changes:
        told["base"] = {"ref": {"from": changes["base"][0]}, "sha": {"from": changes["base_sha"][0]}}
    return {"changes": told} if told else {}


def _push_repository(site: GitHubSite, repository: Repository) -> Json:
    """A repository in a push: as elsewhere, but with some times as numbers and an owner with a name."""
    body = render.repository(site.world, repository)
    owner = render.account(site.world, repository.owner)
    return body | {
        "owner": owner | {"name": repository.owner.login, "email": None},
        "created_at": int(repository.created_at.timestamp()),
        "pushed_at": int(repository.pushed_at.timestamp()),
        "url": render.html(site.world, repository),
        "stargazers": 0,
        "master_branch": repository.default_branch,
    }
