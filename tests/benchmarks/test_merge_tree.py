"""The benchmark of verdicts on a small repository: the same one every time, half of the pairs in conflict."""

from pathlib import Path

from benchmarks import merge_tree


def test_the_repository_is_always_the_same() -> None:
    streams = [list(merge_tree.stream(60, 40, 6)) for _ in range(2)]
    assert streams[0] == streams[1]


async def test_half_of_the_pairs_conflict(tmp_path: Path) -> None:
    merge_tree.make(tmp_path / "small.git", commits=400, files=100, pairs=8)
    found = await merge_tree.measure(tmp_path / "small.git", 8)
    assert (found["pairs"], found["conflicted"], found["impossible"]) == (8, 4, 0)
    assert found["verdict_ms"]["p50"] <= found["verdict_ms"]["p95"] <= found["verdict_ms"]["max"]
