"""The structural resolver over real conflicts: what it takes, and how often people did the same."""

from itertools import islice

import pytest

from benchmarks.corpus import CORPUS, case_of_file, case_of_hunk, read_files, read_hunks, resolved_by, same
from bot.model.conflicts import ConflictKind
from bot.model.resolutions import Tier
from bot.resolvers.structural import resolver

HUNKS, FILES = CORPUS / "hunks.jsonl.gz", CORPUS / "files.jsonl.gz"
EVERY_HUNK, EVERY_FILE = 13, 3

MERGIRAF_WRONG, CONTENT_FILES = 31, 215
"""What Mergiraf 0.20.0 takes and gets wrong on the same files: see ``benchmarks.mergiraf``."""

pytestmark = pytest.mark.skipif(not FILES.exists(), reason="needs ../shared/corpus/conflicts")


@pytest.mark.timeout(600)
def test_what_it_applies_is_what_people_did_in_four_of_five_hunks() -> None:
    rows = taken = right = 0
    for row in islice(read_hunks(HUNKS), 0, None, EVERY_HUNK):
        rows += 1
        for answer in resolver.answer(case_of_hunk(row)):
            if answer.tier is Tier.STRUCTURAL:
                taken += 1
                right += row.human is not None and same(answer.content, row.human)
    assert taken >= 0.18 * rows
    assert right >= 0.8 * taken


@pytest.mark.timeout(600)
def test_it_takes_far_fewer_wrong_files_than_mergiraf() -> None:
    rows = wrong = 0
    for row in islice((row for row in read_files(FILES) if row.kind is ConflictKind.CONTENT), 0, None, EVERY_FILE):
        rows += 1
        case = case_of_file(row)
        if case is None:
            continue
        answers = {item.index: item.content for item in resolver.answer(case) if item.tier is Tier.STRUCTURAL}
        resolved = resolved_by(case.marked, answers)
        wrong += resolved is not None and (row.resolved is None or not same(resolved, row.resolved))
    assert rows >= CONTENT_FILES // EVERY_FILE
    assert wrong / rows < 0.5 * MERGIRAF_WRONG / CONTENT_FILES
