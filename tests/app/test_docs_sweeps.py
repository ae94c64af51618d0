"""The page on sweeps: every sweep, every repair, and an alert for each that Prometheus can read."""

import re

import yaml

from app.docs_sweeps import parts
from app.telemetry import REGISTRY
from bot.model.sweeps import SWEEPS, RepairKind

PAGE = "\n\n".join(parts())


def test_it_shows_every_sweep_and_every_kind_of_repair() -> None:
    shown = [name for name in re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) if name != "kind"]
    assert shown == [spec.name for spec in SWEEPS] + [kind.value for kind in RepairKind]


def test_it_says_how_often() -> None:
    often = dict(re.findall(r"^\| `(\w+)` \| (\d+ \w+) \|", PAGE, re.MULTILINE))
    assert often["ring"] == "15 s"
    assert often["redeliver"] == "5 min"
    assert often["retention"] == "1 h"


def test_the_alerts_are_yaml_and_ask_for_metrics_that_there_are() -> None:
    (block,) = re.findall(r"```yaml\n(.*)\n```", PAGE, re.DOTALL)
    ((group,),) = (yaml.safe_load(block).values(),)
    rules = {rule["expr"]: rule["alert"] for rule in group[0]["rules"]}
    stale = [expression for expression, alert in rules.items() if alert == "FlowForgeSweepStale"]
    for spec, expression in zip(SWEEPS, stale, strict=True):
        assert f'sweep="{spec.name}"' in expression
        assert int(expression.rpartition("> ")[2]) > 3 * spec.every.total_seconds()
    named = {name for expression in rules for name in re.findall(r"flowforge_\w+", expression)}
    assert named <= set(REGISTRY._names_to_collectors)
