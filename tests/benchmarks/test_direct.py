"""What calls and bytes cost is summed up right; the measuring itself starts Claude Code and is not done here."""

from benchmarks.direct import Cost, Row, document, lines

ROWS = [
    Row(name="by rules", hunks=2, by_rules=2, direct=Cost(), agent=Cost()),
    Row(
        name="small",
        hunks=1,
        by_rules=0,
        direct=Cost(calls=1, request_bytes=1_000, resolved=1),
        agent=Cost(calls=5, request_bytes=30_000, resolved=1),
    ),
    Row(
        name="not told",
        hunks=2,
        by_rules=1,
        direct=Cost(calls=1, request_bytes=1_000),
        agent=Cost(calls=7, request_bytes=50_000, resolved=1),
    ),
    Row(name="too large", hunks=9, by_rules=0, direct=Cost(), agent=Cost(calls=8, request_bytes=120_000, resolved=9)),
]


def test_the_sums_and_ratios() -> None:
    found = document(ROWS)
    assert found["needed"] == {
        "rules alone": {"count": 1, "share": 25.0},
        "a direct call as well": {"count": 1, "share": 25.0},
        "an agent": {"count": 2, "share": 50.0},
    }
    assert found["per_conflict"] == {
        "rules": {"calls": 0.0, "request_bytes": 0},
        "direct": {"calls": 0.5, "request_bytes": 500},
        "agent": {"calls": 5.0, "request_bytes": 50_000},
    }
    assert found["agent_to_direct"] == {"calls": 10.0, "request_bytes": 100.0}


def test_the_table() -> None:
    shown = "\n".join(lines(ROWS))
    assert "rules alone                1 of 4 conflicts, 25.0 %" in shown
    assert "per conflict, agent:      5.00 calls, 50,000 bytes" in shown
    assert "an agent needs 10.0 times the calls and 100.0x the bytes of direct calls" in shown
