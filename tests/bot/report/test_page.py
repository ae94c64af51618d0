"""The approval page, to the letter; that hostile words stay words; and that what is not shown cannot be approved."""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.forge import Actor, PullRequest
from bot.model.intents import IntentOutcome
from bot.model.jobs import JobState
from bot.model.page import PageView, Waiting
from bot.model.proposals import ProposalKind
from bot.model.reports import ShownDiffs
from bot.report import page, page_words
from bot.report.page_diff import ROOM
from bot.report.page_html import POLICY, prose, words
from tests.bot.report.parts import (
    ANNA,
    DIFF_AGAINST_BASE,
    DIFF_AGAINST_HEAD,
    NOTED,
    NOW,
    PROPOSAL,
    RECORDS,
    REPOSITORY,
    job,
)
from tests.bot.report.views import VIEWS
from tests.conftest import Golden

FORM: Final = page.Form(form="the-form", token="the-token")
PULL: Final = PullRequest(
    repository=REPOSITORY,
    number=12,
    title="Round the totals <b>well</b>",
    body="",
    open=True,
    merged=False,
    draft=False,
    author=ANNA,
    head_ref="round-totals",
    head_sha=PROPOSAL.head_sha,
    head_repository_id=REPOSITORY.id,
    head_full_name=REPOSITORY.full_name,
    base_ref="main",
    base_sha=PROPOSAL.base_sha,
    maintainer_can_modify=False,
    html_url="https://github.example/acme/shop/pull/12",
)
SEEN: Final = PageView(
    view=replace(VIEWS["resolve_awaiting_approval"], conflicts=RECORDS, gate=NOTED, proposal=PROPOSAL),
    actor=Actor(id=8, login="ben"),
    pull_request=PULL,
    diffs=ShownDiffs(against_head=DIFF_AGAINST_HEAD, against_base=DIFF_AGAINST_BASE),
    expires_at=NOW + timedelta(days=14),
    no_approval=None,
    no_discard=None,
)
PAGES: Final = {
    "may_approve": SEEN,
    "may_not": replace(SEEN, no_approval="`approve` needs write permission; you have read.", no_discard="No."),
    "rebase": replace(SEEN, view=replace(SEEN.view, proposal=replace(PROPOSAL, kind=ProposalKind.REBASE))),
    "under_way": replace(SEEN, asked=Waiting.UNDER_WAY),
    "too_large": replace(SEEN, diffs=ShownDiffs(against_head=None, against_base="")),
    "refused": replace(
        SEEN, asked=IntentOutcome(actor_id=8, decision="refused", rule="stale", message="The head moved to `abc`.")
    ),
    "done": replace(
        SEEN, view=replace(SEEN.view, job=job(JobState.PUBLISHED)), diffs=None, expires_at=None, no_approval="Done."
    ),
}


class Tags(HTMLParser):
    """Which tags, attributes and buttons a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.decisions: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.decisions += [value or "" for name, value in attrs if tag == "button" and name == "value"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page(name: str, golden: Golden) -> None:
    shown = page.render_proposal(PAGES[name], FORM)
    golden.check(f"report/page_{name}.html", shown.partition("<style>")[0] + shown.partition("</style>")[2])


def test_the_pages_of_few_words(golden: Golden) -> None:
    pages = [page.sign_in_page("gitlab", "/s"), page.not_found_page("/s"), page.plain_page("A title", "`code` & more")]
    golden.check("report/page_few_words.html", "\n".join(text.partition("</style>")[2] for text in pages))


def test_buttons_are_for_whom_they_are_meant_and_for_what_is_shown() -> None:
    decisions = {name: Tags(page.render_proposal(seen, FORM)).decisions for name, seen in PAGES.items()}
    both = ["approve", "discard"]
    assert decisions == {
        "may_approve": both,
        "may_not": [],
        "rebase": both,
        "under_way": both,
        "too_large": ["discard"],
        "refused": both,
        "done": [],
    }


@given(st.text(alphabet=st.sampled_from("<>&\"'`/= \n\t\u202e\u200bab+-@x\ud800"), max_size=60))
def test_words_of_others_never_become_tags(text: str) -> None:
    quiet = Tags(page.render_proposal(PAGES["may_not"], FORM) + page.render_proposal(SEEN, FORM))
    record = replace(RECORDS[0], path=f"p{text}", reasons=(text,), resolver=text)
    diff = f"diff --git a/{text} b/{text}\n--- a/x\n+++ b/{text}\n@@ -1 +1 @@\n-{text}\n+{text}\n"
    loud = replace(
        SEEN,
        view=replace(SEEN.view, conflicts=(record,)),
        actor=Actor(id=8, login=text),
        pull_request=replace(PULL, title=text),
        diffs=ShownDiffs(against_head=diff, against_base=diff),
        no_approval=text,
        asked=IntentOutcome(actor_id=8, decision="refused", rule="", message=text),
    )
    shown = page.render_proposal(loud, FORM)
    assert Tags(shown).tags <= quiet.tags | {"mark", "code"}
    assert Tags(shown).attributes <= quiet.attributes
    assert shown.encode()
    assert "\u202e" not in shown
    assert "\u200b" not in shown


def test_every_file_that_does_not_fit_is_named() -> None:
    large = "".join(
        f"diff --git a/f{n} b/f{n}\n--- a/f{n}\n+++ b/f{n}\n@@ -1 +1 @@\n-a\n+{'b' * (ROOM // 4)}\n" for n in range(6)
    )
    shown = page.render_proposal(replace(SEEN, diffs=ShownDiffs(against_head=large, against_base="")), FORM)
    assert len(shown) < 2 * ROOM
    assert page_words.not_shown(3, 6) in shown
    assert all(f"<code>f{n}</code>" in shown for n in range(6))


def test_no_page_brings_a_script_or_anything_from_elsewhere() -> None:
    for seen in PAGES.values():
        tags = Tags(page.render_proposal(seen, FORM))
        assert not tags.tags & {"script", "img", "iframe", "object", "link", "base", "svg", "video"}
        assert not {name for name in tags.attributes if name.startswith("on") or name in {"style", "src"}}
    assert "default-src 'none'" in POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert "unsafe" not in POLICY


def test_the_policy_lets_exactly_the_pages_style_in() -> None:
    """https://www.w3.org/TR/CSP3/#match-element-to-source-list : the hash is over what stands between the tags."""
    style = page.render_proposal(SEEN, FORM).partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in POLICY


def test_code_and_hidden_characters_in_prose() -> None:
    assert prose("a `b` ``c ` d`` <i>") == "a <code>b</code> <code>c ` d</code> &lt;i&gt;"
    assert words("a\u202eb") == "a<mark>U+202E</mark>b"
