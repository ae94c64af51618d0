"""Sealed secrets: with the key they are settings, without it they are nothing."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from app.sealed import default_key_file, make_key, read_key, seal, unseal
from app.settings import CommonSettings, GatewaySettings, load_settings
from bot.errors import SettingsError

URL = "sqlite:////var/lib/flowforge/db"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "ANTHROPIC_API_KEY", "SECRETS_KEY_FILE"):
        monkeypatch.delenv(f"FLOWFORGE_{name}", raising=False)
    made = tmp_path / "secrets"
    made.mkdir()
    monkeypatch.setenv("FLOWFORGE_SECRETS_DIR", str(made))
    return made


def put(directory: Path, name: str, value: str, key_file: Path) -> Path:
    make_key(key_file)
    file = directory / f"flowforge_{name}.sealed"
    seal(file, value, read_key(key_file))
    return file


def database_url() -> str:
    return load_settings(CommonSettings).database_url.get_secret_value()


def test_a_sealed_file_is_a_setting_and_a_copy_of_the_directory_says_nothing(directory: Path) -> None:
    file = put(directory, "database_url", URL, default_key_file(directory))
    assert database_url() == URL
    assert "sqlite" not in file.read_text()
    assert file.stat().st_mode & 0o077 == default_key_file(directory).stat().st_mode & 0o077 == 0
    assert list(directory.iterdir()) == [file]


def test_environment_and_plain_files_go_before_sealed_ones(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(directory, "database_url", URL, default_key_file(directory))
    (directory / "flowforge_database_url").write_text("sqlite:///plain\n")
    assert database_url() == "sqlite:///plain"
    monkeypatch.setenv("FLOWFORGE_DATABASE_URL", "sqlite:///environment")
    assert database_url() == "sqlite:///environment"


def test_keys_can_be_changed(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("FLOWFORGE_SECRETS_KEY_FILE", str(keys))
    file = put(directory, "database_url", URL, keys)
    old = keys.read_text()
    keys.write_text(f"{Fernet.generate_key().decode()}\n{old}")
    assert database_url() == URL
    seal(file, URL, read_key(keys))  # with the new key
    keys.write_text(old)
    with pytest.raises(SettingsError, match="was not sealed with this key"):
        database_url()


def test_a_process_opens_only_what_it_reads(directory: Path) -> None:
    put(directory, "anthropic_api_key", "sk-ant-of-a-test", default_key_file(directory))
    spoiled = directory / "flowforge_github_private_key.sealed"
    spoiled.write_text("spoiled")
    put(directory, "database_url", URL, default_key_file(directory))
    assert load_settings(GatewaySettings).anthropic_api_key.get_secret_value() == "sk-ant-of-a-test"


@pytest.mark.parametrize("trouble", ["no key", "no key in it", "another key", "changed"])
def test_what_cannot_be_opened_is_named_and_nothing_of_it_is_shown(directory: Path, trouble: str) -> None:
    key_file = default_key_file(directory)
    file = put(directory, "database_url", URL, key_file)
    kept = key_file.read_text().strip()
    match trouble:
        case "no key":
            key_file.unlink()
        case "no key in it":
            key_file.write_text("not-a-key")
        case "another key":
            key_file.write_text(Fernet.generate_key().decode())
        case _:
            file.write_text(file.read_text()[:-8])
    with pytest.raises(SettingsError) as caught:
        database_url()
    assert str(file.name if trouble in {"another key", "changed"} else key_file) in str(caught.value)
    assert kept not in str(caught.value)
    assert "not-a-key" not in str(caught.value)


def test_making_a_key_leaves_the_one_that_is_there(directory: Path) -> None:
    file = put(directory, "database_url", URL, default_key_file(directory))
    make_key(default_key_file(directory))
    assert unseal(file, read_key(default_key_file(directory))) == URL
