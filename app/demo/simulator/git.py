"""Git inside the simulator: bare repositories, always by the real git command."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.demo.simulator.state import Account, Repository

FORMAT = "%H%x00%T%x00%an%x00%ae%x00%cn%x00%ce%x00%cI%x00%B%x00%x01"
OID_LENGTH = 40
STATUS_NAMES = {"A": "added", "D": "removed"}
CONFIG = {
    "core.bare": "true",
    "gc.auto": "0",
    "http.receivepack": "true",
    "receive.autogc": "false",
    "receive.fsckObjects": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
}


class GitFailedError(Exception):
    """A git command of the simulator failed; the message holds its standard error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file for a commit.

    ``mode`` is 100644, 100755, 120000 (the content is the link's target) or 160000 (the content is a commit's id).
    """

    content: bytes
    mode: str = "100644"


FileContent = str | bytes | File | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """What webhooks and the API tell about a commit."""

    sha: str
    tree: str
    author_name: str
    author_email: str
    committer_name: str
    committer_email: str
    when: str
    message: str


class Git:
    """Runs git with a clean environment, so that the machine's configuration has no say."""

    def __init__(self, home: Path, *, pull_refs: str) -> None:
        self._home = home
        self._pull_refs = pull_refs
        self.hooks = home / "hooks"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of every git process of the simulator."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            **(extra or {}),
        }

    async def run(
        self,
        directory: Path,
        *arguments: str,
        stdin: bytes = b"",
        extra: Mapping[str, str] | None = None,
        accept: Sequence[int] = (0,),
    ) -> tuple[int, bytes]:
        """Run one git command; its exit status, which must be one of ``accept``, and its output.

        Raises:
            GitFailedError: any other exit status.
        """
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=directory,
            env=self.environment(extra),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate(stdin)
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):  # it may have ended in the same moment
                process.kill()
            if process.stdin is not None:
                process.stdin.close()
            await process.communicate()
            raise
        status = process.returncode or 0
        if status not in accept:
            raise GitFailedError(f"git {arguments[0]}: {err.decode('utf-8', 'replace').strip()}")
        return status, out

    async def text(self, directory: Path, *arguments: str, stdin: bytes = b"") -> str:
        """The output of one git command as stripped text."""
        _, out = await self.run(directory, *arguments, stdin=stdin)
        return out.decode("utf-8", "replace").strip()

    async def create(self, directory: Path, *, default_branch: str) -> None:
        """Make an empty bare repository."""
        await self.run(self._home, "init", "-q", "--bare", f"--initial-branch={default_branch}", str(directory))
        # As on the forges, what is kept for pull requests is readable and never pushable.
        kept = {"core.hooksPath": str(self.hooks), "receive.hideRefs": self._pull_refs}
        _configure(directory / "config", CONFIG | kept)

    async def refs(self, directory: Path) -> dict[str, str]:
        """Branches and tags, full names to ids; ``refs/pull`` and the like are the simulator's own and left out."""
        text = await self.text(
            directory, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"
        )
        return {name: sha for sha, _, name in (line.partition(" ") for line in text.splitlines())}

    async def set_ref(self, directory: Path, ref: str, sha: str | None) -> None:
        """Put a ref at a commit, or remove it."""
        await self.run(directory, "update-ref", *(["-d", ref] if sha is None else [ref, sha]))

    async def fetch(self, directory: Path, source: Path, *refspecs: str) -> None:
        """Fetch from a repository or a bundle on disk, over whatever was there."""
        await self.run(directory, "fetch", "-q", "--no-tags", "--no-auto-gc", _absolute(source), *refspecs)

    async def commit_id(self, directory: Path, revision: str) -> str:
        """The id of the commit that a revision means in any repository on disk, also from inside its work tree.

        Raises:
            GitFailedError: it means none.
        """
        arguments = ("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        return await self.text(directory, *arguments)

    async def git_directory(self, directory: Path) -> Path:
        """Where the repository around a directory has its objects and branches."""
        return Path(await self.text(directory, "rev-parse", "--path-format=absolute", "--git-common-dir"))

    async def resolve(self, repository: Repository, revision: str) -> str | None:
        """The commit that a branch, tag or id names, None when there is none."""
        if sha := repository.branch(revision):
            return sha
        if revision.startswith("-") or "\0" in revision:
            return None
        name = repository.refs.get(f"refs/tags/{revision}", revision)
        arguments = ("rev-parse", "-q", "--verify", f"{name}^{{commit}}")
        status, out = await self.run(repository.directory, *arguments, accept=(0, 1, 128))
        return out.decode("ascii").strip() if status == 0 else None

    async def merges(self, directory: Path, base: str, head: str) -> bool:
        """Whether two commits merge without a conflict."""
        status, _ = await self.run(directory, "merge-tree", "--write-tree", base, head, accept=(0, 1, 128))
        return status == 0

    async def merge_tree(self, directory: Path, base: str, head: str) -> str:
        """The tree of a clean merge."""
        return await self.text(directory, "merge-tree", "--write-tree", base, head)

    async def is_ancestor(self, directory: Path, old: str, new: str) -> bool:
        """Whether ``old`` is in the history of ``new``."""
        status, _ = await self.run(directory, "merge-base", "--is-ancestor", old, new, accept=(0, 1, 128))
        return status == 0

    async def commits(self, directory: Path, *revisions: str, limit: int) -> list[CommitInfo]:
        """The newest commits of a range, oldest first."""
        wanted = "".join(f"{revision}\n" for revision in revisions).encode()
        _, out = await self.run(directory, "log", f"--max-count={limit}", f"--format={FORMAT}", "--stdin", stdin=wanted)
        found = []
        for entry in out.decode("utf-8", "replace").split("\0\x01")[:-1]:
            sha, tree, author, author_mail, committer, committer_mail, when, message = entry.lstrip("\n").split("\0", 7)
            found.append(
                CommitInfo(
                    sha=sha,
                    tree=tree,
                    author_name=author,
                    author_email=author_mail,
                    committer_name=committer,
                    committer_email=committer_mail,
                    when=when,
                    message=message.rstrip("\n"),
                )
            )
        return found[::-1]

    async def changed_paths(self, directory: Path, shas: Sequence[str]) -> dict[str, dict[str, list[str]]]:
        """The paths that commits add, modify and remove against their first parents, by commit."""
        arguments = ("--stdin", "-r", "-z", "--root", "--diff-merges=first-parent", "--name-status", "--no-renames")
        _, out = await self.run(directory, "diff-tree", *arguments, stdin="".join(f"{sha}\n" for sha in shas).encode())
        found: dict[str, dict[str, list[str]]] = {sha: {"added": [], "modified": [], "removed": []} for sha in shas}
        tokens = iter(out.decode("utf-8", "replace").split("\0")[:-1])
        sha = ""
        for token in tokens:
            if len(token) == OID_LENGTH:
                sha = token
            else:
                found[sha][STATUS_NAMES.get(token, "modified")].append(next(tokens))
        return found

    async def numstat(self, directory: Path, base: str, head: str) -> tuple[int, int, int, int]:
        """Commits, additions, deletions and changed files of a pull request."""
        commits = int(await self.text(directory, "rev-list", "--count", f"{base}..{head}"))
        text = await self.text(directory, "diff", "--numstat", f"{base}...{head}")
        lines = [line.split("\t") for line in text.splitlines()]
        added = sum(int(line[0]) for line in lines if line[0] != "-")
        deleted = sum(int(line[1]) for line in lines if line[1] != "-")
        return commits, added, deleted, len(lines)

    async def commit(
        self,
        directory: Path,
        branch: str,
        files: Mapping[str, FileContent],
        *,
        message: str,
        author: Account,
        when: datetime,
        parents: Sequence[str],
    ) -> None:
        """Write a commit with some files changed (None removes one) and put the branch there."""
        stream = b"".join(_fast_import(branch, files, message=message, author=author, when=when, parents=parents))
        await self.run(directory, "fast-import", "--quiet", "--force", stdin=stream)

    async def commit_tree(
        self,
        directory: Path,
        tree: str,
        *,
        message: str,
        author: Account,
        when: datetime,
        parents: Sequence[str],
    ) -> str:
        """Write a commit of an existing tree; no ref moves."""
        identity = {"NAME": author.name, "EMAIL": author.email, "DATE": f"{int(when.timestamp())} +0000"}
        extra = {f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in identity.items()}
        arguments = [argument for parent in parents for argument in ("-p", parent)]
        _, out = await self.run(directory, "commit-tree", tree, *arguments, stdin=message.encode(), extra=extra)
        return out.decode("ascii").strip()

    async def entry(self, directory: Path, commit: str, path: str) -> tuple[str, str, str] | None:
        """Mode, kind and id of the object at a path, None when there is none."""
        entries = [found async for found in self.entries(directory, commit, path)]
        return entries[0][:3] if entries else None

    async def entries(self, directory: Path, commit: str, path: str) -> AsyncIterator[tuple[str, str, str, str]]:
        """Mode, kind, id and path of what ``git ls-tree`` lists there."""
        where = ("--", path) if path else ()
        _, out = await self.run(directory, "--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, *where)
        for line in out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            facts, _, name = line.partition("\t")
            mode, kind, oid = facts.split(" ")
            yield mode, kind, oid, name

    async def blob(self, directory: Path, oid: str) -> bytes:
        """The content of a blob."""
        _, out = await self.run(directory, "cat-file", "blob", oid)
        return out


def _configure(file: Path, values: Mapping[str, str]) -> None:
    """Add settings to a repository's configuration file, in one go."""
    with file.open("a", encoding="utf-8") as config:
        for name, value in values.items():
            section, _, key = name.partition(".")
            config.write(f"[{section}]\n\t{key} = {value}\n")


def _absolute(path: Path) -> str:
    """A path that means the same from every directory."""
    return str(path.resolve())


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return b'"' + escaped.encode("utf-8", "surrogateescape") + b'"'


def _fast_import(
    branch: str,
    files: Mapping[str, FileContent],
    *,
    message: str,
    author: Account,
    when: datetime,
    parents: Sequence[str],
) -> list[bytes]:
    """The commands of ``git fast-import`` for one commit."""
    who = f"{author.name} <{author.email}> {int(when.timestamp())} +0000\n".encode()
    commands = [b"commit refs/heads/%s\n" % branch.encode(), b"author " + who, b"committer " + who]
    commands.append(_data(message.encode()))
    commands.extend(
        b"%s %s\n" % (b"merge" if position else b"from", parent.encode()) for position, parent in enumerate(parents)
    )
    for path, content in files.items():
        if content is None:
            commands.append(b"D " + _quoted(path) + b"\n")
            continue
        file = (
            content
            if isinstance(content, File)
            else File(content=content.encode() if isinstance(content, str) else content)
        )
        if file.mode == "160000":
            commands.append(b"M 160000 " + file.content + b" " + _quoted(path) + b"\n")
        else:
            commands.append(b"M " + file.mode.encode() + b" inline " + _quoted(path) + b"\n" + _data(file.content))
    return commands
