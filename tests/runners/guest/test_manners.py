"""What Claude Code is told, to the letter, and what it may do."""

import pytest

from runners.guest.manners import DENIED, MANNERS
from runners.protocol import WORK_AGENT, WORK_CHANGE, WORK_LOOK
from tests.conftest import Golden


@pytest.mark.parametrize("work", [WORK_AGENT, WORK_CHANGE, WORK_LOOK])
def test_prompts(work: str, golden: Golden) -> None:
    golden.check(f"prompts/{work}.txt", MANNERS[work].prompt)


def test_nobody_has_a_shell_or_a_network_and_who_looks_writes_nothing() -> None:
    for manner in MANNERS.values():
        assert not {"Bash", "WebFetch", "WebSearch", "Task"} & set(manner.tools)
    assert {"Bash", "WebFetch", "WebSearch"} <= set(DENIED)
    assert set(MANNERS[WORK_LOOK].tools) == {"Read", "Grep", "Glob"}
    assert MANNERS[WORK_LOOK].allowed == ()
