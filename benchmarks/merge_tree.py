"""How long a verdict takes on a repository with 100,000 commits, and how much of that is git's own merge.

Run ``python -m benchmarks.merge_tree [--commits N] [--files N] [--pairs N] [--repository DIR] [--json]``. It makes the
repository (always the same one; two minutes; ``--repository`` keeps it for the next run), fetches it into a mirror and
asks for verdicts on pairs of commits that forked 1 to 50,000 commits ago, half of them in conflict, from all over the
history: a worker that has seen the neighbours of a commit already (``again``) has less to read. Milliseconds; the plain
merge is the same ``git merge-tree`` with the same environment and nothing around it, and both take turns.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

if __package__ in {None, ""}:  # started by its path, not as a module
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bot.git.adapter import GitMirrors
from bot.git.process import GitCommand
from bot.model.conflicts import ConflictedMerge, ImpossibleMerge
from bot.model.forge import ForgeKind, GitAccess, RepositoryRef

REPOSITORY: Final = RepositoryRef(forge=ForgeKind.GITHUB, id=1, owner="bench", name="large", installation_id=1)
DISTANCES: Final = (1, 10, 100, 1_000, 10_000, 50_000)

_LINES: Final = 40
_MAIN_LINES: Final = 30
"""Main edits the first lines of a file; a branch that is not to conflict edits one of the others."""

_PER_DIRECTORY: Final = 50
_RENAME_EVERY: Final = 400
_BRANCH_COMMITS: Final = 5


@dataclass(slots=True)
class File:
    """One file on the main line: where it is, and its lines."""

    path: str
    lines: list[str]

    @property
    def text(self) -> str:
        """The whole content."""
        return "".join(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One line of one file, changed by a commit of the main line."""

    number: int
    line: int


def stream(commits: int, files: int, pairs: int) -> Iterator[str]:
    """The input of ``git fast-import``: a main line and, for each pair, a branch that left it some commits ago."""
    random = Random(20261123)  # noqa: S311 - the same repository every time
    tree = [_file(random, number) for number in range(files)]
    yield from _commit("refs/heads/main", 0, [(file.path, file.text) for file in tree], mark=_mark(0))
    edits = [Edit(number=random.randrange(files), line=random.randrange(_MAIN_LINES)) for _ in range(commits)]
    forks = _forks(commits, pairs)
    for place, edit in enumerate(edits[1:], start=1):
        for pair, distance in forks.get(place - 1, ()):
            target = edits[place + random.randrange(distance)] if pair % 2 else None
            yield from _branch(random, tree, pair, place - 1, target)
        yield from _advance(tree, place, edit)
    for place, leaving in forks.items():
        for pair, distance in leaving:
            yield f"reset refs/heads/theirs/{pair}\nfrom :{_mark(place + distance)}\n\n"


def _file(random: Random, number: int) -> File:
    path = f"area{number // _PER_DIRECTORY % 20}/part{number // _PER_DIRECTORY}/file{number}.txt"
    return File(path, [f"{number} {line} {random.randrange(10**9)}\n" for line in range(_LINES)])


def _forks(commits: int, pairs: int) -> dict[int, list[tuple[int, int]]]:
    """For each commit of the main line the pairs that fork there, with the number of commits they are apart."""
    random = Random(7)  # noqa: S311
    forks: dict[int, list[tuple[int, int]]] = {}
    possible = [distance for distance in DISTANCES if distance < commits * 3 // 4]
    for pair in range(pairs):
        distance = possible[pair // 2 % len(possible)]
        forks.setdefault(random.randrange(1, commits - distance), []).append((pair, distance))
    return forks


def _mark(place: int) -> int:
    return place + 1


def _commit(
    ref: str, when: int, files: Sequence[tuple[str, str]], *, mark: int | None = None, above: str = ""
) -> Iterator[str]:
    """``when`` is in minutes: clocks go as they should, for git walks back in the order of time."""
    named = f"mark :{mark}\n" if mark else ""
    date = 1_600_000_000 + when * 60
    yield f"commit {ref}\n{named}committer bench <bench@invalid> {date} +0000\ndata 4\nwork\n{above}"
    for path, text in files:
        yield f"M 100644 inline {path}\ndata {len(text)}\n{text}\n"


def _advance(tree: list[File], place: int, edit: Edit) -> Iterator[str]:
    """The next commit of the main line: one line of a file, and now and then a new name for it."""
    file = tree[edit.number]
    file.lines[edit.line] = f"main {place}\n"
    renamed = ""
    if place % _RENAME_EVERY == 0:
        path = f"{file.path.removesuffix('.txt').partition('-')[0]}-{place}.txt"
        renamed = f"R {file.path} {path}\n"
        file.path = path
    yield from _commit("refs/heads/main", place, [(file.path, file.text)], mark=_mark(place), above=renamed)


def _branch(random: Random, tree: list[File], pair: int, place: int, target: Edit | None) -> Iterator[str]:
    """A branch of a few commits from the main line as it is; with a target, one of them edits the very line."""
    ref = f"refs/heads/ours/{pair}"
    for step in range(_BRANCH_COMMITS):
        edit = target if target is not None and step == 0 else None
        number = edit.number if edit else random.randrange(len(tree))
        line = edit.line if edit else random.randrange(_MAIN_LINES + 2, _LINES)
        lines = list(tree[number].lines)
        lines[line] = f"branch {pair}\n"
        above = f"from :{_mark(place)}\n" if step == 0 else ""
        yield from _commit(ref, place + step, [(tree[number].path, "".join(lines))], above=above)


def make(path: Path, *, commits: int, files: int, pairs: int) -> None:
    """Make the repository unless it is there."""
    if (path / "HEAD").exists():
        return
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", "--bare", "."], cwd=path, check=True)  # noqa: S607
    command = ["git", "fast-import", "--quiet", "--force"]
    with subprocess.Popen(command, cwd=path, stdin=subprocess.PIPE) as importing:
        if importing.stdin is None:
            raise RuntimeError("fast-import was started without a pipe")
        for text in stream(commits, files, pairs):
            importing.stdin.write(text.encode())
        importing.stdin.close()
    if importing.returncode != 0:
        raise RuntimeError("git fast-import failed")


async def measure(repository: Path, pairs: int) -> dict[str, Any]:
    """Verdicts on all pairs, from a mirror that has just been fetched."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        git = GitMirrors(root, allow_file=True, timeout_seconds=600)
        names = [f"refs/heads/{side}/{pair}" for pair in range(pairs) for side in ("ours", "theirs")]
        refs = await git.fetch(REPOSITORY, GitAccess(url=f"file://{repository}", authorization=""), names)
        mirror = root / REPOSITORY.forge / f"{REPOSITORY.id}.git"
        command = GitCommand(git="git", home=root / "home", timeout_seconds=600)
        verdicts, ours, again, plain = [], [], [], []
        for pair in range(pairs):
            sides = [refs[f"refs/heads/{side}/{pair}"] for side in ("ours", "theirs")]
            # Whoever comes first finds the pack's pages unread.
            for first in (pair % 2 == 0, pair % 2 != 0):
                started = time.perf_counter()
                if first:
                    verdicts.append(await git.merge(REPOSITORY, ours=sides[0], theirs=sides[1]))
                    ours.append((time.perf_counter() - started) * 1000)
                    started = time.perf_counter()
                    await git.merge(REPOSITORY, ours=sides[0], theirs=sides[1])
                    again.append((time.perf_counter() - started) * 1000)
                else:
                    await command.run(mirror, "merge-tree", "--write-tree", "-z", "--messages", *sides)
                    plain.append((time.perf_counter() - started) * 1000)
    return {
        "schema": 1,
        "pairs": pairs,
        "conflicted": sum(isinstance(verdict, ConflictedMerge) for verdict in verdicts),
        "impossible": sum(isinstance(verdict, ImpossibleMerge) for verdict in verdicts),
        "verdict_ms": _percentiles(ours),
        "verdict_again_ms": _percentiles(again),
        "plain_merge_tree_ms": _percentiles(plain),
        "share_of_plain_merge_tree": round(sum(plain) / sum(ours), 3),
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {
        "p50": round(cuts[49], 1),
        "p95": round(cuts[94], 1),
        "p99": round(cuts[98], 1),
        "max": round(max(values), 1),
    }


def _shown(found: dict[str, Any]) -> str:
    lines = [f"{found['pairs']} merges, {found['conflicted']} in conflict, {found['impossible']} impossible"]
    lines += [
        f"  {name:<20} " + "  ".join(f"{key} {value:>8}" for key, value in found[name].items())
        for name in ("verdict_ms", "verdict_again_ms", "plain_merge_tree_ms")
    ]
    lines.append(f"  of all the time, {found['share_of_plain_merge_tree']:.0%} is what plain git merge-tree takes")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Make, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--repository", type=Path, help="where to keep the repository; it must be of the same options")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        repository: Path = (options.repository or Path(directory) / "large.git").absolute()
        make(repository, commits=options.commits, files=options.files, pairs=options.pairs)
        found = asyncio.run(measure(repository, options.pairs))
    found |= {"commits": options.commits, "files": options.files}
    sys.stdout.write((json.dumps(found, indent=1) if options.json else _shown(found)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
