"""What happens when refs move: pushes, pull requests that follow their branches, and merges."""

from collections.abc import Sequence

from app.demo.simulator.acts_threads import close_pull
from app.demo.simulator.git import CommitInfo
from app.demo.simulator.site import Site
from app.demo.simulator.state import Account, PullRequest, Repository
from app.demo.simulator.voice import Push

MOST_PUSHED_COMMITS = 2048
"""Source: https://docs.github.com/webhooks/webhook-events-and-payloads#push ."""

Change = tuple[str, str | None, str | None]
"""A full ref name, where it was and where it is; None: not there."""


async def refresh(site: Site, repository: Repository, pusher: Account) -> None:
    """Find what moved in the bare repository since the last look, and let everything follow.

    The caller holds ``repository.lock``.
    """
    before, after = repository.refs, await site.git.refs(repository.directory)
    repository.refs = after
    changes: list[Change] = [
        (ref, before.get(ref), after.get(ref))
        for ref in sorted(before.keys() | after.keys())
        if before.get(ref) != after.get(ref)
    ]
    if not changes:
        return
    repository.pushed_at = site.world.now()
    for change in changes:
        await _announce_push(site, repository, pusher, change)
    for ref, _, new in changes:
        if ref.startswith("refs/heads/"):
            await _follow_head(site, repository, ref.removeprefix("refs/heads/"), new, pusher)
    for ref, _, new in changes:
        if ref.startswith("refs/heads/") and new is not None:
            await _follow_base(site, repository, ref.removeprefix("refs/heads/"), new, pusher)
    site.world.changed()


async def point_pull(site: Site, pull: PullRequest) -> None:
    """Keep the base repository's ref for the pull request (``refs/pull/N/head``) at its head, and count its sizes."""
    target, ref = pull.repository.directory, site.voice.pull_ref(pull.number)
    if pull.from_fork:
        await site.git.fetch(target, pull.head_repository.directory, f"+{pull.head_sha}:{ref}")
    else:
        await site.git.set_ref(target, ref, pull.head_sha)
    key = (pull.base_sha, pull.head_sha)
    if key not in site.numbers:
        site.numbers[key] = await site.git.numstat(target, *key)


async def open_pull(
    site: Site,
    repository: Repository,
    author: Account,
    *,
    head_repository: Repository,
    head: str,
    base: str,
    title: str,
    body: str,
    draft: bool,
    maintainer_can_modify: bool,
    labels: Sequence[str] = (),
    assignees: Sequence[Account] = (),
) -> PullRequest:
    """Somebody opens a pull request, with marks on it. Raises ``KeyError`` for a branch that is not there."""
    now = site.world.now()
    head_sha, base_sha = head_repository.refs[f"refs/heads/{head}"], repository.refs[f"refs/heads/{base}"]
    pull = PullRequest(
        id=site.world.new_id(),
        repository=repository,
        number=len(repository.threads) + 1,
        title=title,
        body=body,
        author=author,
        created_at=now,
        updated_at=now,
        head_repository=head_repository,
        head_ref=head,
        head_sha=head_sha,
        base_ref=base,
        base_sha=base_sha,
        draft=draft,
        maintainer_can_modify=maintainer_can_modify and head_repository is not repository,
    )
    repository.threads[pull.number] = pull
    await point_pull(site, pull)
    pull.labels.extend(labels)
    pull.assignees.extend(assignees)
    site.voice.pull("opened", pull, author, {})
    site.world.changed()
    return pull


async def _follow_head(site: Site, repository: Repository, branch: str, new: str | None, pusher: Account) -> None:
    for pull in list(site.world.pull_requests_from(repository, branch)):
        if new is None:
            close_pull(site, pull, pusher)
            continue
        old, pull.head_sha = pull.head_sha, new
        pull.base_sha = pull.repository.branch(pull.base_ref) or pull.base_sha
        pull.mergeable = pull.merge_pair = None
        pull.updated_at = site.world.now()
        await point_pull(site, pull)
        site.voice.pull("synchronize", pull, pusher, {"head": (old, new)})


async def _follow_base(site: Site, repository: Repository, branch: str, new: str, pusher: Account) -> None:
    for pull in repository.pull_requests():
        if not pull.open or pull.base_ref != branch:
            continue
        pull.mergeable = pull.merge_pair = None
        if await site.git.is_ancestor(repository.directory, pull.head_sha, new):
            close_pull(site, pull, pusher, merged=True)


async def find_mergeable(site: Site, pull: PullRequest) -> None:
    """Ask git whether a pull request merges; until then ``mergeable`` is None, as on GitHub."""
    base = pull.repository.branch(pull.base_ref)
    if base is None or not pull.open:
        return
    pair = (base, pull.head_sha)
    answer = await site.git.merges(pull.repository.directory, *pair)
    if pair == (pull.repository.branch(pull.base_ref), pull.head_sha):
        pull.mergeable, pull.merge_pair = answer, pair
        site.world.changed()


async def _announce_push(site: Site, repository: Repository, pusher: Account, change: Change) -> None:
    ref, old, new = change
    directory = repository.directory
    commits: list[CommitInfo] = []
    forced = False
    if new is not None:
        known = [old] if old is not None else [sha for name, sha in repository.refs.items() if name != ref]
        commits = await site.git.commits(directory, new, *(f"^{sha}" for sha in known), limit=MOST_PUSHED_COMMITS)
        forced = old is not None and not await site.git.is_ancestor(directory, old, new)
    head = commits[-1] if commits else None
    if head is None and new is not None:
        head = (await site.git.commits(directory, new, limit=1))[0]
    told = {commit.sha for commit in commits} | ({head.sha} if head is not None else set())
    site.voice.push(
        Push(
            repository=repository,
            ref=ref,
            old=old,
            new=new,
            forced=forced,
            commits=commits,
            head=head,
            paths=await site.git.changed_paths(directory, sorted(told)),
        ),
        pusher,
    )
