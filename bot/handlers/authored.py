"""What an agent changed, put beside the tree that it is made on."""

from bot.model.forge import RepositoryRef
from bot.model.resolutions import AuthoredChange
from bot.model.runs import WorkAnswer
from bot.ports.git import Git
from bot.validation.texts import MAX_PROVABLE_BYTES

_REGULAR = frozenset({"100644", "100755"})


async def authored(git: Git, repository: RepositoryRef, tree: str, answer: WorkAnswer) -> AuthoredChange:
    """The change that an answer amounts to, with all that the gate has to know about the tree."""
    before: dict[str, bytes | None] = {}
    modes: dict[str, str] = {}
    new = set[str]()
    for path in (*answer.changed, *answer.deleted):
        entry = await git.entry(repository, tree, path)
        modes[path] = "100644" if entry is None else entry.mode
        regular = entry is not None and entry.mode in _REGULAR
        before[path] = (
            await git.read_blob(repository, entry.oid, limit=MAX_PROVABLE_BYTES)
            if entry is not None and regular
            else None
        )
        if not regular and path in answer.changed:
            new.add(path)
    return AuthoredChange(
        before=before,
        changed=answer.changed,
        deleted=answer.deleted,
        modes=modes,
        new=frozenset(new),
        directories=await git.directories(repository, tree, list(before)),
    )
