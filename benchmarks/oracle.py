"""An oracle model, which answers with the person's resolution, through the whole service: what lands, byte for byte.

Every content and add/add row of the corpus becomes a repository of the simulated forge with a pull request in
conflict. Somebody comments ``/flowforge resolve``; webhook, worker, git, model gateway, Claude Code (or the direct
call), gate and push of the proposal's branch are the real ones. The rules are off: every hunk is the model's.

    python -m benchmarks.oracle [--files FILE] [--direct] [--limit N] [--json]

A row counts as *same* when the proposal holds exactly the person's bytes, as *gate* when a check kept it from being
proposed (named), as *open* when it was left to people before (named), and as *different* when something else was
proposed, which must not happen.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Final

from app.demo.model.direct import OnDirect, nothing_decided
from app.demo.model.replies import Script
from app.demo.model.resolver import HonestResolver
from app.demo.simulator.state import Repository, Role
from app.demo.stage import Stage, open_stage
from app.telemetry import configure_logging
from benchmarks.corpus import CORPUS, FileRow, case_of_file, read_files
from bot.merge.markers import align
from bot.model.conflicts import ConflictKind, Side
from bot.model.forge import ForgeKind, RepositoryRef
from bot.model.jobs import TERMINAL, Job, JobState
from bot.model.resolutions import GateVerdict

_ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{f"GIT_{who}_NAME": "corpus" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "corpus@example.invalid" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "1700000000 +0000" for who in ("AUTHOR", "COMMITTER")},
}
_LOOK_SECONDS: Final = 0.05
_JOB_SECONDS: Final = 90.0
_ROWS_OF_ONE_OWNER: Final = 40
"""The forge limits the requests of each installation in an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one row: ``same``, ``gate``, ``open`` or ``different``, which check or rule said so, and how."""

    row: str
    path: str
    what: str
    why: str
    words: str
    seconds: float
    model_calls: int


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, default=CORPUS / "files.jsonl.gz")
    parser.add_argument("--direct", action="store_true", help="by direct calls where they are small enough")
    parser.add_argument("--limit", type=int, help="so many rows only")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    configure_logging("CRITICAL")
    rows = list(islice(rows_of(options.files), options.limit))
    outcomes = asyncio.run(_play(rows, direct=options.direct))
    document = _document(outcomes, direct=options.direct)
    sys.stdout.write((json.dumps(document, indent=2) if options.json else _table(document)) + "\n")
    sys.exit(1 if document["different"] else 0)


def rows_of(path: Path) -> Iterator[FileRow]:
    """The rows with texts that conflict and a person's text for them."""
    for row in read_files(path):
        text = row.kind in {ConflictKind.CONTENT, ConflictKind.ADD_ADD} and not row.binary
        if text and row.resolved is not None and row.ours is not None and row.theirs is not None:
            yield row


async def _play(rows: list[FileRow], *, direct: bool) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="flowforge-oracle-") as directory:
        place = Path(directory)
        overrides: dict[str, object] = {"direct_calls": direct}
        async with open_stage(place / "stage", script=HonestResolver(), overrides=overrides) as stage:
            outcomes = []
            for number, row in enumerate(rows):
                outcomes.append(await play_row(stage, row, place / f"row-{number}", number))
                last = outcomes[-1]
                sys.stderr.write(f"{number + 1} of {len(rows)}: {last.row} {last.what} {last.why}\n")
            return outcomes


async def play_row(stage: Stage, row: FileRow, source: Path, number: int) -> Outcome:
    """Play one row in a repository of its own, which is made in ``source``."""
    await asyncio.to_thread(_materialise, row, source)
    people = stage.forge.people
    author, maintainer = people.user("robin"), people.user("maintainer")
    repository = await people.repository_from(
        f"corpus-{number // _ROWS_OF_ONE_OWNER}/row-{number}",
        source,
        {"main": "refs/heads/theirs", "feature": "refs/heads/ours"},
        roles={author: Role.WRITE, maintainer: Role.MAINTAIN},
    )
    pull = await people.open_pull_request(repository, author=author, head="feature", title="A pull request")
    if stage.scripted is None:
        raise AssertionError  # a script was given, so the model is scripted
    stage.scripted.script = _oracle(row)
    began = perf_counter()
    people.comment(pull, maintainer, "/flowforge resolve")
    job = await _ended(stage, repository, pull.number)
    seconds = perf_counter() - began
    what, why, words = await _judge(stage, repository, job, row)
    calls = (await stage.instance.store.runs.usage(job.id)).model_calls
    return Outcome(row=row.id, path=row.path, what=what, why=why, words=words, seconds=seconds, model_calls=calls)


def _oracle(row: FileRow) -> Script:
    """The model that knows the person's text. A direct call has no words for what changed outside of the hunks."""
    resolved = row.resolved or b""
    model = HonestResolver(answers={row.path: resolved.decode("utf-8", "replace")})
    case = case_of_file(row)
    within = case is not None and align(case.marked, resolved) is not None
    return model if within else OnDirect(nothing_decided, model)


async def _ended(stage: Stage, repository: Repository, number: int) -> Job:
    ref = RepositoryRef(
        forge=ForgeKind.GITHUB,
        id=repository.id,
        owner=repository.owner.login,
        name=repository.name,
        installation_id=0,
    )
    async with asyncio.timeout(_JOB_SECONDS):
        while True:
            job = await stage.instance.store.jobs.latest(ref, number)
            if job is not None and (job.state in TERMINAL or job.state is JobState.AWAITING_APPROVAL):
                return job
            await asyncio.sleep(_LOOK_SECONDS)


async def _judge(stage: Stage, repository: Repository, job: Job, row: FileRow) -> tuple[str, str, str]:
    proposals = stage.instance.store.proposals
    if job.state is JobState.AWAITING_APPROVAL:
        proposal = await proposals.of_job(job.id)
        commit = "" if proposal is None else proposal.commit
        shown = await asyncio.to_thread(_git, repository.directory, "cat-file", "blob", f"{commit}:{row.path}")
        return ("same", "", "") if shown == row.resolved else ("different", "", "")
    gate = await proposals.gate(job.id)
    bad = [] if gate is None else [one for one in gate.findings if one.verdict is not GateVerdict.PASS]
    if bad:
        return "gate", bad[0].check, " / ".join(one.message for one in bad)
    records = await proposals.conflicts(job.id)
    reasons = [reason for record in records for reason in record.reasons]
    return "open", job.rule or job.state.value, " / ".join([*reasons, job.message or ""])


def _materialise(row: FileRow, place: Path) -> None:
    """A bare repository with the branches ``ours`` and ``theirs`` that conflict as the row says."""
    config = "version: 1\nbudget_usd: 10\nresolvers: {rules: false, recorded: false, structural: false}\n"
    place.mkdir()
    _git(place, "init", "-q", "--bare")
    settings = _git(place, "hash-object", "-w", "--stdin", given=config.encode()).decode().strip()

    def commit(text: bytes | None, side: Side, *parents: str) -> str:
        lines = [f"100644 {settings}\t.flowforge.yml\0"]
        if text is not None:
            blob = _git(place, "hash-object", "-w", "--stdin", "--no-filters", given=text).decode().strip()
            mode = row.stages[side].mode if side in row.stages else "100644"
            lines.append(f"{mode} {blob}\t{row.path}\0")
        _git(place, "read-tree", "--empty")
        _git(place, "update-index", "-z", "--index-info", given="".join(lines).encode())
        tree = _git(place, "write-tree").decode().strip()
        above = [word for parent in parents for word in ("-p", parent)]
        return _git(place, "commit-tree", tree, *above, "-m", f"{side} of {row.merge}").decode().strip()

    base = commit(row.base, Side.ANCESTOR)
    _git(place, "update-ref", "refs/heads/ours", commit(row.ours, Side.OURS, base))
    _git(place, "update-ref", "refs/heads/theirs", commit(row.theirs, Side.THEIRS, base))


def _git(place: Path, *arguments: str, given: bytes = b"") -> bytes:
    command = ["git", "-C", str(place), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=True, env=_ENVIRONMENT)
    return done.stdout


def _document(outcomes: list[Outcome], *, direct: bool) -> dict[str, object]:
    count = Counter(one.what for one in outcomes)
    times = sorted(one.seconds for one in outcomes)
    return {
        "rows": len(outcomes),
        "by": "direct calls where small, else the agent" if direct else "the agent",
        **{what: count[what] for what in ("same", "gate", "open", "different")},
        "gate_checks": dict(Counter(one.why for one in outcomes if one.what == "gate").most_common()),
        "open_rules": dict(Counter(one.why for one in outcomes if one.what == "open").most_common()),
        "not_same": [f"{one.row} {one.path}: {one.what} {one.why}: {one.words}" for one in outcomes if one.words],
        "different_rows": [one.row for one in outcomes if one.what == "different"],
        "seconds": {"median": round(times[len(times) // 2], 2), "longest": round(times[-1], 2)} if times else {},
        "model_calls": dict(sorted(Counter(one.model_calls for one in outcomes).items())),
    }


def _table(document: dict[str, object]) -> str:
    return "\n".join(f"{name:16} {value}" for name, value in document.items())


if __name__ == "__main__":
    main()
