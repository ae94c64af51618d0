"""Files that a tool writes are not merged by hand, and no model is asked about them."""

from pathlib import Path

from tests.app.local.conftest import OPEN, SETTLED, Program, diverge
from tests.app.local.test_model import each, run

MADE = "version: 1\nresolvers:\n  regenerate:\n    - paths: [gen/**]\n      command: make gen\n"


def test_what_a_command_makes_stays_open_and_names_the_command(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"gen/a.txt": SETTLED, "b.txt": SETTLED}, **{".flowforge.yml": MADE})
    made, plain = sorted(
        flowforge.resolve(shop.path, "--theirs", "side", code=2)["conflicts"], key=lambda one: one["path"] == "b.txt"
    )
    assert (made["path"], made["status"], made["blob"], made["hunks"]) == ("gen/a.txt", "open", None, [])
    assert (plain["path"], plain["status"]) == ("b.txt", "resolved")
    assert "`make gen`" in flowforge(shop.path, "resolve", "--theirs", "side").output


def test_the_word_of_one_side_is_enough(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"gen/a.txt": SETTLED})
    shop.commit({".flowforge.yml": MADE}, "a generator")
    assert flowforge.resolve(shop.path, "--theirs", "side", code=2)["conflicts"][0]["status"] == "open"


async def test_no_model_sees_a_lock_file_and_a_side_is_suggested(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"yarn.lock": OPEN, "a.txt": OPEN})
    done, model = await run(flowforge, shop, each("twenty, ours and theirs\n"))
    assert done.code == 2
    assert [call.path for call in model.calls if "yarn.lock" in str(call)] == []
    assert "A lock file is written by its tool and never merged." in done.output
    assert "suggestion: take theirs." in done.output
    assert "1 of 2 conflicted files resolved" in done.output
