"""Secrets in files that only the holder of a key can read.

``<setting>.sealed`` in the directory of the secrets holds the value of a setting, encrypted with the key of another
file, which is to be kept apart from it: a copy of the directory, in a backup or a repository, gives nothing away. The
form is Fernet's, AES-128-CBC with an HMAC (https://cryptography.io/en/latest/fernet/). The key's file has one key a
line; the first one seals, all of them open, so that keys can be changed.
"""

import base64
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from bot.errors import SettingsError

SUFFIX: Final = ".sealed"
"""What the name of such a file ends in."""


def default_key_file(directory: Path) -> Path:
    """Where the key is when nothing else is said: beside the directory, never in it."""
    directory = directory.absolute()
    return directory.with_name(f"{directory.name}.key")


def make_key(file: Path) -> None:
    """Make a key, unless there is one. Only its owner may read it.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise SettingsError(f"the key cannot be made in {file}: {error.strerror}") from None
    with os.fdopen(handle, "wb") as stream:
        stream.write(Fernet.generate_key() + b"\n")


def read_key(file: Path) -> MultiFernet:
    """The keys of a file.

    Raises:
        SettingsError: there is none, or what is there is none; nothing of it is shown.
    """
    try:
        keys = file.read_text(encoding="ascii").split()
        return MultiFernet([Fernet(key) for key in keys])
    except OSError as error:
        raise SettingsError(f"the key of the sealed secrets cannot be read from {file}: {error.strerror}") from None
    except ValueError:
        raise SettingsError(f"{file} does not hold a key for sealed secrets") from None


def derived_key(secret: str, *, purpose: str) -> Fernet:
    """A key that whoever has ``secret`` can make, and that tells nothing of it; another one for another purpose.

    ``secret`` is a machine's, long and random: nothing here slows down who would guess a person's.
    """
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"flowforge {purpose}".encode())
    return Fernet(base64.urlsafe_b64encode(derivation.derive(secret.encode())))


def seal(file: Path, value: str, key: MultiFernet) -> None:
    """Write a secret, sealed, whole or not at all. Only its owner may read the file.

    Raises:
        SettingsError: it cannot be written.
    """
    write_private(file, key.encrypt(value.encode("utf-8")))


def unseal(file: Path, key: MultiFernet) -> str:
    """The secret in a file.

    Raises:
        SettingsError: it cannot be read, or not with this key.
    """
    try:
        return key.decrypt(file.read_bytes().strip()).decode("utf-8")
    except OSError as error:
        raise SettingsError(f"{file.name} cannot be read: {error.strerror}") from None
    except (InvalidToken, UnicodeDecodeError):
        raise SettingsError(f"{file.name} was not sealed with this key, or was changed") from None


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        handle, making = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # readable for its owner alone
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                os.fsync(stream.fileno())
            Path(making).replace(file)
        except BaseException:
            Path(making).unlink()
            raise
    except OSError as error:
        raise SettingsError(f"{file.name} cannot be written to {file.parent}: {error.strerror}") from None


class SealedSource(PydanticBaseSettingsSource):
    """The sealed files of a directory as a source of settings: only those of the settings that a process reads."""

    def __init__(self, settings_cls: type[BaseSettings], directory: Path, key_file: Path) -> None:
        super().__init__(settings_cls)
        self._directory = directory
        self._key_file = key_file

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's
        """The secret of a setting, None where no sealed file is there. Raises ``SettingsError``."""
        file = self._directory / f"flowforge_{field_name}{SUFFIX}"
        value = unseal(file, read_key(self._key_file)) if file.is_file() else None
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All of them by the names of their settings."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}
