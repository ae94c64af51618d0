"""What happens to issues, pull requests, comments and check runs, and the webhooks it makes.

The API's endpoints and the people of tests both act through these functions, so that both have the same effects.
"""

from app.demo.simulator import render, render_threads
from app.demo.simulator.site import Site
from app.demo.simulator.state import (
    Account,
    AccountKind,
    CheckRun,
    Comment,
    Issue,
    PullRequest,
    Reaction,
    Repository,
)


def announce(
    site: Site,
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


def _announce_comment(
    site: Site, action: str, comment: Comment, sender: Account, extra: dict[str, object] | None = None
) -> None:
    payload: dict[str, object] = {
        "issue": render_threads.issue(site.world, comment.issue) | {"assignee": None},
        "comment": render_threads.comment(site.world, comment),
    }
    repository = comment.issue.repository
    announce(site, "issue_comment", payload | (extra or {}), action=action, repository=repository, sender=sender)


def create_comment(site: Site, issue: Issue, author: Account, body: str, *, via_app: bool) -> Comment:
    """Somebody writes a comment."""
    now = site.world.now()
    comment = Comment(
        id=site.world.new_id(),
        issue=issue,
        author=author,
        body=body,
        created_at=now,
        updated_at=now,
        via_app=via_app,
    )
    issue.comments[comment.id] = comment
    issue.updated_at = now
    _announce_comment(site, "created", comment, author)
    site.world.changed()
    return comment


def edit_comment(site: Site, comment: Comment, editor: Account, body: str) -> None:
    """Somebody changes a comment; nothing happens when the text stays."""
    if body == comment.body:
        return
    before, comment.body = comment.body, body
    comment.updated_at = site.world.now()
    _announce_comment(site, "edited", comment, editor, {"changes": {"body": {"from": before}}})
    site.world.changed()


def delete_comment(site: Site, comment: Comment, actor: Account) -> None:
    """Somebody deletes a comment."""
    del comment.issue.comments[comment.id]
    _announce_comment(site, "deleted", comment, actor)
    site.world.changed()


def react(site: Site, comment: Comment, account: Account, content: str) -> tuple[Reaction, bool]:
    """Put an emoji under a comment; the reaction, and whether it is new."""
    for existing in comment.reactions:
        if existing.account is account and existing.content == content:
            return existing, False
    reaction = Reaction(id=site.world.new_id(), account=account, content=content, created_at=site.world.now())
    comment.reactions.append(reaction)
    site.world.changed()
    return reaction, True


def announce_pull(
    site: Site, action: str, pull: PullRequest, sender: Account, extra: dict[str, object] | None = None
) -> None:
    """Send a ``pull_request`` webhook."""
    numbers = site.numbers.get((pull.base_sha, pull.head_sha), (0, 0, 0, 0))
    kept = {"assignee": None, "merge_commit_sha": pull.merge_commit_sha}
    payload: dict[str, object] = {
        "number": pull.number,
        "pull_request": render_threads.pull_request(site.world, pull, numbers) | kept,
    }
    announce(site, "pull_request", payload | (extra or {}), action=action, repository=pull.repository, sender=sender)


def close_pull(site: Site, pull: PullRequest, actor: Account, *, merged: bool = False) -> None:
    """A pull request is closed, perhaps because it was merged."""
    now = site.world.now()
    pull.closed_at = pull.updated_at = now
    if merged:
        pull.merged_at, pull.merged_by = now, actor
        pull.merge_commit_sha = pull.repository.branch(pull.base_ref)
    announce_pull(site, "closed", pull, actor)
    site.world.changed()


def announce_check(
    site: Site, action: str, check: CheckRun, sender: Account, extra: dict[str, object] | None = None
) -> None:
    """Send a ``check_run`` webhook."""
    run = render_threads.check_run(site.world, check) | {"check_suite": render_threads.check_suite(site.world, check)}
    payload: dict[str, object] = {"check_run": run} | (extra or {})
    announce(site, "check_run", payload, action=action, repository=check.repository, sender=sender)
    site.world.changed()
