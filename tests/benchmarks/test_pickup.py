"""The benchmark of the pick-up runs, in a small form; how long things take is for the benchmark to say."""

from benchmarks.pickup import DEFAULT, SHORT, WOKEN, WORKERS, Measured, document, lines, run


async def test_every_worker_begins_with_every_delivery() -> None:
    shown = await run(deliveries=2, turn=2)
    assert set(shown["workers"]) == set(WORKERS)
    assert all(one["deliveries"] == 2 for one in shown["workers"].values())
    assert set(shown["times_sooner"]) == {DEFAULT, SHORT}
    assert len(lines(shown)) == 3 + len(WORKERS) + 2 + 1


def test_goals_that_are_missed_are_called_so() -> None:
    found = {name: Measured(from_answer=[6.0, 9.0], from_request=[8.0, 12.0], idle=[0.5]) for name in WORKERS}
    found[DEFAULT].from_request = [80.0, 120.0]
    shown = document(found)
    assert shown["reached"] == {"p50": False, "p99": True}
    assert shown["times_sooner"][DEFAULT] == {"p50": 10.0, "p99": 10.0}
    assert shown["workers"][WOKEN]["idle_processor"] == 0.5
    said = "\n".join(lines(shown))
    assert "p50 at most 5 ms MISSED" in said
    assert "p99 at most 10 ms reached" in said
