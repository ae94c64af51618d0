"""The values that docs/kubernetes.md shows are values of the chart, and its tables say what is rendered."""

import re
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.chart.objects import kinds
from tests.chart.render import Object, objects, render, values
from tests.chart.test_values import merged

PAGE: Final = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text(encoding="utf-8")
BLOCKS: Final[list[Object]] = [
    yaml.safe_load(block) for block in re.findall(r"```yaml\n( *# my-values.yaml\n.*?)```", PAGE, re.DOTALL)
]


def test_the_page_shows_values() -> None:
    assert len(BLOCKS) == 9


@pytest.mark.parametrize("block", BLOCKS, ids="-".join)
def test_shown_values_are_values_of_the_chart(block: Object) -> None:
    assert objects(merged(values("minimal"), block))


def test_the_first_block_is_enough() -> None:
    assert objects(BLOCKS[0])


def test_the_workers_rights_are_those_of_the_table() -> None:
    section = PAGE.split("The worker's rights", 1)[1].split("\n\n", 2)[1]
    rows = re.findall(r"^\| (\S+) \| ([a-z, ]+) \|", section, re.MULTILINE)
    (role,) = kinds(render("minimal"), "Role")
    assert [(resource.lower(), verbs.split(", ")) for resource, verbs in rows[1:]] == [
        (rule["resources"][0], rule["verbs"]) for rule in role["rules"]
    ]
