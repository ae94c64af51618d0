"""Working clones for the tests, as a person has them, made with the real git command."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bot.git.lab import environment


@dataclass(frozen=True, slots=True)
class Workshop:
    """A clone with a work tree; its branch is ``main``."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Workshop":
        path.mkdir(parents=True)
        shop = cls(path)
        shop.git("init", "--quiet", "--initial-branch=main", ".")
        return shop

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # the workshop's own git, with an argument list
            ["git", *arguments],  # noqa: S607 - the git on PATH is the one under test too
            cwd=self.path,
            env=environment(self.path) | {"GIT_EDITOR": "true"},
            capture_output=True,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def stops(self, *arguments: str) -> None:
        """A command that must end in a conflict."""
        assert self.run(*arguments).returncode != 0

    def put(self, files: Mapping[str, str | bytes | None]) -> None:
        for name, content in files.items():
            place = self.path / name
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "work") -> str:
        self.put(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def state(self) -> dict[str, bytes]:
        """Everything in the clone but its objects: what a look at it must not change."""
        files = (file for file in self.path.rglob("*") if file.is_file() and not file.is_symlink())
        return {
            name: file.read_bytes()
            for file in files
            if not (name := file.relative_to(self.path).as_posix()).startswith(".git/objects/")
        }

    def objects(self) -> set[str]:
        lines = self.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").splitlines()
        return set(lines)
