"""Where secrets are kept: looked at before the forge hands them out, and never over those of an earlier App."""

from pathlib import Path

import pytest

from app.sealed import default_key_file
from app.setup.keeping import Kept, SealedFiles
from bot.errors import SettingsError

NAMES = ["flowforge_github_private_key", "flowforge_github_app_id"]
KEPT = Kept(plain={"flowforge_github_app_id": "7"}, secret={"flowforge_github_private_key": "a key"})


def keeper(directory: Path) -> SealedFiles:
    return SealedFiles(directory, default_key_file(directory))


async def test_a_trial_leaves_nothing_but_directory_and_key(tmp_path: Path) -> None:
    directory = tmp_path / "etc" / "secrets"
    await keeper(directory).check(NAMES)
    assert list(directory.iterdir()) == []
    assert directory.stat().st_mode & 0o077 == 0
    assert default_key_file(directory).is_file()


@pytest.mark.parametrize("sealed", ["", ".sealed"])
async def test_secrets_of_an_earlier_app_are_not_overwritten(tmp_path: Path, sealed: str) -> None:
    directory = tmp_path / "secrets"
    directory.mkdir()
    old = directory / f"flowforge_github_private_key{sealed}"
    old.write_text("the old one")
    with pytest.raises(SettingsError, match="is there already: move the secrets of the earlier App away first"):
        await keeper(directory).check(NAMES)
    assert old.read_text() == "the old one"


async def test_a_key_beside_what_it_seals_would_be_no_seal(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must not be kept beside"):
        await SealedFiles(tmp_path, tmp_path / "key").check(NAMES)


async def test_what_cannot_be_written_is_known_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be made"):
        await keeper(tmp_path / "file" / "secrets").check(NAMES)


async def test_other_files_stay(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    directory.mkdir()
    (directory / "flowforge_database_url").write_text("sqlite:///db")
    place = keeper(directory)
    await place.check(NAMES)
    await place.keep(KEPT)
    assert sorted(file.name for file in directory.iterdir()) == [
        "flowforge_database_url",
        "flowforge_github_app_id",
        "flowforge_github_private_key.sealed",
    ]
    assert (directory / "flowforge_github_app_id").read_text() == "7"
