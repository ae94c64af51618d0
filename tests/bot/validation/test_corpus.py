"""The gate over real merges: most of what people did passes, and every fault put into it is caught."""

from itertools import islice

import pytest

from benchmarks.corpus import CORPUS, read_files
from benchmarks.gate_cases import GateNumbers, measure_gate
from benchmarks.gate_faults import FAULTS

ROWS = CORPUS / "files.jsonl.gz"
EVERY = 6

pytestmark = [
    pytest.mark.skipif(not ROWS.exists(), reason="needs ../shared/corpus/conflicts/files.jsonl.gz"),
    pytest.mark.xdist_group("corpus"),  # what is measured is measured once
]


@pytest.fixture(scope="module")
def numbers() -> GateNumbers:
    """Every sixth row, measured."""
    return measure_gate(islice(read_files(ROWS), 0, None, EVERY))


def test_hardly_anything_that_people_did_is_refused(numbers: GateNumbers) -> None:
    # Of all 302 rows 3 (1.0 %): one was committed with conflict markers, the others do not parse.
    assert numbers.human.rows > 40
    assert numbers.human.refused <= 1


def test_people_who_stayed_within_the_hunks_nearly_always_pass(numbers: GateNumbers) -> None:
    # Of all 252 such rows 8.7 % need a person, most of them for a part of a side's work that was lost.
    assert numbers.within_hunks.rows > 30
    assert numbers.within_hunks.needs_person <= 0.13 * numbers.within_hunks.rows


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_put_into_a_good_resolution_is_caught(numbers: GateNumbers, fault: str) -> None:
    caught = numbers.seeded[fault]
    assert caught.rows > 5
    assert caught.caught == caught.rows
