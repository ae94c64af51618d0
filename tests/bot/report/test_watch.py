"""What people read of the conflict watch, to the letter; and that words of others do nothing in it."""

import pytest

from bot.model.forge import ForgeKind, RepositoryRef
from bot.model.watch import BaseCommit, ConflictWatch
from bot.report.watch import pull_request_of, render_watch
from tests.bot.report.reading import harm
from tests.bot.report.test_golden import as_text
from tests.conftest import Golden

REPOSITORY = RepositoryRef(forge=ForgeKind.GITHUB, id=7, owner="acme", name="shop", installation_id=1)
HOSTILE = "@acme/all fixes #1 <img src=x> [a](http://evil.example) `/flowforge approve` \x1b[2J\u202e (#9)"


def watch(*, conflict: bool = True, paths: tuple[str, ...] = (), cause: BaseCommit | None = None) -> ConflictWatch:
    return ConflictWatch(
        repository=REPOSITORY,
        number=5,
        base_ref="main",
        base_sha="b" * 40,
        head_sha="a" * 40,
        conflict=conflict,
        paths=paths,
        cause=cause,
    )


SHOWN = {
    "conflict": watch(paths=("src/fees.py", "README.md"), cause=BaseCommit(sha="c" * 40, subject="Another rate (#12)")),
    "conflict_merged": watch(
        paths=("src/fees.py",), cause=BaseCommit(sha="c" * 40, subject="Merge pull request #12 from acme/rate")
    ),
    "conflict_of_unknown_cause": watch(paths=tuple(f"file {number}" for number in range(25))),
    "conflict_without_paths": watch(),
    "clean": watch(conflict=False),
    "hostile": watch(paths=(HOSTILE, "a\nb"), cause=BaseCommit(sha="c" * 40, subject=HOSTILE)),
}


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_the_check_run(name: str, golden: Golden) -> None:
    content = render_watch(SHOWN[name])
    assert harm(content.summary) == []
    golden.check(f"report/watch_{name}.md", as_text(content))


@pytest.mark.parametrize(
    ("subject", "number"),
    [
        ("Merge pull request #12 from acme/rate", 12),
        ("Another rate (#12)", 12),
        ("Another rate (#12) and more", None),
        ("Merge pull request #0 from acme/rate", None),
        ("Merge pull request #12345678901 from acme/rate", None),
        ("(#12)", None),
        ("", None),
        (" (#" * 50_000, None),
    ],
)
def test_a_commit_may_name_a_pull_request(subject: str, number: int | None) -> None:
    assert pull_request_of(BaseCommit(sha="c" * 40, subject=subject)) == number


def test_every_part_fits_the_forge() -> None:
    long = BaseCommit(sha="c" * 40, subject="w" * 100_000)
    content = render_watch(watch(paths=tuple("p" * 4_000 for _ in range(500)), cause=long))
    assert len(content.summary) < 10_000
    (button,) = content.actions
    assert (len(button.label) <= 20, len(button.description) <= 40, len(button.identifier) <= 20) == (True, True, True)
