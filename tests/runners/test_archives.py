"""What comes back of work in words: the files that changed, and those that are to go."""

import pytest

from bot.errors import IngestError
from bot.model.runs import WorkAnswer
from runners.archives import TarArchives
from tests.bot.handlers.puppet import result_archive
from tests.runners.bench import LIMITS


def read(changed: dict[str, bytes], *deleted: str) -> WorkAnswer:
    archive = result_archive(changed, {"summary": "Done.", "deleted": list(deleted)})
    return TarArchives().read_work(archive, limits=LIMITS)


def test_what_is_to_go_is_not_changed_and_counts_once() -> None:
    answer = read({"a.py": b"a", "b.py": b"b"}, "b.py", "c.py", "c.py")
    assert (answer.changed, answer.deleted) == ({"a.py": b"a"}, ("b.py", "c.py"))


@pytest.mark.parametrize("path", ["../a.py", "/etc/passwd", "./a.py", "", ".git/config", "a\nb", "a//b"])
def test_what_is_no_path_of_a_repository_is_no_answer(path: str) -> None:
    with pytest.raises(IngestError):
        read({}, path)
