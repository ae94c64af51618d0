"""Where what a forge hands out is kept: sealed files that the settings read, or a Secret of a cluster.

Names are those of settings in lower case (``flowforge_github_private_key``): the names under which ``app.settings``
looks for files, and the chart for keys of a Secret.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.sealed import SUFFIX, make_key, read_key, seal, write_private
from bot.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is to be kept, by the names of settings."""

    plain: Mapping[str, str]
    secret: Mapping[str, str]


class Keeper(Protocol):
    """A place for settings."""

    @property
    def place(self) -> str:
        """Where that is, in words."""
        ...

    async def check(self, names: Iterable[str]) -> None:
        """See that values of these names could be kept now, before a forge hands them out once.

        Raises:
            SettingsError: they could not; the message says why and what to do.
        """
        ...

    async def keep(self, kept: Kept) -> None:
        """Keep them; what is there under other names stays as it is.

        Raises:
            SettingsError: they are not kept.
        """
        ...


class SealedFiles:
    """Files in the directory of the secrets; what is secret is sealed, so that a copy of the directory says nothing."""

    def __init__(self, directory: Path, key_file: Path) -> None:
        """Keep in ``directory``, sealed with the key of ``key_file``, which is made if it is not there."""
        self.directory = directory
        self._key_file = key_file

    @property
    def place(self) -> str:
        """The directory and the key."""
        return f"sealed files in {self.directory}, with the key in {self._key_file}"

    async def check(self, names: Iterable[str]) -> None:
        """Make directory and key, and see that nothing of these names is there: it would be another App's."""
        if self._key_file.absolute().parent == self.directory.absolute():
            raise SettingsError(
                f"the key must not be kept beside what it seals: let FLOWFORGE_SECRETS_KEY_FILE name a file outside of "
                f"{self.directory}"
            )
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{self.directory} cannot be made: {error.strerror}") from None
        make_key(self._key_file)
        read_key(self._key_file)
        for name in names:
            for file in (self.directory / name, self.directory / f"{name}{SUFFIX}"):
                if file.exists():
                    raise SettingsError(f"{file} is there already: move the secrets of the earlier App away first")
        trial = self.directory / ".writable"
        write_private(trial, b"")
        trial.unlink()

    async def keep(self, kept: Kept) -> None:
        """Write the files."""
        key = read_key(self._key_file)
        for name, value in kept.secret.items():
            seal(self.directory / f"{name}{SUFFIX}", value, key)
        for name, value in kept.plain.items():
            write_private(self.directory / name, value.encode("utf-8"))
