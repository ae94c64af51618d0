"""What people do on a simulated forge, for tests and the demo: in-process, with the effects the real acts have."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.demo.simulator import acts_threads
from app.demo.simulator.acts_refs import open_pull, point_pull, refresh
from app.demo.simulator.git import FileContent
from app.demo.simulator.site import Site
from app.demo.simulator.state import (
    Account,
    AccountKind,
    Comment,
    Issue,
    PullRequest,
    Repository,
    Role,
)

Roles = Mapping[Account, Role]


class People:
    """The acts of people. Accounts that do not exist yet come into being by being named."""

    def __init__(self, site: Site) -> None:
        self._site = site

    # Accounts.

    def account(self, login: str, *, kind: AccountKind = AccountKind.USER) -> Account:
        """The account with that login, made if it is new."""
        world = self._site.world
        if login not in world.accounts:
            number = world.new_id()
            world.accounts[login] = Account(
                id=number,
                login=login,
                kind=kind,
                name=login,
                email=self._site.voice.email(number, login),
                created_at=world.now(),
            )
        return world.accounts[login]

    def user(self, login: str) -> Account:
        """A person."""
        return self.account(login)

    def bot(self, login: str) -> Account:
        """Another bot than ours, for example ``dependabot[bot]``."""
        return self.account(login, kind=AccountKind.BOT)

    def rename_account(self, account: Account, login: str) -> None:
        """A person takes another login; the old one becomes free for others."""
        world = self._site.world
        del world.accounts[account.login]
        account.login = login
        world.accounts[login] = account
        world.changed()

    def token(self, account: Account) -> str:
        """A personal access token, for git or the API."""
        return self._site.voice.token(account)

    def set_role(self, repository: Repository, account: Account, role: Role) -> None:
        """Give somebody a role in a repository; ``Role.NONE`` takes it away."""
        repository.roles[account.id] = role
        self._site.world.changed()

    # Repositories.

    async def repository(
        self,
        full_name: str,
        *,
        files: Mapping[str, FileContent] | None = None,
        default_branch: str = "main",
        private: bool = True,
        installed: bool = True,
        roles: Roles | None = None,
    ) -> Repository:
        """A new repository, with one commit if there are ``files``, and the App installed on its owner.

        No webhook comes of it. The owner becomes an organization if it is new.
        """
        repository = await self._new_repository(full_name, default_branch=default_branch, private=private)
        for account, role in (roles or {}).items():
            repository.roles[account.id] = role
        if files is not None:
            site = self._site
            await site.git.commit(
                repository.directory,
                default_branch,
                files,
                message="Initial commit",
                author=repository.owner,
                when=site.world.now(),
                parents=(),
            )
            repository.refs = await site.git.refs(repository.directory)
        if installed:
            self._site.voice.cover(repository)
        self._site.world.changed()
        return repository

    async def repository_from(
        self,
        full_name: str,
        source: Path,
        branches: Mapping[str, str],
        *,
        default_branch: str = "main",
        private: bool = True,
        installed: bool = True,
        roles: Roles | None = None,
    ) -> Repository:
        """A new repository with branches taken from a git bundle or repository on disk.

        ``branches`` maps the new branches' names to refs in the bundle, or to anything that names a commit in the
        repository: a branch, a tag, an id, ``feature~1``. For a bundle with the branches ``base``, ``ours`` and
        ``theirs``: ``{"main": "refs/heads/theirs", "feature": "refs/heads/ours"}``.

        Raises:
            GitFailedError: the source is no such thing, or has no such commit.
        """
        repository = await self.repository(
            full_name, default_branch=default_branch, private=private, installed=installed, roles=roles
        )
        git = self._site.git
        if await asyncio.to_thread(source.is_dir):
            branches = {branch: await git.commit_id(source, revision) for branch, revision in branches.items()}
            source = await git.git_directory(source)
        await git.fetch(
            repository.directory, source, *(f"+{ref}:refs/heads/{branch}" for branch, ref in branches.items())
        )
        repository.refs = await git.refs(repository.directory)
        self._site.world.changed()
        return repository

    async def fork(self, repository: Repository, owner: Account, *, name: str | None = None) -> Repository:
        """Somebody's fork: another bare repository with the same branches. The App is not installed there."""
        site = self._site
        fork = await self._new_repository(
            f"{owner.login}/{name or repository.name}",
            default_branch=repository.default_branch,
            private=repository.private,
        )
        fork.parent = repository
        fork.roles[owner.id] = Role.ADMIN
        await site.git.fetch(fork.directory, repository.directory, "+refs/heads/*:refs/heads/*")
        fork.refs = await site.git.refs(fork.directory)
        site.world.changed()
        return fork

    async def delete_repository(self, repository: Repository) -> None:
        """A repository disappears; pull requests from it keep their commits and lose their head repository."""
        repository.deleted = True
        self._site.world.changed()

    def rename_repository(self, repository: Repository, name: str) -> None:
        """A repository takes another name, its id stays."""
        self._site.world.renamed[repository.full_name.casefold()] = repository
        target = repository.directory.with_name(f"{name}.git")
        repository.directory.rename(target)
        repository.directory, repository.name = target, name
        self._site.world.changed()

    def merge_only_by(self, repository: Repository, way: str) -> None:
        """Leave people one way of merging: ``merge``, ``squash`` or ``rebase``."""
        repository.merges_by = way

    def protect(self, repository: Repository, branch: str) -> None:
        """Protect a branch: only administrators push to it."""
        repository.protected.add(branch)

    async def _new_repository(self, full_name: str, *, default_branch: str, private: bool) -> Repository:
        site = self._site
        owner_name, _, name = full_name.rpartition("/")
        if site.world.repository(full_name) is not None:
            raise ValueError(f"{full_name} exists")
        owner = site.world.accounts.get(owner_name) or self.account(owner_name, kind=AccountKind.ORGANIZATION)
        directory = site.directory / "repositories" / owner_name / f"{name}.git"
        await site.git.create(directory, default_branch=default_branch)
        now = site.world.now()
        repository = Repository(
            id=site.world.new_id(),
            owner=owner,
            name=name,
            directory=directory,
            default_branch=default_branch,
            private=private,
            created_at=now,
            pushed_at=now,
        )
        site.world.repositories[repository.id] = repository
        return repository

    # Branches.

    async def commit(
        self,
        repository: Repository,
        branch: str,
        files: Mapping[str, FileContent],
        *,
        author: Account,
        message: str = "Change files",
        start: str | None = None,
    ) -> str:
        """Push one commit to a branch (None as content removes a file) and return its id.

        A new branch begins at ``start`` (a branch or id), or at the default branch.
        """
        site = self._site
        async with repository.lock:
            parent = repository.branch(branch)
            if start is not None or parent is None:
                parent = await site.git.resolve(repository, start or repository.default_branch)
            await site.git.commit(
                repository.directory,
                branch,
                files,
                message=message,
                author=author,
                when=site.world.now(),
                parents=() if parent is None else (parent,),
            )
            await refresh(site, repository, author)
        return repository.refs[f"refs/heads/{branch}"]

    async def move_branch(self, repository: Repository, branch: str, target: str | None, *, actor: Account) -> None:
        """Force a branch to another branch's or id's commit; None deletes it."""
        site = self._site
        async with repository.lock:
            sha = None if target is None else await site.git.resolve(repository, target)
            if target is not None and sha is None:
                raise ValueError(f"no commit {target} in {repository.full_name}")
            await site.git.set_ref(repository.directory, f"refs/heads/{branch}", sha)
            await refresh(site, repository, actor)

    async def fetch_branch(
        self, repository: Repository, branch: str, source: Path, ref: str, *, actor: Account
    ) -> None:
        """Push a branch from a repository or bundle on disk, by force."""
        site = self._site
        async with repository.lock:
            await site.git.fetch(repository.directory, source, f"+{ref}:refs/heads/{branch}")
            await refresh(site, repository, actor)

    # Issues, pull requests and comments.

    def open_issue(self, repository: Repository, *, author: Account, title: str, body: str = "") -> Issue:
        """Open an issue."""
        now = self._site.world.now()
        issues = self._site.voice.issues(repository)
        issue = Issue(
            id=self._site.world.new_id(),
            repository=repository,
            number=len(issues) + 1,
            title=title,
            body=body,
            author=author,
            created_at=now,
            updated_at=now,
        )
        issues[issue.number] = issue
        self._site.voice.issue("opened", issue, author, {})
        self._site.world.changed()
        return issue

    def label(self, issue: Issue, actor: Account, name: str) -> None:
        """Put a label on an issue or pull request; one that is there stays, and nothing comes of it."""
        if name in issue.labels:
            return
        issue.labels.append(name)
        self._site.voice.label("labeled", issue, name, actor)
        self._site.world.changed()

    def unlabel(self, issue: Issue, actor: Account, name: str) -> None:
        """Take a label off again."""
        issue.labels.remove(name)
        self._site.voice.label("unlabeled", issue, name, actor)
        self._site.world.changed()

    def assign(self, issue: Issue, actor: Account, assignee: Account) -> None:
        """Have somebody see to an issue or pull request."""
        issue.assignees.append(assignee)
        self._site.voice.assign(issue, assignee, actor)
        self._site.world.changed()

    async def open_pull_request(
        self,
        repository: Repository,
        *,
        author: Account,
        head: str,
        base: str | None = None,
        head_repository: Repository | None = None,
        title: str = "A change",
        body: str = "",
        draft: bool = False,
        maintainer_can_modify: bool | None = None,
        labels: Sequence[str] = (),
        assignees: Sequence[Account] = (),
    ) -> PullRequest:
        """Open a pull request, from a fork if ``head_repository`` is one, with labels and assignees in the same form.

        ``maintainer_can_modify`` is True for forks unless said otherwise, and always False without one, as on GitHub.
        """
        source = head_repository or repository
        base = base or repository.default_branch
        if source.branch(head) is None or repository.branch(base) is None:
            raise ValueError(f"no branch {head if source.branch(head) is None else base}")
        return await open_pull(
            self._site,
            repository,
            author,
            head_repository=source,
            head=head,
            base=base,
            title=title,
            body=body,
            draft=draft,
            maintainer_can_modify=maintainer_can_modify is not False,
            labels=labels,
            assignees=assignees,
        )

    def edit_pull_request(
        self, pull: PullRequest, editor: Account, *, title: str | None = None, body: str | None = None
    ) -> None:
        """Change a pull request's title or description."""
        changes: dict[str, tuple[object, object]] = {}
        if title is not None and title != pull.title:
            changes["title"] = (pull.title, title)
            pull.title = title
        if body is not None and body != pull.body:
            changes["body"] = (pull.body, body)
            pull.body = body
        if not changes:
            return
        self._site.voice.pull("edited", pull, editor, changes)
        self._site.world.changed()

    async def retarget(self, pull: PullRequest, editor: Account, *, base: str) -> None:
        """Give a pull request another base branch."""
        sha = pull.repository.branch(base)
        if sha is None:
            raise ValueError(f"no branch {base}")
        changes = {"base": (pull.base_ref, base), "base_sha": (pull.base_sha, sha)}
        pull.base_ref, pull.base_sha = base, sha
        pull.mergeable = pull.merge_pair = None
        await point_pull(self._site, pull)
        self._site.voice.pull("edited", pull, editor, changes)
        self._site.world.changed()

    def close(self, pull: PullRequest, actor: Account) -> None:
        """Close a pull request without merging it."""
        acts_threads.close_pull(self._site, pull, actor)

    async def reopen(self, pull: PullRequest, actor: Account) -> None:
        """Open a closed pull request again, at what its branches are now."""
        pull.closed_at = None
        pull.head_sha = pull.head_repository.branch(pull.head_ref) or pull.head_sha
        pull.base_sha = pull.repository.branch(pull.base_ref) or pull.base_sha
        pull.mergeable = pull.merge_pair = None
        await point_pull(self._site, pull)
        self._site.voice.pull("reopened", pull, actor, {})
        self._site.world.changed()

    async def merge(self, pull: PullRequest, actor: Account) -> str:
        """Merge a pull request with a merge commit, whose id is returned. Raises ``GitFailedError`` on a conflict."""
        site, repository = self._site, pull.repository
        async with repository.lock:
            base = repository.refs[f"refs/heads/{pull.base_ref}"]
            tree = await site.git.merge_tree(repository.directory, base, pull.head_sha)
            sha = await site.git.commit_tree(
                repository.directory,
                tree,
                message=f"Merge pull request #{pull.number} from {pull.head_ref}",
                author=actor,
                when=site.world.now(),
                parents=(base, pull.head_sha),
            )
            await site.git.set_ref(repository.directory, f"refs/heads/{pull.base_ref}", sha)
            await refresh(site, repository, actor)
        return sha

    def comment(self, issue: Issue, author: Account, body: str) -> Comment:
        """Write a comment under an issue or pull request."""
        return acts_threads.create_comment(self._site, issue, author, body, via_app=False)

    def edit_comment(self, comment: Comment, editor: Account, body: str) -> None:
        """Change a comment; the editor need not be its author."""
        acts_threads.edit_comment(self._site, comment, editor, body)

    def delete_comment(self, comment: Comment, actor: Account) -> None:
        """Delete a comment."""
        acts_threads.delete_comment(self._site, comment, actor)
