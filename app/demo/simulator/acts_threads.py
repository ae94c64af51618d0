"""What happens to issues, pull requests, comments and emoji, on any forge.

The API's endpoints and the people of tests both act through these functions, so that both have the same effects.
"""

from app.demo.simulator.site import Site
from app.demo.simulator.state import Account, Comment, Issue, PullRequest, Reaction


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
    site.voice.comment("created", comment, author)
    site.world.changed()
    return comment


def edit_comment(site: Site, comment: Comment, editor: Account, body: str) -> None:
    """Somebody changes a comment; nothing happens when the text stays."""
    if body == comment.body:
        return
    before, comment.body = comment.body, body
    comment.updated_at = site.world.now()
    site.voice.comment("edited", comment, editor, before=before)
    site.world.changed()


def delete_comment(site: Site, comment: Comment, actor: Account) -> None:
    """Somebody deletes a comment."""
    del comment.issue.comments[comment.id]
    site.voice.comment("deleted", comment, actor)
    site.world.changed()


def react(site: Site, comment: Comment, account: Account, content: str) -> tuple[Reaction, bool]:
    """Put an emoji under a comment; the reaction, and whether it is new."""
    for existing in comment.reactions:
        if existing.account is account and existing.content == content:
            return existing, False
    reaction = Reaction(id=site.world.new_id(), account=account, content=content, created_at=site.world.now())
    comment.reactions.append(reaction)
    site.voice.reaction("added", comment, reaction)
    site.world.changed()
    return reaction, True


def take_reaction_back(site: Site, comment: Comment, reaction: Reaction) -> None:
    """Take an emoji away again."""
    comment.reactions.remove(reaction)
    site.voice.reaction("removed", comment, reaction)
    site.world.changed()


def close_pull(site: Site, pull: PullRequest, actor: Account, *, merged: bool = False) -> None:
    """A pull request is closed, perhaps because it was merged."""
    now = site.world.now()
    pull.closed_at = pull.updated_at = now
    if merged:
        pull.merged_at, pull.merged_by = now, actor
        pull.merge_commit_sha = pull.repository.branch(pull.base_ref)
    site.voice.pull("closed", pull, actor, {})
    site.world.changed()
