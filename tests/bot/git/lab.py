"""Repositories for the tests, made with the real git command."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.git.adapter import GitMirrors
from bot.model.forge import ForgeKind, GitAccess, RepositoryRef

REPOSITORY = RepositoryRef(forge=ForgeKind.GITHUB, id=7, owner="acme", name="shop", installation_id=1)
OURS, THEIRS, BASE = "refs/heads/ours", "refs/heads/theirs", "refs/heads/base"

Content = str | bytes | tuple[str, str | bytes]
Files = Mapping[str, Content]


def numbered(count: int = 30, **changed: str) -> str:
    """Numbered lines, some of them changed: ``numbered(n3="new")``."""
    return "".join(f"{changed.get(f'n{number}', f'line {number}')}\n" for number in range(count))


def environment(home: Path) -> dict[str, str]:
    when = "1700000000 +0000"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{who}_{what}": "lab@example.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_DATE": when,
    }


@dataclass(frozen=True, slots=True)
class Remote:
    """A bare repository that plays the forge."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Remote":
        remote = cls(path)
        path.mkdir(parents=True)
        remote.git("init", "--quiet", "--bare", ".")
        return remote

    @property
    def access(self) -> GitAccess:
        return GitAccess(url=f"file://{self.path}", authorization="")

    def git(self, *arguments: str, stdin: bytes = b"", index: str = "index") -> bytes:
        extra = {"GIT_DIR": str(self.path), "GIT_INDEX_FILE": str(self.path / index)}
        done = subprocess.run(  # the lab's own git, with an argument list
            ["git", *arguments],  # noqa: S607 - the git on PATH is the one under test too
            cwd=self.path,
            env=environment(self.path) | extra,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def text(self, *arguments: str, stdin: bytes = b"") -> str:
        return self.git(*arguments, stdin=stdin).decode().strip()

    def blob(self, content: str | bytes) -> str:
        data = content.encode() if isinstance(content, str) else content
        return self.text("hash-object", "-w", "--stdin", stdin=data)

    def tree(self, files: Files) -> str:
        lines = []
        for path, given in files.items():
            mode, content = given if isinstance(given, tuple) else ("100644", given)
            oid = str(content) if mode == "160000" else self.blob(content)
            lines.append(f"{mode} {oid}\t{path}\0".encode("utf-8", "surrogateescape"))
        self.git("read-tree", "--empty")
        self.git("update-index", "-z", "--index-info", stdin=b"".join(lines))
        return self.text("write-tree")

    def raw_tree(self, *entries: tuple[str, bytes, str]) -> str:
        """A tree that no git command would write."""
        data = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        return self.text("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=data)

    def commit_tree(self, tree: str, *parents: str, message: str = "work") -> str:
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.text("commit-tree", tree, *flags, "-F", "-", stdin=message.encode())

    def commit(self, files: Files, *parents: str, message: str = "work", ref: str | None = None) -> str:
        commit = self.commit_tree(self.tree(files), *parents, message=message)
        if ref is not None:
            self.set(ref, commit)
        return commit

    def set(self, ref: str, commit: str | None) -> None:
        self.git("update-ref", *(["-d", ref] if commit is None else [ref, commit]))

    def at(self, ref: str) -> str | None:
        return self.refs().get(ref)

    def refs(self) -> dict[str, str]:
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return {name: oid for name, _, oid in (line.partition(" ") for line in lines)}

    def sides(self, base: Files, ours: Files, theirs: Files) -> tuple[str, str]:
        """A fork: both sides on top of base, on their branches."""
        root = self.commit(base, message="base", ref=BASE)
        return (
            self.commit(ours, root, message="ours", ref=OURS),
            self.commit(theirs, root, message="theirs", ref=THEIRS),
        )


async def fetched(git: GitMirrors, remote: Remote, *refs: str) -> dict[str, str]:
    """The refs (by default all) in the mirror."""
    return dict(await git.fetch(REPOSITORY, remote.access, refs or list(remote.refs())))
