import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands import COMMANDS, CommandName, Place
from bot.intents import QUOTED_CHARACTERS, intents_of
from bot.model.cases import Choice
from bot.model.events import (
    Assigned,
    BranchPushed,
    CheckActionRequested,
    CheckRerequested,
    CommentEdited,
    CommentPosted,
    Event,
    InstallationAction,
    InstallationChanged,
    LabelAdded,
    Pinged,
    PullRequestAction,
    PullRequestChanged,
    Reacted,
    Unused,
)
from bot.model.forge import Actor, ForgeKind, RepositoryRef
from bot.model.ids import make_external_id, make_offer_mark, make_watch_id
from bot.model.intents import (
    Approve,
    Cancel,
    Help,
    Implement,
    Intent,
    Misspelt,
    Origin,
    Plan,
    Reject,
    Resolve,
    Retry,
    Rollback,
    ShowConfig,
    Status,
    Strategy,
    TakeSide,
)
from bot.model.reports import CheckActionName
from bot.model.work import SeenText

REPOSITORY = RepositoryRef(forge=ForgeKind.GITHUB, id=7, owner="acme", name="shop", installation_id=3)
ADA = Actor(id=11, login="ada")
JOB, PROPOSAL = "a" * 32, "b" * 32
DIGEST = "d" * 64


def posted(body: str, *, on_pull_request: bool = True) -> CommentPosted:
    return CommentPosted(
        delivery_id="d-1",
        repository=REPOSITORY,
        number=5,
        on_pull_request=on_pull_request,
        comment_id=99,
        body=body,
        actor=ADA,
    )


def edited(before: str, after: str, actor: Actor = ADA) -> CommentEdited:
    return CommentEdited(
        delivery_id="d-2",
        repository=REPOSITORY,
        number=5,
        on_pull_request=True,
        comment_id=99,
        body=after,
        body_before=before,
        actor=actor,
    )


def reacted(body: str, reaction: str = "rocket", *, on_pull_request: bool = True) -> Reacted:
    return Reacted(
        delivery_id="d-9",
        repository=REPOSITORY,
        number=5,
        on_pull_request=on_pull_request,
        comment_id=99,
        author_id=1,
        body=body,
        reaction_id=77,
        reaction=reaction,
        actor=ADA,
    )


OFFER = f"<!-- flowforge:sticky repository=7 pull=5 -->\n{make_offer_mark(PROPOSAL)}\nText"


def test_a_rocket_under_an_offer_approves_that_very_proposal() -> None:
    [approve] = intents_of(reacted(OFFER), mention="flowforge", digest=DIGEST)
    assert isinstance(approve, Approve)
    assert (approve.proposal_id, approve.sha, approve.origin.number, approve.origin.actor) == (PROPOSAL, None, 5, ADA)
    assert approve.origin.key == "github:emoji:99:77"


@pytest.mark.parametrize(
    "event",
    [
        reacted(OFFER, "thumbsup"),
        reacted(OFFER, "rocket_launch"),
        reacted(OFFER, on_pull_request=False),
        reacted("Text"),
        reacted(make_offer_mark(PROPOSAL)),
        reacted(f"first\n\n{make_offer_mark(PROPOSAL)}"),
        reacted(f"first\n> {make_offer_mark(PROPOSAL)}"),
        reacted(OFFER.replace(PROPOSAL, PROPOSAL[:-1])),
    ],
)
def test_any_other_emoji_asks_for_nothing(event: Reacted) -> None:
    assert intents_of(event, mention="flowforge", digest=DIGEST) == []


WATCH = make_watch_id(5, "c" * 40)


def clicked(action: str, external_id: str = make_external_id(JOB, PROPOSAL)) -> CheckActionRequested:
    return CheckActionRequested(
        delivery_id="d-3",
        repository=REPOSITORY,
        check_run_id=42,
        external_id=external_id,
        head_sha="c" * 40,
        action=action,
        actor=ADA,
    )


def changed(action: PullRequestAction) -> PullRequestChanged:
    return PullRequestChanged(
        delivery_id="d-4",
        repository=REPOSITORY,
        number=5,
        action=action,
        head_sha="c" * 40,
        base_ref="main",
        actor=ADA,
    )


def intents(event: Event) -> list[Intent]:
    return intents_of(event, mention="flowforge-bot", digest=DIGEST)


def comment_origin(body: str, ordinal: int, quoted: str) -> Origin:
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    return Origin(
        key=f"github:comment:99:{digest}:{ordinal}",
        delivery_id="d-1",
        repository=REPOSITORY,
        number=5,
        actor=ADA,
        comment_id=99,
        quoted=quoted,
    )


def test_each_command_becomes_its_intent() -> None:
    body = "/flowforge help\n/flowforge status\n/flowforge approve 1F3870B\n/flowforge discard\n/flowforge undo"
    lines = body.splitlines()
    assert intents(posted(body)) == [
        Help(origin=comment_origin(body, 0, lines[0])),
        Status(origin=comment_origin(body, 1, lines[1])),
        Approve(origin=comment_origin(body, 2, lines[2]), sha="1f3870b"),
        Reject(origin=comment_origin(body, 3, lines[3])),
        Rollback(origin=comment_origin(body, 4, lines[4])),
    ]


def test_the_configuration_can_be_asked_for() -> None:
    body = "/flowforge config"
    assert intents(posted(body)) == [ShowConfig(origin=comment_origin(body, 0, body))]


def test_take_and_approve_carry_what_they_name() -> None:
    body = "/flowforge take THEIRS `docs/old name.md`\n/flowforge approve --old-head 9AE0F6C 1f3870b"
    lines = body.splitlines()
    assert intents(posted(body)) == [
        TakeSide(origin=comment_origin(body, 0, lines[0]), choice=Choice.THEIRS, path="docs/old name.md"),
        Approve(origin=comment_origin(body, 1, lines[1]), sha="1f3870b", old_head="9ae0f6c"),
    ]


def test_resolve_carries_what_was_asked_for() -> None:
    body = "/flowforge resolve --budget 2.50 --model claude-x --strategy merge --dry-run keep both"
    plain, options = (
        "/flowforge resolve",
        Resolve(
            origin=comment_origin(body, 0, body),
            instructions="keep both",
            strategy=Strategy.MERGE,
            budget_usd=2.5,
            model="claude-x",
            dry_run=True,
        ),
    )
    assert intents(posted(body)) == [options]
    assert intents(posted(plain)) == [Resolve(origin=comment_origin(plain, 0, plain))]


@pytest.mark.parametrize(("word", "kind"), [("retry", Retry), ("cancel", Cancel)])
def test_retry_and_cancel(word: str, kind: type[Retry | Cancel]) -> None:
    (intent,) = intents(posted(f"/flowforge {word}"))
    assert type(intent) is kind


def test_all_faults_of_a_comment_get_one_answer_after_its_commands() -> None:
    body = "/flowforge reslove\n/flowforge help\n/flowforge approve 12\n"
    helped, misspelt = intents(posted(body))
    assert helped == Help(origin=comment_origin(body, 1, "/flowforge help"))
    assert misspelt == Misspelt(
        origin=comment_origin(body, 0, "/flowforge reslove"),
        message=(
            "- Line 1: There is no command `reslove`. Did you mean `resolve`?\n"
            "- Line 3: `sha` must be the first 7 or more hexadecimal digits of a commit, not `12`."
        ),
    )


def test_a_comment_without_commands_asks_for_nothing() -> None:
    assert intents(posted("Looks good to me.\n\n> /flowforge approve\n")) == []


def test_on_an_issue_there_are_no_conflicts() -> None:
    body = "\n\n".join(f"/flowforge {name}" for name in ("help", "resolve", "plan", "take ours x"))
    helped, planned, misspelt = intents(posted(body, on_pull_request=False))
    assert isinstance(helped, Help)
    assert isinstance(planned, Plan)
    assert isinstance(misspelt, Misspelt)
    assert misspelt.message == ("`/flowforge resolve`, `/flowforge take` work on pull requests only; this is an issue.")


def test_a_plan_is_for_issues() -> None:
    (misspelt,) = intents(posted("/flowforge plan"))
    assert isinstance(misspelt, Misspelt)
    assert misspelt.message == "`/flowforge plan` works on issues only; this is a pull request."


def test_work_brings_along_what_the_event_saw() -> None:
    seen = SeenText(title="A bug", body="It fails.", at=datetime(2026, 11, 1, tzinfo=UTC))
    event = replace(posted("/flowforge plan --budget 2 with care", on_pull_request=False), seen=seen)
    (plan,) = intents(event)
    assert isinstance(plan, Plan)
    assert (plan.instructions, plan.budget_usd, plan.origin.seen) == ("with care", 2.0, seen)


@pytest.mark.parametrize("name", [spec.name for spec in COMMANDS if Place.ISSUE not in spec.where])
def test_on_an_issue_nothing_is_done(name: CommandName) -> None:
    more = {CommandName.TAKE: " ours a.py", CommandName.OK: f" {'9' * 40}"}.get(name, "")
    (intent,) = intents(posted(f"/flowforge {name}{more}", on_pull_request=False))
    assert isinstance(intent, Misspelt)
    assert intent.message == f"`/flowforge {name}` works on pull requests only; this is an issue."


def test_an_edit_runs_what_it_added_as_the_editor() -> None:
    eve = Actor(id=12, login="eve")
    after = "/flowforge help\n/flowforge approve\n"
    (approve,) = intents(edited("/flowforge help\n", after, actor=eve))
    assert isinstance(approve, Approve)
    assert approve.origin.actor == eve
    assert approve.origin.key == comment_origin(after, 1, "").key


@pytest.mark.parametrize(
    "after", ["/flowforge approve", "now **bold**\n\n/flowforge approve", "> /flowforge approve", ""]
)
def test_an_edit_that_adds_no_command_does_nothing(after: str) -> None:
    assert intents(edited("/flowforge approve", after)) == []


def test_keys_differ_by_comment_body_and_place_and_are_the_same_again() -> None:
    event = posted("/flowforge help\n/flowforge help\n")
    keys = [intent.origin.key for intent in intents(event)]
    other_comment = [intent.origin.key for intent in intents(replace(event, comment_id=100))]
    other_body = [intent.origin.key for intent in intents(replace(event, body=event.body + "x"))]
    assert len({*keys, *other_comment, *other_body}) == 6
    redelivered = [intent.origin.key for intent in intents(replace(event, delivery_id="d-9"))]
    assert redelivered == keys


def test_only_the_beginning_of_a_long_line_is_quoted() -> None:
    (intent,) = intents(posted("/flowforge resolve " + "x" * 1000))
    assert len(intent.origin.quoted) == QUOTED_CHARACTERS


@given(st.text(max_size=60))
def test_no_comment_raises(body: str) -> None:
    for text in (body, "/flowforge " + body, body + "\n/flowforge help\ud800"):
        intents(posted(text))
        intents(edited("", text))
        intents(edited(text, ""))


def click_origin(action: str, delivery: str = "d-3") -> Origin:
    return Origin(
        key=f"github:click:42:{action}:{delivery}",
        delivery_id=delivery,
        repository=REPOSITORY,
        number=0,
        actor=ADA,
        job_id=JOB,
    )


def test_buttons_are_bound_to_what_they_were_shown_with() -> None:
    assert intents(clicked("approve")) == [Approve(origin=click_origin("approve"), proposal_id=PROPOSAL)]
    assert intents(clicked("discard")) == [Reject(origin=click_origin("discard"), proposal_id=PROPOSAL)]
    assert intents(clicked("retry")) == [Retry(origin=click_origin("retry"), proposal_id=PROPOSAL)]


@pytest.mark.parametrize("external_id", [JOB, make_external_id(JOB, PROPOSAL)])
def test_a_button_takes_a_side_of_the_only_open_conflict(external_id: str) -> None:
    wanted = {"take_ours": Choice.OURS, "take_theirs": Choice.THEIRS, "take_delete": Choice.DELETE}
    for action, choice in wanted.items():
        assert intents(clicked(action, external_id)) == [TakeSide(origin=click_origin(action), choice=choice)]
    assert intents(clicked("take_base", external_id)) == []


def test_every_button_means_something_and_fits_the_forge() -> None:
    for action in CheckActionName:
        assert len(action) <= 20
        shown_on = WATCH if action is CheckActionName.RESOLVE else make_external_id(JOB, PROPOSAL)
        assert len(intents(clicked(action, shown_on))) == 1


def test_the_conflict_watchs_button_names_its_pull_request_and_does_nothing_else() -> None:
    (intent,) = intents(clicked("resolve", WATCH))
    assert intent == Resolve(origin=replace(click_origin("resolve"), number=5, job_id=None))
    assert intents(clicked("resolve")) == []
    for action in ("approve", "retry", "discard", "take_ours", "rerequested"):
        assert intents(clicked(action, WATCH)) == []
    for odd in ("watch-0-" + "c" * 12, "watch-5-" + "C" * 12, "watch--5-" + "c" * 12, "watch-5-cc", WATCH + "\n"):
        assert intents(clicked("resolve", odd)) == []


def test_without_a_proposal_only_retry_has_a_meaning() -> None:
    assert intents(clicked("retry", JOB)) == [Retry(origin=click_origin("retry"))]
    assert intents(clicked("approve", JOB)) == []
    assert intents(clicked("discard", JOB)) == []


@pytest.mark.parametrize(
    ("action", "external_id"),
    [
        ("merge", make_external_id(JOB, PROPOSAL)),
        ("", JOB),
        ("approve", ""),
        ("approve", "x" * 32),
        ("retry", f"{JOB}:"),
    ],
)
def test_what_is_not_our_button_is_nothing(action: str, external_id: str) -> None:
    assert intents(clicked(action, external_id)) == []


def test_a_check_run_asked_for_again_is_a_retry() -> None:
    event = CheckRerequested(
        delivery_id="d-5",
        repository=REPOSITORY,
        check_run_id=42,
        external_id=make_external_id(JOB, PROPOSAL),
        head_sha="c" * 40,
        actor=ADA,
    )
    assert intents(event) == [Retry(origin=click_origin("rerequested", "d-5"), proposal_id=PROPOSAL)]
    assert intents(replace(event, external_id="somebody else's")) == []


LABEL = LabelAdded(
    delivery_id="d-6",
    repository=REPOSITORY,
    number=5,
    on_pull_request=True,
    label="flowforge",
    title="A change",
    body="/flowforge cancel",
    base_ref="main",
    actor=ADA,
)
ASSIGNED = Assigned(
    delivery_id="d-7",
    repository=REPOSITORY,
    number=5,
    on_pull_request=True,
    assignee=Actor(id=77, login="flowforge[bot]"),
    title="A change",
    body="",
    base_ref="main",
    actor=ADA,
)


@pytest.mark.parametrize(
    ("event", "said"), [(LABEL, "label flowforge"), (ASSIGNED, "assigned to flowforge[bot]")], ids=["label", "assigned"]
)
def test_a_mark_on_a_pull_request_asks_to_resolve_it_once(event: LabelAdded | Assigned, said: str) -> None:
    [intent] = intents(event)
    assert intent == Resolve(
        origin=Origin(
            key=f"github:mark:7#5:{DIGEST}",
            delivery_id=event.delivery_id,
            repository=REPOSITORY,
            number=5,
            actor=ADA,
            quoted=said,
            seen=SeenText(title=event.title, body=event.body),
        )
    )


def test_a_mark_on_an_issue_asks_to_implement_it_as_it_stands() -> None:
    [intent] = intents(replace(LABEL, on_pull_request=False))
    assert isinstance(intent, Implement)
    assert (intent.origin.subject, intent.instructions) == (-5, "")
    assert intent.origin.seen == SeenText(title="A change", body="/flowforge cancel")


@pytest.mark.parametrize(
    "event",
    [
        *(changed(action) for action in PullRequestAction),
        BranchPushed(delivery_id="d", repository=REPOSITORY, branch="main", before="0" * 40, after="c" * 40, actor=ADA),
        InstallationChanged(
            delivery_id="d", forge="github", installation_id=3, account="acme", action=InstallationAction.DELETED
        ),
        Pinged(delivery_id="d"),
        Unused(delivery_id="d", reason="not ours"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_other_events_ask_for_nothing(event: Event) -> None:
    assert intents(event) == []
