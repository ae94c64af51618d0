"""A revert is approved by its paths like everything else, whatever their names are made of."""

from pathlib import Path

from bot.model.jobs import JobState
from tests.app.store.backends import Lender
from tests.bot.handlers.bench import open_bench
from tests.scenarios.play import BASE, OURS, THEIRS

ODD = 'données/"x".txt'
"""A diff quotes it twice over."""

CONFIG = """\
version: 1
paths:
  - match: données/**
    tier: two_approvals
approvals:
  codeowners: true
"""


async def test_names_that_git_quotes_are_the_paths_that_count(databases: Lender, tmp_path: Path) -> None:
    base = {**BASE, ".flowforge.yml": CONFIG, ".github/CODEOWNERS": "/données/ @robin\n"}
    theirs = {**THEIRS, ODD: "théirs\n"}
    async with open_bench(tmp_path, await databases.fresh(), base=base, ours=OURS, theirs=theirs) as bench:
        await bench.until_proposed()
        bench.say("/flowforge approve")
        await bench.work()
        await bench.sim.people.commit(bench.repository, "feature", {"later.py": "x = 1\n"}, author=bench.author)
        bench.say("/flowforge rollback")
        await bench.work()
        head = bench.head
        bench.say("/flowforge approve")
        await bench.work()
        assert (bench.head, (await bench.job()).state) == (head, JobState.AWAITING_APPROVAL)
        assert "1 of 2" in bench.comments[-1]
        assert "needs the approval of one of its code owners: `@robin`" in bench.comments[-1]
        bench.say("/flowforge approve", who=bench.author)
        await bench.work()
        assert (bench.head != head, (await bench.job()).state) == (True, JobState.PUBLISHED)
