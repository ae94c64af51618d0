"""The rules on the corpus of real conflicts: what was measured holds on."""

import pytest

from benchmarks.corpus import CORPUS, case_of_file, case_of_hunk, human_texts, read_files, read_hunks, same
from bot.model.cases import FileCase
from bot.model.resolutions import Tier
from bot.resolvers.chain import run_rules
from bot.resolvers.table import RESOLVERS

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus is not at {CORPUS}")

RULES = tuple(row for row in RESOLVERS if row.tier is Tier.A)


def applied(case: FileCase) -> dict[int, bytes]:
    progress = run_rules(case, RULES)
    assert progress.failures == ()
    return {index: answer.content for index, answer in progress.settled.items()}


def test_single_hunks() -> None:
    count = taken = right = 0
    for row in read_hunks(CORPUS / "hunks.jsonl.gz"):
        if row.human is None:
            continue
        count += 1
        for content in applied(case_of_hunk(row)).values():
            taken += 1
            right += same(content, row.human)
    assert taken / count > 0.14  # measured: 14.6 %, without any history
    assert right / taken > 0.9  # measured: 90.6 %


@pytest.mark.timeout(300)
def test_whole_files() -> None:
    count = taken = right = files = whole = 0
    for row in read_files(CORPUS / "files.jsonl.gz"):
        case = case_of_file(row) if row.resolved is not None else None
        if case is None or row.resolved is None:
            continue
        texts = applied(case)
        humans = human_texts(case.marked, row.resolved)
        files += 1
        whole += len(texts) == len(humans)
        known = {index: human for index, human in enumerate(humans) if human is not None}
        count += len(known)
        taken += len(texts.keys() & known.keys())
        right += sum(same(texts[index], human) for index, human in known.items() if index in texts)
    assert taken / count > 0.205  # measured: 21.3 %
    assert right / taken > 0.94  # measured: 96.1 %
    assert whole / files > 0.185  # measured: 19.4 %
