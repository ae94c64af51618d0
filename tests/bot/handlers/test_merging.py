"""How a repository merges, where it matters to what an approval pushes, and what the forge still waits for."""

import pytest

from bot.model.forge import ForgeKind
from tests.bot.handlers.bench import ForgeBench


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("squash", "Merging squashes the commits of this pull request into one"),
        ("rebase", "A rebase drops the merge commit that an approval pushes, and the conflict comes back"),
    ],
)
async def test_a_proposal_says_what_merging_makes_of_it(either: ForgeBench, way: str, words: str) -> None:
    either.sim.people.merge_only_by(either.repository, way)
    await either.until_proposed()
    assert words in either.stickies[0]
    assert "`main`" in either.stickies[0]
    assert ("`/flowforge resolve --strategy rebase`" in either.stickies[0]) is (way == "rebase")


async def test_status_says_what_the_forge_waits_for(either: ForgeBench) -> None:
    either.pull.mergeable, either.pull.waits_for = True, "discussions_not_resolved"
    either.say("/flowforge status")
    await either.work()
    waits = {ForgeKind.GITHUB: "a rule of the repository is not met", ForgeKind.GITLAB: "discussions have to be"}
    assert waits[ForgeKind(either.ref.forge)] in either.comments[0]
    either.sim.people.close(either.pull, either.author)
    either.say("/flowforge status")
    await either.work()
    assert "still waits" not in either.comments[1]
    assert either.errors == []
