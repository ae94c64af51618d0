"""For any two sides: git's own clean merge passes, and no merge with an edit beyond it does."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.local.begin import merge_of
from app.local.outcome import EXIT_OF_VERDICT, VerifyOutcome
from app.local.resolve import resolve
from app.local.verify import verify
from bot.git.clone import open_clone
from bot.model.resolutions import GateVerdict
from tests.bot.git.workshop import Workshop

LINES = [f"line {number}\n" for number in range(12)]
FILES = ["a.txt", "b.py", "d/c.json"]

Edit = tuple[str, int, str]
EDITS = st.lists(
    st.tuples(st.sampled_from(FILES), st.integers(0, len(LINES) - 1), st.sampled_from(["x\n", "", "y\nz\n"])),
    max_size=4,
)
SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def changed(edits: list[Edit]) -> dict[str, str | bytes | None]:
    lines = {name: list(LINES) for name in FILES}
    for name, line, text in edits:
        lines[name][line] = text
    return {name: "".join(text) for name, text in lines.items()}


def two_sides(where: Path, ours: list[Edit], theirs: list[Edit]) -> Workshop:
    shop = Workshop.create(where)
    shop.commit(changed([]), "base")
    shop.git("branch", "side")
    shop.commit(changed(ours), "ours")
    shop.git("checkout", "--quiet", "side")
    shop.commit(changed(theirs), "theirs")
    shop.git("checkout", "--quiet", "main")
    return shop


def verified(shop: Workshop) -> VerifyOutcome:
    async def run() -> VerifyOutcome:
        async with open_clone(shop.path) as clone:
            return await verify(clone, "HEAD")

    return asyncio.run(run())


SPACED = st.lists(
    st.tuples(
        st.just("a.txt"), st.integers(0, 3), st.sampled_from(["v = 1.2\n", "v = 1.10\n", "v  = 1.2\n", "", "w\n"])
    ),
    min_size=1,
    max_size=3,
)


@SLOW
@given(ours=SPACED, theirs=SPACED)
def test_what_is_resolved_passes_as_a_commit(ours: list[Edit], theirs: list[Edit]) -> None:
    async def run(shop: Workshop) -> str | None:
        async with open_clone(shop.path) as clone:
            found = (await resolve(clone, await merge_of(clone, "side"), model=None)).outcome
            if found.tree is not None:
                await clone.store([found.tree])
            return found.tree

    with tempfile.TemporaryDirectory() as root:
        shop = two_sides(Path(root) / "shop", ours, theirs)
        before = shop.state()
        tree = asyncio.run(run(shop))
        assert shop.state() == before
        if tree is not None:
            commit = shop.git("commit-tree", tree, "-p", "main", "-p", "side", "-m", "merged")
            shop.git("reset", "--quiet", "--hard", commit)
            assert verified(shop).gate.verdict is GateVerdict.PASS


@SLOW
@given(ours=EDITS, theirs=EDITS)
def test_git_s_own_clean_merge_always_passes(ours: list[Edit], theirs: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as root:
        shop = two_sides(Path(root) / "shop", ours, theirs)
        assume(shop.run("merge", "--quiet", "--no-edit", "--no-ff", "side").returncode == 0)
        outcome = verified(shop)
        assert outcome.gate.verdict is GateVerdict.PASS
        assert EXIT_OF_VERDICT[outcome.gate.verdict] == 0


@SLOW
@given(
    ours=EDITS,
    theirs=EDITS,
    evil=st.tuples(
        st.sampled_from([*FILES, "new.txt"]), st.integers(0, 3), st.sampled_from(["evil\n", "  evil", "\n"])
    ),
)
def test_a_merge_with_an_edit_beyond_never_passes(ours: list[Edit], theirs: list[Edit], evil: Edit) -> None:
    with tempfile.TemporaryDirectory() as root:
        shop = two_sides(Path(root) / "shop", ours, theirs)
        assume(shop.run("merge", "--quiet", "--no-commit", "--no-ff", "side").returncode == 0)
        name, line, text = evil
        lines = shop.read(name).splitlines(keepends=True) if (shop.path / name).exists() else []
        shop.put({name: b"".join([*lines[:line], text.encode(), *lines[line:]])})
        shop.git("add", "--all")
        shop.git("commit", "--quiet", "--allow-empty", "--no-edit", "-m", "evil")
        assert verified(shop).gate.verdict is not GateVerdict.PASS
