import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.command_parser import parse_comment
from bot.config_keys import RepositoryConfig
from bot.model.forge import PullRequest
from bot.model.intents import Allowed, Refused
from bot.model.proposals import Approval, ApprovalVia, Proposal, ProposalKind, SuiteOutcome
from bot.model.reports import HandOver
from bot.policy.publication import approves, check_fresh, check_tests, hand_over
from tests.bot.policy.build import (
    ADA,
    BASE,
    COMMIT,
    DIFF,
    FORK,
    HEAD,
    OTHER,
    PASSED,
    PROPOSAL,
    PULL_REQUEST,
    STRICT,
    TREE,
)

GIT = shutil.which("git") or "git"
SHELL = shutil.which("sh") or "sh"
CLONE_URL = "https://github.com/acme/shop.git"

LIVE: dict[str, Any] = {
    "pull_request": PULL_REQUEST,
    "live_head": HEAD,
    "live_base": BASE,
    "tree": TREE,
    "diff_sha256": DIFF,
    "parents": (HEAD, BASE),
}
REVERT = replace(PROPOSAL, kind=ProposalKind.REVERT, parents=(HEAD,))
REBASE = replace(PROPOSAL, kind=ProposalKind.REBASE, parents=(OTHER,))
ANEW = "Nothing was pushed; `/flowforge resolve` makes a new proposal."


def fresh(proposal: Proposal = PROPOSAL, **changes: Any) -> Allowed | Refused:
    return check_fresh(proposal, **{**LIVE, **changes})


def test_what_was_shown_is_fresh() -> None:
    assert isinstance(fresh(), Allowed)
    assert isinstance(fresh(REVERT, parents=(HEAD,)), Allowed)


@given(
    outcome=st.sampled_from(SuiteOutcome),
    tree=st.sampled_from([TREE, OTHER]),
    kind=st.sampled_from(ProposalKind),
    must=st.booleans(),
)
def test_where_tests_have_to_pass_only_a_pass_on_exactly_this_tree_is_enough(
    outcome: SuiteOutcome,
    tree: str,
    kind: ProposalKind,
    must: bool,
) -> None:
    proposal = replace(PROPOSAL, kind=kind)
    config = STRICT if must else RepositoryConfig(version=1, test_command="make test")
    answer = check_tests(proposal, replace(PASSED, outcome=outcome, tree=tree), config, said_in="`a:2`")
    if not must or kind is ProposalKind.PARTIAL:
        assert answer is None
    elif outcome is SuiteOutcome.PASSED and tree == TREE:
        assert isinstance(answer, Allowed)
    else:
        assert isinstance(answer, Refused)
        assert answer.rule == "tests"


def test_tests_that_were_never_run_did_not_pass() -> None:
    assert isinstance(check_tests(PROPOSAL, None, STRICT, said_in="`a:2`"), Refused)
    assert check_tests(PROPOSAL, None, RepositoryConfig(version=1, test_command="make test"), said_in="") is None


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "the head moved": (
        {"live_head": OTHER, "pull_request": replace(PULL_REQUEST, head_sha=OTHER)},
        "The head was `aaaaaaaaaaaa` and is `eeeeeeeeeeee` now.",
    ),
    "the branch moved and the forge does not know yet": (
        {"live_head": OTHER},
        "The head was `aaaaaaaaaaaa` and is `eeeeeeeeeeee` now.",
    ),
    "the forge knows of a move that is not seen yet": (
        {"pull_request": replace(PULL_REQUEST, head_sha=OTHER)},
        "The head was `aaaaaaaaaaaa` and is `eeeeeeeeeeee` now.",
    ),
    "the head branch was deleted": ({"live_head": None}, "The head is gone."),
    "the base moved": ({"live_base": OTHER}, "The base branch was `bbbbbbbbbbbb` and is `eeeeeeeeeeee` now."),
    "the base was deleted": ({"live_base": None}, "The base branch is gone."),
    "another tree": ({"tree": OTHER}, "The tree of the proposed commit was `dddddddddddd` and is `eeeeeeeeeeee` now."),
    "another diff": ({"diff_sha256": "0" * 64}, "The diff was `ffffffffffff` and is `000000000000` now."),
    "other parents": ({"parents": (BASE, HEAD)}, "The proposed commit does not have the parents that were shown."),
    "one parent": ({"parents": (HEAD,)}, "The proposed commit does not have the parents that were shown."),
    "closed": ({"pull_request": replace(PULL_REQUEST, open=False)}, "The pull request is no longer open."),
    "several things": (
        {"live_head": OTHER, "live_base": OTHER},
        (
            "The head was `aaaaaaaaaaaa` and is `eeeeeeeeeeee` now. "
            "The base branch was `bbbbbbbbbbbb` and is `eeeeeeeeeeee` now."
        ),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_is_named(name: str) -> None:
    changes, message = CHANGES[name]
    refused = fresh(**changes)
    assert refused == Refused(rule="stale", message=f"{message} {ANEW}")
    assert parse_comment(message, mention="flowforge-bot") == []


def test_the_stored_parents_have_to_be_those_of_head_and_base() -> None:
    recorded = replace(PROPOSAL, parents=(HEAD, OTHER))
    assert isinstance(fresh(recorded, parents=(HEAD, OTHER)), Refused)
    assert isinstance(fresh(recorded), Refused)


def test_a_change_stands_on_the_head_alone() -> None:
    change = replace(REVERT, kind=ProposalKind.CHANGE)
    assert isinstance(fresh(change, parents=(HEAD,), live_base=OTHER), Allowed)
    assert isinstance(fresh(replace(change, parents=(OTHER,)), parents=(OTHER,)), Refused)
    assert isinstance(fresh(replace(change, parents=(HEAD, BASE)), parents=(HEAD, BASE)), Refused)
    moved = fresh(change, parents=(HEAD,), live_head=OTHER)
    assert isinstance(moved, Refused)
    assert moved.message.endswith("`/flowforge fix` makes a new proposal.")


def test_a_revert_does_not_depend_on_the_base() -> None:
    assert isinstance(fresh(REVERT, parents=(HEAD,), live_base=OTHER), Allowed)
    assert isinstance(fresh(REVERT, parents=(HEAD,), live_base=None), Allowed)
    assert isinstance(fresh(REVERT, parents=(HEAD,), live_head=OTHER), Refused)
    assert isinstance(fresh(REVERT, parents=(HEAD, BASE)), Refused)


def test_a_rebase_stands_on_a_commit_of_its_own_and_depends_on_the_base() -> None:
    assert isinstance(fresh(REBASE, parents=(OTHER,)), Allowed)
    assert isinstance(fresh(REBASE, parents=(OTHER,), live_base=OTHER), Refused)
    assert isinstance(fresh(REBASE, parents=(OTHER,), live_head=OTHER), Refused)
    assert isinstance(fresh(REBASE, parents=(HEAD,)), Refused)
    two = replace(REBASE, parents=(OTHER, BASE))
    assert isinstance(fresh(two, parents=(OTHER, BASE)), Refused)


def test_an_approval_counts_for_the_bytes_and_a_rebase_s_for_the_head_it_replaces() -> None:
    approval = Approval(
        proposal_id=PROPOSAL.id,
        actor=ADA,
        via=ApprovalVia.COMMENT,
        permission="write",
        commit=COMMIT,
        diff_sha256=DIFF,
    )
    assert approves(approval, PROPOSAL)
    assert not approves(replace(approval, commit=OTHER), PROPOSAL)
    assert not approves(replace(approval, diff_sha256="0" * 64), PROPOSAL)
    assert not approves(approval, REBASE)
    assert not approves(replace(approval, old_head=OTHER), REBASE)
    assert approves(replace(approval, old_head=HEAD), REBASE)


def test_what_leaves_conflicts_open_is_never_fresh() -> None:
    partial = replace(PROPOSAL, kind=ProposalKind.PARTIAL)
    assert fresh(partial) == Refused(rule="stale", message=f"It leaves conflicts open. {ANEW}")


COMMANDS = (
    "git fetch https://github.com/acme/shop.git refs/heads/flowforge/5-11111111",
    f"git merge --ff-only {COMMIT}",
    f"git push https://github.com/grace/shop.git {COMMIT}:refs/heads/cart",
)


def handed(proposal: Proposal, pull_request: PullRequest, clone_url: str = CLONE_URL) -> HandOver:
    return hand_over(proposal, pull_request=pull_request, clone_url=clone_url, reason="So it is for you:")


def test_what_no_rung_brings_to_a_fork_is_left_to_people_with_the_commands() -> None:
    assert handed(PROPOSAL, FORK) == HandOver(reason="So it is for you:", commands=COMMANDS)


@pytest.mark.parametrize("head_ref", ["main", "flowforge/5-11111111"])
def test_no_name_makes_a_fork_s_branch_ours(head_ref: str) -> None:
    way = handed(PROPOSAL, replace(FORK, head_ref=head_ref))
    assert way.commands[-1].startswith("git push https://github.com/grace/shop.git ")


def test_of_a_deleted_fork_only_the_result_is_left() -> None:
    gone = replace(FORK, head_repository_id=None, head_full_name=None)
    assert handed(PROPOSAL, gone).commands == COMMANDS[:1]


def test_of_a_fork_that_we_may_not_see_only_the_result_is_left() -> None:
    assert handed(PROPOSAL, replace(FORK, head_full_name=None)).commands == COMMANDS[:1]


def test_a_push_that_the_forge_refuses_is_handed_over_too() -> None:
    way = hand_over(PROPOSAL, pull_request=PULL_REQUEST, clone_url=CLONE_URL, reason="The branch is protected.")
    assert way.reason == "The branch is protected."
    assert way.commands[-1] == f"git push https://github.com/acme/shop.git {COMMIT}:refs/heads/cart"


def git(where: Path, *arguments: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(where),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run([GIT, *arguments], cwd=where, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(where: Path, name: str) -> str:
    (where / name).write_text(name, encoding="utf-8")
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", name)
    return git(where, "rev-parse", "HEAD")


def bare_fork(forge: Path, name: str) -> None:
    git(forge, "clone", "-q", "--bare", "acme/shop.git", f"{name}.git")


NASTY = ["cart", "a'b;$(touch${IFS}pwned)", "&&touch${IFS}pwned", '"`touch${IFS}pwned`"', "-x", "日本#1", "main"]


@pytest.mark.parametrize("head_ref", NASTY)
def test_the_commands_do_what_they_say_whatever_the_branch_is_called(head_ref: str, tmp_path: Path) -> None:
    """Real git, a real shell: the fork's branch ends at exactly the proposed commit, and nothing else happened."""
    forge, work, fork = tmp_path / "it's a forge", tmp_path / "work", tmp_path / "fork"
    (forge / "acme").mkdir(parents=True)
    git(forge, "init", "-q", "--bare", "-b", "main", "acme/shop.git")
    git(tmp_path, "init", "-q", "-b", "main", str(work))
    head = commit(work, "one")
    git(work, "push", "-q", str(forge / "acme/shop.git"), "HEAD:refs/heads/main")
    bare_fork(forge, "grace/shop")
    git(work, "push", "-q", str(forge / "grace/shop.git"), f"{head}:refs/heads/{head_ref}")
    proposed = commit(work, "two")
    proposal = replace(PROPOSAL, commit=proposed, head_sha=head)
    git(work, "push", "-q", str(forge / "acme/shop.git"), f"HEAD:refs/heads/{proposal.branch}")
    git(tmp_path, "clone", "-q", str(forge / "grace/shop.git"), str(fork))
    git(fork, "checkout", "-q", "--detach", head)

    pull_request: PullRequest = replace(FORK, head_ref=head_ref, head_sha=head)
    way = handed(proposal, pull_request, str(forge / "acme/shop.git"))
    for command in way.commands:
        subprocess.run([SHELL, "-c", command], cwd=fork, capture_output=True, check=True)

    assert git(forge / "grace/shop.git", "rev-parse", f"refs/heads/{head_ref}") == proposed
    assert git(fork, "rev-parse", "HEAD") == proposed
    assert git(forge / "acme/shop.git", "rev-parse", "refs/heads/main") == head
    assert not [path for path in tmp_path.rglob("pwned*") if "refs" not in path.parts]


@pytest.mark.parametrize("kind", [ProposalKind.MERGE, ProposalKind.REBASE])
def test_the_last_command_overwrites_nothing(tmp_path: Path, kind: ProposalKind) -> None:
    forge, work = tmp_path / "forge", tmp_path / "work"
    (forge / "acme").mkdir(parents=True)
    git(forge, "init", "-q", "--bare", "-b", "main", "acme/shop.git")
    git(tmp_path, "init", "-q", "-b", "main", str(work))
    head = commit(work, "one")
    git(work, "push", "-q", str(forge / "acme/shop.git"), "HEAD:refs/heads/main")
    bare_fork(forge, "grace/shop")
    proposed = commit(work, "two")
    git(work, "checkout", "-q", "--detach", head)
    newer = commit(work, "three")
    git(work, "push", "-q", str(forge / "grace/shop.git"), f"{newer}:refs/heads/cart")

    pull_request = replace(FORK, head_sha=head)
    proposal = replace(PROPOSAL, kind=kind, commit=proposed, head_sha=head)
    way = hand_over(proposal, pull_request=pull_request, clone_url=str(forge / "acme/shop.git"), reason="")
    push = subprocess.run([SHELL, "-c", way.commands[-1]], cwd=work, capture_output=True, check=False)
    assert push.returncode != 0
    assert git(forge / "grace/shop.git", "rev-parse", "refs/heads/cart") == newer


def test_a_rebase_is_handed_over_as_a_push_by_force_that_names_the_old_head(tmp_path: Path) -> None:
    forge, work, fork = tmp_path / "forge", tmp_path / "work", tmp_path / "fork"
    (forge / "acme").mkdir(parents=True)
    git(forge, "init", "-q", "--bare", "-b", "main", "acme/shop.git")
    git(tmp_path, "init", "-q", "-b", "main", str(work))
    base = commit(work, "one")
    git(work, "push", "-q", str(forge / "acme/shop.git"), "HEAD:refs/heads/main")
    bare_fork(forge, "grace/shop")
    head = commit(work, "two")
    git(work, "push", "-q", str(forge / "grace/shop.git"), "HEAD:refs/heads/cart")
    git(work, "checkout", "-q", "--detach", base)
    commit(work, "three")
    rebased = commit(work, "two")
    proposal = replace(REBASE, commit=rebased, head_sha=head)
    git(work, "push", "-q", str(forge / "acme/shop.git"), f"HEAD:refs/heads/{proposal.branch}")
    git(tmp_path, "clone", "-q", "-b", "cart", str(forge / "grace/shop.git"), str(fork))

    way = handed(proposal, replace(FORK, head_sha=head), str(forge / "acme/shop.git"))
    for command in way.commands:
        subprocess.run([SHELL, "-c", command], cwd=fork, capture_output=True, check=True)
    assert git(forge / "grace/shop.git", "rev-parse", "refs/heads/cart") == rebased == git(fork, "rev-parse", "HEAD")
