"""What an agent changed, put beside the tree that it is made on."""

from bot.handlers.pipelines import pipeline_files
from bot.model.jobs import Job
from bot.model.resolutions import AuthoredChange
from bot.model.runs import WorkAnswer
from bot.ports.git import Git
from bot.validation.texts import MAX_PROVABLE_BYTES

_REGULAR = frozenset({"100644", "100755"})


async def authored(git: Git, job: Job, answer: WorkAnswer, *, pipeline: str | None) -> AuthoredChange:
    """The change that an answer amounts to, with all that the gate has to know about the tree it is made on.

    ``pipeline`` is the file that says what the forge's CI runs, where it may name others.
    """
    repository = job.request.repository
    tree = await git.tree_of(repository, job.head_sha)
    trees = [tree] if job.base_sha is None else [tree, await git.tree_of(repository, job.base_sha)]
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
        pipelines=() if pipeline is None else await pipeline_files(git, repository, pipeline, trees),
    )
