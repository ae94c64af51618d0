"""Which ways are worth trying for a fork, and why others are not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.forge import GitAccess
from bot.model.proposals import ProposalKind
from bot.policy.ladder import Ladder, OpenPullRequest, PushToHead, ladder, publication_of
from tests.bot.policy.build import COMMIT, FORK, HEAD, PROPOSAL, PULL_REQUEST

OPEN_FORK = replace(FORK, maintainer_can_modify=True, author=replace(FORK.author, login="Grace"))
BESIDE = OpenPullRequest(branch="flowforge/for-5-11111111", new=COMMIT)
INTO_FORK = PushToHead(ref="refs/heads/cart", expected=HEAD, new=COMMIT, fork="grace/shop")


def test_a_branch_of_the_repository_itself_is_pushed_to_and_nothing_else() -> None:
    assert ladder(PROPOSAL, PULL_REQUEST) == Ladder(rungs=(replace(INTO_FORK, fork=""),))


def test_an_editable_fork_of_the_author_is_tried_first() -> None:
    assert ladder(PROPOSAL, OPEN_FORK) == Ladder(rungs=(INTO_FORK, BESIDE))


CLOSED = {
    "not editable": (
        replace(OPEN_FORK, maintainer_can_modify=False),
        "The author of the pull request does not let maintainers change `grace/shop`.",
    ),
    "an organisation's": (
        replace(OPEN_FORK, head_full_name="umbrella/shop"),
        "The fork `umbrella/shop` does not belong to the author of the pull request.",
    ),
    "deleted": (replace(OPEN_FORK, head_repository_id=None, head_full_name=None), "The fork was deleted."),
    "not for us to see": (replace(OPEN_FORK, head_full_name=None), "The fork is not for FlowForge to see."),
    "odd": (
        replace(OPEN_FORK, head_full_name="grace/../acme/shop"),
        "The fork has a name that FlowForge does not push to: `grace/../acme/shop`.",
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_fork_that_is_closed_to_us_is_not_tried_and_the_reason_is_told(name: str) -> None:
    pull_request, reason = CLOSED[name]
    assert ladder(PROPOSAL, pull_request) == Ladder(rungs=(BESIDE,), skipped=(reason,))


def test_a_fork_is_never_pushed_to_by_force() -> None:
    found = ladder(replace(PROPOSAL, kind=ProposalKind.REBASE), OPEN_FORK)
    assert found.rungs == (BESIDE,)
    assert "A rebase replaces commits" in found.skipped[0]


def test_a_revert_belongs_on_the_head_or_nowhere() -> None:
    revert = replace(PROPOSAL, kind=ProposalKind.REVERT, parents=(HEAD,))
    assert ladder(revert, OPEN_FORK).rungs == (INTO_FORK,)
    assert ladder(revert, FORK).rungs == ()


@given(st.text(max_size=40) | st.from_regex(r"[a-z./:@#%?-]{1,30}"))
def test_no_name_of_a_fork_leads_to_another_host(name: str) -> None:
    pull_request = replace(OPEN_FORK, head_full_name=name, author=replace(FORK.author, login=name.rpartition("/")[0]))
    access = GitAccess(url="https://github.com/acme/shop.git", authorization="Basic x")
    for rung in ladder(PROPOSAL, pull_request).rungs:
        fork = publication_of(rung, PROPOSAL).fork
        if fork:
            url = access.at(fork, instead_of="acme/shop").url
            assert url == f"https://github.com/{name}.git"
            assert not set(url) & set("@?#%:\\ ") - {":"}
            assert url.count(":") == 1
            assert ".." not in url
