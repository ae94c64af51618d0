"""What rules settle is proved before it is believed."""

from bot.model.jobs import JobState
from bot.model.reports import ResolutionStatus
from bot.model.resolutions import Tier
from bot.resolvers.rerere import hunk_digest
from tests.bot.handlers.bench import Bench
from tests.scenarios.play import ANSWER

DIGEST = hunk_digest(b"RATE = 2\n", b"RATE = 3\n")


async def test_an_imported_text_settles_its_hunk_without_a_sandbox(bench: Bench) -> None:
    await bench.store.recorded.import_hunks(bench.ref, {DIGEST: b"RATE = 2 + 3\n"}, source="rr-cache of anna")
    bench.say("/flowforge resolve")
    await bench.work()
    job = await bench.job()
    assert job.state is JobState.AWAITING_APPROVAL, job.message
    assert bench.runner.puppets == []
    (record,) = await bench.store.proposals.conflicts(job.id)
    assert (record.status, [answer.tier for answer in record.answers]) == (ResolutionStatus.RESOLVED, [Tier.RECORDED])
    (sha,) = bench.branches.values()
    (proposal,) = [await bench.store.proposals.of_job(job.id)]
    assert proposal is not None
    assert proposal.commit == sha


async def test_a_rule_whose_result_fails_the_gate_only_suggests(bench: Bench) -> None:
    await bench.store.recorded.import_hunks(bench.ref, {DIGEST: "RATE = 2  # \u202e\n".encode()}, source="rr-cache")
    job = await bench.until_running()
    (record,) = await bench.store.proposals.conflicts(job.id)
    assert (record.status, record.answers) == (ResolutionStatus.OPEN, ())
    assert Tier.B in {answer.tier for answer in record.candidates}
    assert "did not pass the checks" in " ".join(record.reasons)
    await bench.finish({"fees.py": ANSWER.encode()})
    await bench.work()
    job = await bench.job()
    assert job.state is JobState.AWAITING_APPROVAL, job.message
    (record,) = await bench.store.proposals.conflicts(job.id)
    assert [answer.tier for answer in record.answers] == [Tier.AGENT]
    assert "\u202e" not in bench.stickies[0]
