"""One push to a base branch, N open pull requests: which of them conflict now? Five ways, in one run.

Run ``python -m benchmarks.conflict_watch [--pulls 10,100,1000] [--files N] [--commits N] [--pushes N] [--json]``. The
history is made by ``git fast-import``, always the same one: a main line of several thousand commits over a tree of
several thousand files, with renames of files and directories, 20 popular files that get every tenth edit, and
pull requests that forked from its last 400 commits, change 1 to 12 files each, rename some, and have merged the base in
every fifth case. Then the base moves, a few commits at a time.

* ``pruned``: as the service does it, rows in SQLite included. *Cold*: nothing is known. *Warm*: the verdicts and
  footprints for the base before the push are; ``own`` leaves out the seconds in which a git process was at work, and
  ``cpu`` are the processor's seconds of this process, which count the same on a busy machine.
* ``batch``: one ``git merge-tree --stdin`` over all pull requests.
* ``process``: one ``git merge-tree`` process for each.
* ``worktree``: ``git reset`` and ``git merge`` in a work tree for each; on a sample of them, scaled up.

All verdicts of pruned and batch are compared with those of single processes. Times are medians over the pushes.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

if __package__ in {None, ""}:  # started by its path, not as a module
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from app.store.database import SqlStore
from app.store.migrate import upgrade
from app.system import SystemClock, SystemIds
from bot.git.adapter import GitMirrors
from bot.git.batch import GitBatch
from bot.git.process import Completed, GitCommand
from bot.handlers.watch import compare
from bot.model.forge import ForgeKind, GitAccess, RepositoryRef
from bot.model.watch import MergeState, Pair, SeenPull, WatchVerdict

REPOSITORY: Final = RepositoryRef(forge=ForgeKind.GITHUB, id=1, owner="bench", name="watched", installation_id=1)

_LINES: Final = 40
_POPULAR: Final = 20
_RECENT: Final = 400
_PER_PUSH: Final = 3
_PULL_MARK: Final = 10_000_000
_SAMPLE: Final = 20
"""Pull requests that are merged in a work tree; the rest takes as long."""


@dataclass(slots=True)
class Project:
    """The main line as it grows."""

    random: Random
    files: dict[str, list[str]]
    popular: Sequence[str]

    def pick(self) -> str:
        """A file, sometimes a popular one."""
        often = self.random.random() < 0.1  # noqa: PLR2004
        return self.random.choice(self.popular if often else sorted(self.files))

    def edited(self, path: str, word: str) -> str:
        """The text of a file with one line changed."""
        lines = list(self.files[path])
        lines[self.random.randrange(len(lines))] = f"{word}\n"
        return "".join(lines)


Change = tuple[str, str | None]
"""A path and its new text; None where it goes."""


def stream(*, files: int, commits: int, pulls: int, pushes: int) -> Iterator[str]:
    """The input of ``git fast-import``: the main line, pull requests, and the pushes that come afterwards."""
    random = Random(20261123)  # noqa: S311 - the same history every time
    start = {f"area{n % 40}/part{n % 160}/file{n}.py": _text(random, n) for n in range(files)}
    project = Project(random, start, [f"popular/file{number}.py" for number in range(_POPULAR)])
    project.files |= {path: _text(random, number) for number, path in enumerate(project.popular)}
    yield from _commit("refs/heads/main", 0, [(path, "".join(lines)) for path, lines in project.files.items()], mark=1)
    forks: dict[int, list[int]] = {}
    for pull in range(pulls):
        forks.setdefault(commits - 1 - random.randrange(min(_RECENT, commits - 1)), []).append(pull)
    open_pulls: list[int] = []
    for place in range(1, commits + pushes * _PER_PUSH):
        late = place >= commits
        ref = f"refs/heads/push/{(place - commits) // _PER_PUSH}" if late else "refs/heads/main"
        yield from _commit(ref, place, _advance(project, place), mark=place + 1, above=f"from :{place}\n")
        for pull in forks.get(place, ()):
            yield from _pull(project, pull, place)
            open_pulls.append(pull)
        if place == commits - _RECENT // 4:
            for pull in open_pulls[::5]:
                yield from _joined(project, pull, place)


def _text(random: Random, number: int) -> list[str]:
    return [f"{number} {line} {random.randrange(10**9)}\n" for line in range(_LINES)]


def _advance(project: Project, place: int) -> list[Change]:
    """A commit of the main line: one to four files, now and then a new name, rarely a directory's."""
    changes: dict[str, str | None] = {}
    for _ in range(project.random.randrange(1, 5)):
        path = project.pick()
        changes[path] = project.edited(path, f"main {place}")
    if place % 40 == 0:
        changes |= _moved(project, [project.random.choice(sorted(project.files))], place, changes)
    if place % 150 == 0:
        directory = project.random.choice(sorted(project.files)).rpartition("/")[0]
        inside = [path for path in project.files if path.startswith(f"{directory}/")]
        changes |= _moved(project, inside, place, changes)
    for path, text in changes.items():
        if text is None:
            project.files.pop(path, None)
        else:
            project.files[path] = text.splitlines(keepends=True)
    return list(changes.items())


def _moved(project: Project, paths: Sequence[str], place: int, changes: dict[str, str | None]) -> dict[str, str | None]:
    moved: dict[str, str | None] = {}
    for path in paths:
        if path in project.popular:
            continue
        directory, _, name = path.rpartition("/")
        moved[path] = None
        moved[f"{directory.partition('-')[0]}-{place}/{name}"] = changes.get(path) or "".join(project.files[path])
    return moved


def _pull(project: Project, pull: int, place: int) -> Iterator[str]:
    changes: dict[str, str | None] = {}
    for _ in range(project.random.choice((1, 1, 2, 2, 3, 4, 6, 12))):
        path = project.pick()
        changes[path] = project.edited(path, f"pull {pull}")
    if pull % 7 == 0:
        changes |= _moved(project, [project.random.choice(sorted(project.files))], 10**6 + pull, changes)
    if pull % 3 == 0:
        changes[f"area{pull % 40}/part{pull % 160}/new{pull}.py"] = f"pull {pull}\n" * 5
    mark = _PULL_MARK + pull
    above = f"from :{place + 1}\n"
    yield from _commit(f"refs/pull/{pull + 1}/head", place, list(changes.items()), mark=mark, above=above)


def _joined(project: Project, pull: int, place: int) -> Iterator[str]:
    """The author merged the base, and changed something again."""
    path = project.pick()
    above = f"from :{place + 1}\nmerge :{_PULL_MARK + pull}\n"
    yield from _commit(
        f"refs/pull/{pull + 1}/head", place, [(path, project.edited(path, f"joined {pull}"))], above=above
    )


def _when(place: int) -> int:
    return 1_600_000_000 + place * 60


def _commit(
    ref: str, place: int, changes: Sequence[Change], *, mark: int | None = None, above: str = ""
) -> Iterator[str]:
    named = f"mark :{mark}\n" if mark else ""
    yield f"commit {ref}\n{named}committer bench <bench@invalid> {_when(place)} +0000\ndata 4\nwork\n{above}"
    for path, text in changes:
        yield f"D {path}\n" if text is None else f"M 100644 inline {path}\ndata {len(text)}\n{text}\n"


def make(path: Path, lines: Iterator[str]) -> None:
    """Make the repository that plays the forge."""
    subprocess.run(["git", "init", "--quiet", "--bare", str(path)], check=True)  # noqa: S607
    command = ["git", "fast-import", "--quiet", "--force"]
    with subprocess.Popen(command, cwd=path, stdin=subprocess.PIPE) as importing:
        if importing.stdin is None:
            raise RuntimeError("fast-import was started without a pipe")
        for text in lines:
            importing.stdin.write(text.encode())
        importing.stdin.close()
    if importing.returncode != 0:
        raise RuntimeError("git fast-import failed")


class TimedCommand(GitCommand):
    """Counts the seconds in which at least one git process was at work."""

    seconds = 0.0
    running = 0
    since = 0.0

    async def run(self, git_dir: Path, *arguments: str, **options: Any) -> Completed:
        """As the service runs git."""
        if not self.running:
            self.since = time.perf_counter()
        self.running += 1
        try:
            return await super().run(git_dir, *arguments, **options)
        finally:
            self.running -= 1
            if not self.running:
                self.seconds += time.perf_counter() - self.since


class TimedBatch(GitBatch):
    """Knows how long git worked, and how many pairs it was asked about."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, timeout_seconds=600)
        self.timed = TimedCommand(git="git", home=root / "home", timeout_seconds=600, offline=True)
        self._command = self.timed
        self.asked = 0

    async def judge(self, repository: RepositoryRef, pairs: Sequence[Pair], *, seconds: float) -> list[WatchVerdict]:
        """As the service asks; counted."""
        found = await super().judge(repository, pairs, seconds=seconds)
        self.asked += len(found)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A fetched mirror, a database, and what is at the refs."""

    root: Path
    mirror: Path
    forge: Path
    command: GitCommand
    refs: dict[str, str]

    def heads(self, count: int) -> dict[int, str]:
        """The heads of the first pull requests."""
        return {number: self.refs[f"refs/pull/{number}/head"] for number in range(1, count + 1)}


async def pruned(bench: Bench, heads: dict[int, str], bases: Sequence[str]) -> dict[str, Any]:
    """Cold on the first base, then warm from push to push."""
    url = f"sqlite:///{bench.root}/{len(heads)}.db"
    await upgrade(url)
    clock = SystemClock()
    store = SqlStore.open(url, clock, SystemIds())
    batch = TimedBatch(bench.root / "mirrors")
    seen = [
        SeenPull(number=number, open=True, base_ref="main", base_sha=bases[0], head_sha=head, updated_at=clock.now())
        for number, head in heads.items()
    ]
    await store.watch.listed(REPOSITORY, seen)
    walls, owns, cpus, asked, states = [], [], [], [], []
    for base in bases:
        batch.timed.seconds, batch.asked = 0.0, 0
        started, cpu = time.perf_counter(), time.process_time()
        finished = await compare(store, batch, REPOSITORY, "main", base=base, heads=heads, seconds=3600)
        wall = time.perf_counter() - started
        cpus.append(time.process_time() - cpu)
        if not finished:
            raise RuntimeError("the comparison did not come to its end")
        pulls = await store.watch.open_pulls(REPOSITORY, "main")
        states.append({pull.number: pull.state for pull in pulls if pull.base_sha == base})
        walls.append(wall)
        owns.append(wall - batch.timed.seconds)
        asked.append(batch.asked)
    await store.close()
    return {
        "cold": walls[0],
        "warm": statistics.median(walls[1:]),
        "warm_worst": max(walls[1:]),
        "own": statistics.median(owns[1:]),
        "own_worst": max(owns[1:]),
        "cpu": statistics.median(cpus[1:]),
        "asked": statistics.median(asked[1:]),
        "asked_most": max(asked[1:]),
        "states": states,
    }


async def batched(bench: Bench, heads: dict[int, str], base: str) -> dict[int, MergeState]:
    """Everything through ``--stdin``."""
    batch = GitBatch(bench.root / "mirrors", timeout_seconds=600)
    pairs = [Pair(base_sha=base, head_sha=head) for head in heads.values()]
    verdicts = await batch.judge(REPOSITORY, pairs, seconds=3600)
    return {number: verdict.state for number, verdict in zip(heads, verdicts, strict=True)}


async def one_by_one(bench: Bench, heads: dict[int, str], base: str) -> dict[int, MergeState]:
    """A process for each."""
    states = {0: MergeState.CLEAN, 1: MergeState.CONFLICT}
    found = {}
    for number, head in heads.items():
        done = await bench.command.run(bench.mirror, "merge-tree", "--write-tree", "-z", "--name-only", head, base)
        found[number] = states.get(done.status, MergeState.IMPOSSIBLE)
    return found


async def in_worktree(bench: Bench, heads: dict[int, str], base: str) -> dict[int, MergeState]:
    """What bots do: reset a work tree to the head, and merge."""
    tree = bench.root / "worktree"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(bench.mirror), str(tree)], check=True)  # noqa: ASYNC221, S607
    config = ["-c", "user.name=bench", "-c", "user.email=bench@invalid", "-c", "merge.directoryRenames=conflict"]
    config += ["-c", "merge.renameLimit=7000", "-c", "gc.auto=0"]
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    found = {}
    for number, head in heads.items():
        for arguments in (["reset", "--quiet", "--hard", head], ["merge", "--quiet", "--no-ff", "-m", "work", base]):
            done = subprocess.run(  # noqa: ASYNC221 - nothing else is to run meanwhile
                ["git", *config, *arguments],  # noqa: S607
                cwd=tree,
                env=environment,
                capture_output=True,
                check=False,
            )
        found[number] = MergeState.CONFLICT if done.returncode else MergeState.CLEAN
    return found


Way = Callable[[Bench, dict[int, str], str], Coroutine[Any, Any, dict[int, MergeState]]]


async def timed(way: Way, bench: Bench, heads: dict[int, str], base: str) -> tuple[float, dict[int, MergeState]]:
    """Seconds and verdicts."""
    started = time.perf_counter()
    found = await way(bench, heads, base)
    return time.perf_counter() - started, found


async def measure(bench: Bench, count: int, bases: Sequence[str]) -> dict[str, Any]:
    """All ways on so many pull requests."""
    heads = bench.heads(count)
    found = await pruned(bench, heads, bases)
    truth = [await timed(one_by_one, bench, heads, base) for base in bases]
    batch = [await timed(batched, bench, heads, base) for base in bases]
    few = dict(list(heads.items())[:_SAMPLE])
    worktree, by_worktree = await timed(in_worktree, bench, few, bases[-1])
    states = found.pop("states")
    differing = sum(
        one[number] is not two[number]
        for (_, one), mine, (_, other) in zip(truth, states, batch, strict=True)
        for two in (mine, other)
        for number in one
    )
    last = truth[-1][1]
    return {
        "pulls": count,
        **{name: round(value, 4) for name, value in found.items()},
        "batch": round(statistics.median(seconds for seconds, _ in batch), 4),
        "process": round(statistics.median(seconds for seconds, _ in truth), 4),
        "worktree": round(worktree * count / len(few), 4),
        "conflicts": sum(state is MergeState.CONFLICT for state in last.values()),
        "verdicts_compared": len(heads) * len(bases) * 2,
        "verdicts_differing": differing,
        "worktree_differing": sum(by_worktree[number] is not last[number] for number in few),
    }


async def run(root: Path, options: argparse.Namespace, counts: Sequence[int]) -> dict[str, Any]:
    """Make, fetch, measure."""
    forge = root / "forge.git"
    lines = stream(files=options.files, commits=options.commits, pulls=max(counts), pushes=options.pushes)
    await asyncio.to_thread(make, forge, lines)
    git = GitMirrors(root / "mirrors", allow_file=True, timeout_seconds=600)
    pushes = [f"refs/heads/push/{number}" for number in range(options.pushes)]
    names = ["refs/heads/main", *pushes, *(f"refs/pull/{number}/head" for number in range(1, max(counts) + 1))]
    refs = dict(await git.fetch(REPOSITORY, GitAccess(url=f"file://{forge}", authorization=""), names))
    mirror = root / "mirrors" / REPOSITORY.forge / f"{REPOSITORY.id}.git"
    command = GitCommand(git="git", home=root / "mirrors" / "home", timeout_seconds=600, offline=True)
    bench = Bench(root=root, mirror=mirror, forge=forge, command=command, refs=refs)
    bases = [refs["refs/heads/main"], *(refs[name] for name in pushes)]
    rows = [await measure(bench, count, bases) for count in counts]
    most, least = rows[-1], rows[0]
    names = ["cold", "warm", "own", "cpu", "batch", "process", "worktree"]
    growth = {name: round(most[name] / max(least[name], 1e-9), 1) for name in names}
    return {
        "schema": 1,
        "history": {"commits": options.commits, "files": options.files, "pushes": options.pushes},
        "git": await GitBatch(root / "mirrors").version(),
        "rows": rows,
        "growth": growth,
    }


def _shown(found: dict[str, Any]) -> str:
    names = ["pulls", "cold", "warm", "own", "cpu", "batch", "process", "worktree", "asked", "asked_most", "conflicts"]
    lines = [f"{found['git']}; {found['history']}", "  ".join(f"{name:>10}" for name in names)]
    lines += ["  ".join(f"{row[name]:>10}" for name in names) for row in found["rows"]]
    lines.append(f"growth from the first row to the last: {found['growth']}")
    differing = sum(row["verdicts_differing"] for row in found["rows"])
    lines.append(
        f"verdicts: {sum(row['verdicts_compared'] for row in found['rows'])}, differing from git's: {differing}"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the exit status is 1 when a verdict differs from git's own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pulls", default="10,100,1000")
    parser.add_argument("--files", type=int, default=4_000)
    parser.add_argument("--commits", type=int, default=4_000)
    parser.add_argument("--pushes", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    counts = [int(part) for part in options.pulls.split(",")]
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(run(Path(directory), options, counts))
    sys.stdout.write((json.dumps(found, indent=1) if options.json else _shown(found)) + "\n")
    return int(any(row["verdicts_differing"] for row in found["rows"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
