"""Every rule, both ways."""

import pytest

from bot.command_parser import parse_comment
from bot.commands import CommandName
from bot.model.intents import (
    Allowed,
    Ignored,
    Intent,
    Refused,
)
from bot.policy.rules import RULES, Rule, command_of, decide
from tests.bot.policy import cases, conflict_cases, failure_cases, fork_cases, pause_cases, refusals
from tests.bot.policy.build import (
    PUBLISHED,
    QUIET,
    WAITING,
)
from tests.bot.policy.cases import BROKEN, ENDED, EVERY, PUSHING, RUNNING

GOOD = cases.GOOD | conflict_cases.GOOD | failure_cases.GOOD | pause_cases.GOOD
SILENT = cases.SILENT
REFUSED = refusals.REFUSED | fork_cases.REFUSED | pause_cases.REFUSED | conflict_cases.REFUSED | failure_cases.REFUSED


@pytest.mark.parametrize("name", GOOD)
def test_what_is_allowed(name: str) -> None:
    intent, facts = GOOD[name]
    decision = decide(intent, facts)
    assert isinstance(decision, Allowed), decision
    if command_of(intent) is not None:
        assert any(reason.startswith("permission: ") for reason in decision.reasons)


def test_nobody_is_said_to_answer_for_a_head_that_is_only_read() -> None:
    decision = decide(*GOOD["explain of a fork nobody answers for"])
    assert isinstance(decision, Allowed)
    assert [reason for reason in decision.reasons if reason.startswith("fork: ")] == [
        "fork: it is only read, and nothing of it runs"
    ]


@pytest.mark.parametrize("name", SILENT)
def test_what_is_not_even_answered(name: str) -> None:
    rule, intent, facts = SILENT[name]
    assert decide(intent, facts) == Ignored(rule=rule)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_in_which_words(name: str) -> None:
    rule, intent, facts, message = REFUSED[name]
    assert decide(intent, facts) == Refused(rule=rule, message=message)
    assert parse_comment(message, mention="flowforge-bot") == []


def test_every_rule_says_no_somewhere_and_is_silent_as_declared() -> None:
    refusing = {rule for rule, *_ in REFUSED.values()}
    silent = {rule for rule, *_ in SILENT.values()}
    assert refusing == {rule.name for rule in RULES if not rule.silent}
    assert silent == {rule.name for rule in RULES if rule.silent}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_lets_good_intents_through(rule: Rule) -> None:
    answers = [rule.check(intent, facts) for intent, facts in GOOD.values()]
    assert all(answer is None or isinstance(answer, Allowed) for answer in answers)


def test_rules_have_different_names() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_a_rule_s_no_carries_its_own_name() -> None:
    refused = [(intent, facts) for _, intent, facts, _ in REFUSED.values()]
    silent = [(intent, facts) for _, intent, facts in SILENT.values()]
    for rule in RULES:
        for intent, facts in (*refused, *silent, *GOOD.values()):
            answer = rule.check(intent, facts)
            if isinstance(answer, Refused | Ignored):
                assert answer.rule == rule.name


def test_every_intent_is_decided() -> None:
    assert {type(intent) for intent in EVERY} == set(Intent.__args__)
    for intent in EVERY:
        for facts in (QUIET, RUNNING, WAITING, PUSHING, PUBLISHED, ENDED, BROKEN):
            assert isinstance(decide(intent, facts), Allowed | Refused | Ignored)


def test_every_command_belongs_to_an_intent() -> None:
    specs = [spec for spec in map(command_of, EVERY) if spec is not None]
    assert sorted(spec.name for spec in specs) == sorted(CommandName)
