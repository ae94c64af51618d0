"""What ``docs/sweeps.md`` is made of: see ``app.docs``."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from app.telemetry import REPAIRS, SWEPT
from bot.model.sweeps import SWEEPS, RepairKind, SweepSpec

_PATIENCE: Final = timedelta(minutes=1)

_REPAIRS: Final[Mapping[RepairKind, str]] = MappingProxyType(
    {
        RepairKind.DELIVERY: "a forge was asked to send a delivery again",
        RepairKind.PULL_REQUEST: "a pull request opened, closed, moved or went to another base, and no event said so",
        RepairKind.REPORT: "a check run or comment of ours was gone, or did not say what we wrote last",
        RepairKind.HOOK: "a forge had stopped sending events after failures, and was told to go on",
        RepairKind.BRANCH: "a branch of ours was deleted that its job had left behind",
        RepairKind.JOB_LEASE: "a worker died, or was too slow, while it held a job",
        RepairKind.RUN_LEASE: "a worker died while it looked after a run, or before it started one",
        RepairKind.LEVEL_LEASE: "a worker died while it compared a pull request or a base branch",
    }
)


def parts() -> tuple[str, ...]:
    """The page, paragraph by paragraph."""
    beat, repairs = (next(iter(one.describe())).name for one in (SWEPT, REPAIRS))
    return (
        "# Sweeps",
        (
            "Events get lost, rings get lost, and processes die. Sweeps compare the rows with what should be, and put "
            "right what differs. Each works for itself: one that fails is logged, counted as "
            '`flowforge_ticks_total{kind="sweep_…",result="error"}`, tried again at its next time, and stops no other.'
        ),
        (
            "Workers do them. A row in the database says which worker is at a sweep and when it was done last, so "
            "that one worker at a time does it, however many there are; a worker that dies in the middle of one "
            "leaves it to the next. Workers look at these rows twice a minute, for the frequent ones four times. "
            "Sweeps marked *each* are done by each worker for itself."
        ),
        "| Sweep | How often | | What it does |\n|---|---|---|---|\n" + "\n".join(map(_row, SWEEPS)),
        "## Repairs",
        (
            f"What was put right is counted in `{repairs}_total` and logged. Each repair stands for an event that we "
            "missed, or for a process that died: in good times the numbers stand still."
        ),
        "| `kind` | What happened |\n|---|---|\n"
        + "\n".join(f"| `{kind.value}` | {_REPAIRS[kind]} |" for kind in RepairKind),
        "## Alerts",
        (
            f"`{beat}` has the time at which each sweep last came to its end, whichever worker did it. It does not "
            "belong to readiness: where sweeps stand still, people are still answered. Watch it with rules like these:"
        ),
        "```yaml\n" + "\n".join(_rules(beat, f"{repairs}_total")) + "\n```",
    )


def _row(spec: SweepSpec) -> str:
    return f"| `{spec.name}` | {_often(spec.every)} | {'' if spec.alone else 'each'} | {spec.says} |"


def _often(every: timedelta) -> str:
    seconds = round(every.total_seconds())
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _rules(beat: str, repairs: str) -> list[str]:
    lines = ["groups:", "  - name: flowforge-sweeps", "    rules:"]
    for spec in SWEEPS:
        late = round((3 * spec.every + spec.lease + _PATIENCE).total_seconds())
        lines += [
            "      - alert: FlowForgeSweepStale",
            f'        expr: time() - max by (sweep) ({beat}{{sweep="{spec.name}"}}) > {late}',
            "        labels: {severity: warning}",
        ]
    return [
        *lines,
        "      - alert: FlowForgeNoSweeps",
        f"        expr: absent({beat})",
        "        for: 5m",
        "        labels: {severity: critical}",
        "      - alert: FlowForgeMissesEvents",
        f'        expr: sum(increase({repairs}{{kind=~"delivery|pull_request"}}[1h])) > 10',
        "        labels: {severity: warning}",
    ]
