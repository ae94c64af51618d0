"""What a conflict costs in calls of the model and bytes sent to it: rules, direct calls and agents, side by side.

Run ``.venv/bin/python -m benchmarks.direct [--json]``. Conflicts of our own making go through the real rules; what they
leave open is put to a scripted model that knows the answers, twice: in a direct call and by Claude Code in a sandbox,
both through the real gateway. Only the model is scripted, so bytes and calls are those of production, tokens are bytes
divided by four, and the answers say nothing about a model's skill.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from app.demo.model.resolver import HonestResolver
from app.gateway.prices import load_prices
from app.store.migrate import upgrade
from app.system import SystemIds
from bot.direct.client import AnthropicDirect
from bot.merge.markers import parse_marked, render
from bot.merge.remainder import remainder
from bot.model.cases import FileCase, FileProgress
from bot.model.conflicts import ConflictKind
from bot.model.direct import DirectLimits, DirectQuestion, DirectReply, MergeContext, ModelAccess
from bot.model.resolutions import SideTexts
from bot.model.runs import RunKind, RunOutcome
from bot.resolvers.chain import run_rules
from tests.app.demo.model.claude import merge_file
from tests.app.store.words import new_job
from tests.runners.bench import LIMITS, MODEL, Bench, open_bench

_ASKING: Final = DirectLimits(
    max_hunks=8, max_input_tokens=30_000, max_output_tokens=4_000, budget_usd=1.0, timeout_seconds=60.0
)
_CONTEXT: Final = MergeContext(
    title="Totals with tax",
    body="The shop shows prices with tax.",
    head="tax",
    base="main",
    ours_subjects=("Add tax to totals", "Test it"),
    theirs_subjects=("Round totals",),
    instructions="",
)
_SHOP: Final = """\
from shop.cart import add, clear

RATE = 0.2
LIMIT = 10


def total(cart):
    price = sum(item.price for item in cart)
    return price


def show(cart):
    print(total(cart))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A conflict of our own making, and its resolution."""

    name: str
    path: str
    ancestor: str
    ours: str
    theirs: str
    merged: str


def _sample(name: str, path: str, ancestor: str, *changes: tuple[str, str, str, str]) -> Sample:
    """Each change is the ancestor's text, and what ours, theirs and the resolution have in its place."""
    ours = theirs = merged = ancestor
    for old, our, their, both in changes:
        ours, theirs, merged = ours.replace(old, our), theirs.replace(old, their), merged.replace(old, both)
    return Sample(name=name, path=path, ancestor=ancestor, ours=ours, theirs=theirs, merged=merged)


_LARGE: Final = _SHOP + "".join(
    f"\n\ndef step_{number}(value):\n    return value + {number}\n" for number in range(300)
)
_RETURN: Final = (
    "    return price\n",
    "    return price * (1 + RATE)\n",
    "    return round(price, 2)\n",
    "    return round(price * (1 + RATE), 2)\n",
)
_SHOW: Final = (
    "    print(total(cart))\n",
    '    print("total:", total(cart))\n',
    "    print(total(cart), flush=True)\n",
    '    print("total:", total(cart), flush=True)\n',
)
_CHOICE: Final = ("LIMIT = 10\n", "LIMIT = 30\n", "LIMIT = 5\n", "LIMIT = 30\n")

SAMPLES: Final = (
    _sample(
        "white space on one side",
        "shop.js",
        "const rate = 0.2;\nconst price = sum(cart);\n",
        ("price = sum", "price  =  sum", "price = 1 + sum", "price = 1 + sum"),
    ),
    _sample("larger version", "setup.cfg", "name = shop\nneeds = 1.2.0\n", ("1.2.0", "1.3.0", "1.4.1", "1.4.1")),
    _sample(
        "two imports",
        "shop.py",
        _SHOP,
        ("add, clear\n", "add, clear, count\n", "add, clear, total\n", "add, clear, count, total\n"),
    ),
    _sample("one expression", "shop.py", _SHOP, _RETURN),
    _sample("a choice of value", "shop.py", _SHOP, _CHOICE),
    _sample("three hunks", "shop.py", _SHOP, _CHOICE, _RETURN, _SHOW),
    _sample("one hunk of a large file", "shop.py", _LARGE, _RETURN),
    _sample("prose", "README.md", "# Shop\n\nPrices are net.\n", ("net", "gross", "in euros", "gross, in euros")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Calls of the model, bytes of their bodies, and hunks that were answered."""

    calls: int = 0
    request_bytes: int = 0
    resolved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One conflict. ``direct`` and ``agent`` are what each of them costs for the hunks that rules left open."""

    name: str
    hunks: int
    by_rules: int
    direct: Cost
    agent: Cost


async def measured(bench: Bench, directory: Path, sample: Sample) -> Row:
    """Resolve one conflict by rules, and what is left by a direct call and by an agent."""
    sides = {side: getattr(sample, side).encode() for side in ("ancestor", "ours", "theirs")}
    content = merge_file(directory, base=sides["ancestor"], ours=sides["ours"], theirs=sides["theirs"])
    case = FileCase(
        path=sample.path,
        kind=ConflictKind.CONTENT,
        stages={},
        sides=SideTexts(**sides),
        marked=parse_marked(sample.path, content),
    )
    progress = await asyncio.to_thread(run_rules, case)
    answers = {sample.path: sample.merged}
    return Row(
        name=sample.name,
        hunks=len(case.marked.hunks),
        by_rules=len(progress.settled),
        direct=await _direct(bench, progress, answers) if progress.open else Cost(),
        agent=await _agent(bench, progress, answers) if progress.open else Cost(),
    )


async def _direct(bench: Bench, progress: FileProgress, answers: dict[str, str]) -> Cost:
    bench.model.script = HonestResolver(answers=answers)
    ids = SystemIds()
    run_id, token = ids.new_id(), ids.new_token()
    bench.tokens[run_id] = token
    await bench.store.runs.create(
        run_id=run_id,
        job=await new_job(bench.store, number=len(bench.tokens)),
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
        model=MODEL,
        limits=LIMITS,
        kind=RunKind.DIRECT,
    )
    question = DirectQuestion(model=MODEL, files=(progress,), context=_CONTEXT, limits=_ASKING)
    direct = AnthropicDirect(price=load_prices().price_of)
    reply = await direct.ask(question, ModelAccess(base_url=bench.gateway_url, api_key=token))
    await bench.store.runs.ended(run_id, RunOutcome.SUCCEEDED, detail="")
    if not isinstance(reply, DirectReply):
        return Cost()
    return Cost(
        calls=reply.usage.model_calls, request_bytes=sum(reply.usage.request_bytes), resolved=len(reply.answers)
    )


async def _agent(bench: Bench, progress: FileProgress, answers: dict[str, str]) -> Cost:
    left = remainder(progress.case.marked, {index: answer.content for index, answer in progress.settled.items()})
    ended = await bench.run(HonestResolver(answers=answers), {progress.case.path: render(left.marked)})
    usage = await bench.store.runs.usage(ended.run.job_id)
    resolved = sum(hunk.resolved for file in (ended.answer.files if ended.answer else ()) for hunk in file.hunks)
    return Cost(calls=usage.model_calls, request_bytes=sum(usage.request_bytes), resolved=resolved)


async def main() -> list[Row]:
    """Measure all samples."""
    logging.disable(logging.WARNING)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "runs").mkdir()
        url = f"sqlite:///{place / 'flowforge.db'}"
        await upgrade(url)
        async with open_bench(url, place / "runs", HonestResolver()) as bench:
            return [await measured(bench, place, sample) for sample in SAMPLES]


def document(rows: list[Row]) -> dict[str, object]:
    """The rows, the sums by who was asked, and their ratios, as plain values."""
    count = len(rows)
    sums = {name: _sum(costs) for name, costs in _columns(rows).items()}
    needed = _needed(rows)
    return {
        "schema": 1,
        "rows": [asdict(row) for row in rows],
        "conflicts": count,
        "needed": {name: {"count": found, "share": round(100 * found / count, 1)} for name, found in needed.items()},
        "per_conflict": {
            name: {"calls": round(cost.calls / count, 2), "request_bytes": round(cost.request_bytes / count)}
            for name, cost in sums.items()
        },
        "agent_to_direct": {
            "calls": round(sums["agent"].calls / max(1, sums["direct"].calls), 1),
            "request_bytes": round(sums["agent"].request_bytes / max(1, sums["direct"].request_bytes), 1),
        },
    }


def lines(rows: list[Row]) -> Iterator[str]:
    """A table, the sums per conflict, the ratios and the shares."""
    heads = (f"{'direct: calls, bytes':>22}", f"{'agent: calls, bytes':>22}")
    yield f"{'conflict':<26} {'hunks':>5} {'rules':>5}   {heads[0]}   {heads[1]}   ratio"
    for row in rows:
        yield (
            f"{row.name:<26} {row.hunks:>5} {row.by_rules:>5}   "
            f"{row.direct.calls:>9} {row.direct.request_bytes:>12}   "
            f"{row.agent.calls:>9} {row.agent.request_bytes:>12}   {_ratio(row.agent, row.direct):>5}"
        )
    for name, found in _needed(rows).items():
        yield f"{name:<26} {found} of {len(rows)} conflicts, {100 * found / len(rows):.1f} %"
    for name, costs in _columns(rows).items():
        cost = _sum(costs)
        each = f"{cost.calls / len(costs):.2f} calls, {cost.request_bytes / len(costs):,.0f} bytes"
        yield f"per conflict, {name + ':':<11} {each}"
    direct, agent = _sum([row.direct for row in rows]), _sum([row.agent for row in rows])
    yield (
        f"an agent needs {agent.calls / max(1, direct.calls):.1f} times the calls and {_ratio(agent, direct)} the "
        "bytes of direct calls; rules need neither"
    )


def _needed(rows: list[Row]) -> dict[str, int]:
    """How many conflicts needed whom: the cheapest that answers every hunk that is left."""
    rules = sum(row.by_rules == row.hunks for row in rows)
    direct = sum(0 < row.hunks - row.by_rules == row.direct.resolved for row in rows)
    return {"rules alone": rules, "a direct call as well": direct, "an agent": len(rows) - rules - direct}


def _columns(rows: list[Row]) -> dict[str, list[Cost]]:
    """What each costs, over all conflicts: one that rules settle costs no call, whoever would be asked next."""
    return {
        "rules": [Cost(resolved=row.by_rules) for row in rows],
        "direct": [row.direct for row in rows],
        "agent": [row.agent for row in rows],
    }


def _sum(costs: list[Cost]) -> Cost:
    return Cost(calls=sum(cost.calls for cost in costs), request_bytes=sum(cost.request_bytes for cost in costs))


def _ratio(more: Cost, less: Cost) -> str:
    return f"{more.request_bytes / less.request_bytes:.1f}x" if less.request_bytes else "-"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    as_json = parser.parse_args().json
    found = asyncio.run(main())
    print(json.dumps(document(found), indent=2) if as_json else "\n".join(lines(found)))
