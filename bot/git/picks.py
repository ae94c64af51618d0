"""Changes brought onto other commits or taken back, as merges: commits are written whose merge base is as needed.

git before 2.40 cannot be told a merge base (``git merge-tree --merge-base``).
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pygit2

from bot.git.merge_tree import merge
from bot.git.objects import commit_of, opened, write_child
from bot.git.process import GitCommand
from bot.git.refs import check_oid
from bot.model.conflicts import ImpossibleMerge, Verdict


async def pick(command: GitCommand, mirror: Path, *, commit: str, onto: str) -> Verdict:
    """The verdict on bringing the change of ``commit`` against its first parent onto ``onto``; ours is ``commit``.

    Raises:
        GitError: an id is malformed, or git failed for reasons that lie in this machine.
    """
    made = await asyncio.to_thread(_write_pick, mirror, commit=commit, onto=onto)
    if isinstance(made, ImpossibleMerge):
        return made
    return await merge(command, mirror, ours=made.ours, theirs=made.theirs)


async def cherry_pick(command: GitCommand, mirror: Path, *, commit: str, onto: str) -> Verdict:
    """The same as ``pick`` with the sides as ``git cherry-pick`` has them: ours is ``onto``.

    Raises:
        GitError: an id is malformed, or git failed for reasons that lie in this machine.
    """
    made = await asyncio.to_thread(_write_pick, mirror, commit=commit, onto=onto)
    if isinstance(made, ImpossibleMerge):
        return made
    return await merge(command, mirror, ours=made.theirs, theirs=made.ours)


async def take_back(command: GitCommand, mirror: Path, *, commit: str, head: str) -> Verdict:
    """The verdict on ``head`` with the change of ``commit`` against its first parent taken back, as in ``git revert``.

    Raises:
        GitError: a commit is missing, or git failed for reasons that lie in this machine.
    """
    ours, theirs = await asyncio.to_thread(_write_revert, mirror, commit=commit, head=head)
    return await merge(command, mirror, ours=ours, theirs=theirs)


def write_reversal(mirror: Path, *, head: str, published: str, before: str) -> str | None:
    """A commit whose merge into ``head`` takes the change from ``before`` to ``published`` back. Blocks.

    It has the tree of ``before`` and the parent ``published``, which so becomes the merge base. None when ``published``
    is not in the history of ``head``: then that base would not be chosen.
    """
    with opened(mirror) as repo:
        wanted, tip = commit_of(repo, published), commit_of(repo, head)
        if tip.id != wanted.id and not repo.descendant_of(tip.id, wanted.id):
            return None
        tree = commit_of(repo, before).tree_id
        return write_child(repo, tree=tree, parents=[wanted.id], message=f"Take back {published}")


def _write_revert(mirror: Path, *, commit: str, head: str) -> tuple[str, str]:
    """Two commits whose merge base has the tree of ``commit``: one with the tree of ``head``, one with that before."""
    with opened(mirror) as repo:
        wanted, tip = commit_of(repo, commit), commit_of(repo, head)
        before = commit_of(repo, str(wanted.parent_ids[0])).tree_id if wanted.parent_ids else repo.TreeBuilder().write()
        message = f"Take back {commit}"
        root = pygit2.Oid(hex=write_child(repo, tree=wanted.tree_id, parents=[], message=message))
        ours = write_child(repo, tree=tip.tree_id, parents=[root], message=message)
        return ours, write_child(repo, tree=before, parents=[root], message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pick:
    """Two commits whose merge brings one commit's change onto another commit."""

    ours: str
    theirs: str


def _write_pick(mirror: Path, *, commit: str, onto: str) -> _Pick | ImpossibleMerge:
    """The two commits to be merged for a pick: theirs has the tree of ``onto`` and the picked commit's first parent.

    So that parent becomes the only merge base. A root commit is given an empty parent. Blocks.
    """
    with opened(mirror) as repo:
        for name, oid in (("commit", check_oid(commit)), ("new base", check_oid(onto))):
            if oid not in repo:
                return ImpossibleMerge(reason=f"the {name} {oid} is not in the repository")
        picked, below = commit_of(repo, commit), commit_of(repo, onto)
        message = f"Pick {commit}"
        if picked.parent_ids:
            child = write_child(repo, tree=below.tree_id, parents=[picked.parent_ids[0]], message=message)
            return _Pick(ours=commit, theirs=child)
        root = pygit2.Oid(hex=write_child(repo, tree=repo.TreeBuilder().write(), parents=[], message=message))
        return _Pick(
            ours=write_child(repo, tree=picked.tree_id, parents=[root], message=message),
            theirs=write_child(repo, tree=below.tree_id, parents=[root], message=message),
        )
