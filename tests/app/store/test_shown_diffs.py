"""The diffs of the approval page and the outcomes of intents, on both databases."""

from app.store.database import SqlStore
from bot.model.intents import IntentOutcome
from bot.model.reports import ShownDiffs
from tests.app.store.test_proposals import proposed
from tests.app.store.words import ALICE

DIFFS = ShownDiffs(against_head="diff --git a/é\u202e b/é\n" * 1_000, against_base=None)


async def test_diffs_are_kept_once_until_they_are_dropped(store: SqlStore) -> None:
    job, made = await proposed(store)
    assert await store.shown_diffs.get(made.id) is None
    await store.shown_diffs.keep(made.id, DIFFS)
    await store.shown_diffs.keep(made.id, ShownDiffs(against_head="later", against_base=""))
    assert await store.shown_diffs.get(made.id) == DIFFS
    await store.shown_diffs.drop("0" * 32)
    assert await store.shown_diffs.get(made.id) == DIFFS
    await store.shown_diffs.drop(job.id)
    await store.shown_diffs.drop(job.id)
    assert await store.shown_diffs.get(made.id) is None


async def test_an_empty_diff_is_not_one_that_is_too_large(store: SqlStore) -> None:
    _, made = await proposed(store)
    await store.shown_diffs.keep(made.id, ShownDiffs(against_head="", against_base=""))
    assert await store.shown_diffs.get(made.id) == ShownDiffs(against_head="", against_base="")


async def test_what_came_of_an_intent_is_known_when_it_is_decided(store: SqlStore) -> None:
    await store.intents.begin("k", delivery_id="d", name="approve", actor=ALICE)
    assert await store.intents.outcome("k") is None
    await store.intents.finish("k", decision="refused", rule="stale", message="It moved.", job_id=None)
    told = IntentOutcome(actor_id=ALICE.id, decision="refused", rule="stale", message="It moved.")
    assert await store.intents.outcome("k") == told
    assert await store.intents.outcome("another") is None
