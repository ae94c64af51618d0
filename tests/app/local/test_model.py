"""``flowforge resolve`` with a model: the command against a scripted Messages API on loopback."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from app.demo.model.direct import OnDirect, SeenQuestion, answered, resolved, undecided
from app.demo.model.direct_liars import hides_characters, leaves_markers, writes_prose
from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Failure, Message, Reply
from app.demo.model.server import ScriptedModel
from tests.app.local.conftest import OPEN, PARTLY, TEXT, Done, Program, diverge, edited
from tests.bot.git.workshop import Workshop

KEY = "sk-test-not-a-key-of-anybody"
MIXED = "twenty, ours and theirs\n"


class _Nothing:
    def reply(self, request: ModelRequest) -> Reply:
        raise AssertionError(request.prompt)


def each(content: str) -> Callable[[SeenQuestion], Message]:
    """Every hunk gets this text."""
    return lambda question: answered(
        [
            resolved(file.number, place.hunk.index, content, reason="They agree on this.")
            for file in question.files
            for place in file.places
        ]
    )


def undecided_all(question: SeenQuestion) -> Message:
    return answered(
        [undecided(file.number, place.hunk.index, "It depends.") for file in question.files for place in file.places]
    )


async def run(
    flowforge: Program, shop: Workshop, answer: Callable[[SeenQuestion], Reply], *arguments: str, key: str = KEY
) -> tuple[Done, ScriptedModel]:
    async with ScriptedModel.serve(OnDirect(answer, _Nothing()), api_key=KEY) as model:
        done = await asyncio.to_thread(
            flowforge,
            shop.path,
            *("resolve", "--theirs", "side", *arguments),
            ANTHROPIC_API_KEY=key,
            ANTHROPIC_BASE_URL=model.base_url,
        )
        return done, model


async def test_what_no_rule_settles_goes_to_the_model_in_one_call(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": PARTLY, "b.txt": OPEN})
    done, model = await run(flowforge, shop, each(MIXED), "--json")
    assert done.code == 0, done.errors
    document = done.document("resolve-1.json")
    assert len(model.calls) == 1
    first, second = document["conflicts"]
    assert [hunk["tier"] for hunk in first["hunks"]] == ["A", "direct"]
    assert (first["resolver"], first["tier"], second["tier"]) == ("direct", "direct", "direct")
    assert first["hunks"][1]["content"] == MIXED
    assert first["hunks"][1]["reason"] == "They agree on this."
    assert [span["from"] for span in first["hunks"][1]["provenance"]] != ["ours"]
    assert document["usage"]["model_calls"] == 1
    assert document["usage"]["cost_usd"] > 0
    assert KEY not in done.output + done.errors


async def test_what_the_model_leaves_open_stays_open_with_its_reason(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done, model = await run(flowforge, shop, undecided_all, "--json")
    assert (done.code, len(model.calls)) == (2, 1)
    (hunk,) = done.document("resolve-1.json")["conflicts"][0]["hunks"]
    assert (hunk["status"], hunk["reason"]) == ("open", "It depends.")


@pytest.mark.parametrize("liar", [leaves_markers, hides_characters, writes_prose, each("ghp_" + "a1" * 20 + "\n")])
async def test_a_hostile_model_gets_nothing_written(
    tmp_path: Path, flowforge: Program, liar: Callable[[SeenQuestion], Reply]
) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    before = shop.state()
    done, _ = await run(flowforge, shop, liar, "--yes")
    assert done.code in {2, 3}
    assert shop.state() == before


async def test_refused_answers_are_shown_with_the_findings(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done, _ = await run(flowforge, shop, each("ghp_" + "a1" * 20 + "\n"), "--json")
    assert done.code == 3
    document = done.document("resolve-1.json")
    (conflict,) = document["conflicts"]
    assert (document["status"], document["gate"]["verdict"], conflict["status"]) == ("refused", "refused", "open")
    assert conflict["hunks"][0]["content"].startswith("ghp_")
    assert conflict["blob"] is None
    assert [check["name"] for check in document["gate"]["checks"] if check["verdict"] == "refused"] == ["credentials"]


async def test_rules_only_contacts_nothing(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done, model = await run(flowforge, shop, each(MIXED), "--rules-only")
    assert (done.code, model.requests) == (2, [])


async def test_a_budget_too_small_for_the_question_spends_nothing(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done, model = await run(flowforge, shop, each(MIXED), "--budget", "0.000001", "--json")
    assert (done.code, model.calls) == (2, [])
    assert done.document("resolve-1.json")["usage"]["cost_usd"] == 0


async def test_a_model_that_fails_leaves_what_rules_settled(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": PARTLY})
    failing = Failure(status=400, kind="invalid_request_error", message="no")
    done, _ = await run(flowforge, shop, lambda _: failing)
    assert done.code == 2
    assert "The model could not be asked" in done.output
    assert "line  three" in done.output


async def test_a_wrong_key_is_said_and_not_shown(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done, _ = await run(flowforge, shop, each(MIXED), key="sk-wrong-key-12345678")
    assert done.code == 2
    assert "The model could not be asked" in done.output
    assert "sk-wrong" not in done.output + done.errors


async def test_many_files_take_as_many_calls_as_they_need(tmp_path: Path, flowforge: Program) -> None:
    conflicts = {
        f"f{number:02}.txt": {
            "ours": edited(TEXT, l20=f"twenty, ours {number}"),
            "theirs": edited(TEXT, l20=f"zwanzig, theirs {number}"),
        }
        for number in range(10)
    }
    shop = diverge(tmp_path / "shop", conflicts)
    done, model = await run(flowforge, shop, each(MIXED), "--json")
    assert done.code == 0, done.output[:2000] + done.errors
    assert 1 < len(model.calls) <= len(conflicts)


@pytest.mark.parametrize("named", [("--model", "claude-of-the-option"), ()])
async def test_the_model_that_was_named_is_asked(
    tmp_path: Path, flowforge: Program, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FLOWFORGE_MODEL", "claude-of-the-environment")
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done, model = await run(flowforge, shop, each(MIXED), *named, "--budget", "100")
    assert done.code == 0, done.output + done.errors
    asked = {(request.body or {}).get("model") for request in model.requests}
    assert asked == {named[1] if named else "claude-of-the-environment"}


async def test_what_calls_cost_is_taken_from_the_budget_of_the_next(tmp_path: Path, flowforge: Program) -> None:
    sides = {"ours": edited(TEXT, l20="twenty, ours"), "theirs": edited(TEXT, l20="zwanzig, theirs")}
    shop = diverge(tmp_path / "shop", {f"f{number:02}.txt": sides for number in range(10)})
    calls = []
    for budget in ("0.2", "0.25", "0.3", "1"):
        done, model = await run(flowforge, shop, each(MIXED), "--json", "--budget", budget)
        assert done.document("resolve-1.json")["usage"]["cost_usd"] <= float(budget)
        calls.append(len(model.calls))
    none, few, more, enough = calls
    assert none == 0 < few < more < enough
