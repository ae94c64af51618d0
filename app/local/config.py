"""``flowforge config``: look at a configuration before it is pushed, with no service running and no forge asked.

Exit status: 0 valid, 2 invalid, 1 an error, a wrong use of the command included.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rich_click as click

from app.local.display import harmless
from app.local.document import SCHEMA, printed
from app.local.using import Command, Group, complain
from bot.config import parse_layer
from bot.config_keys import CONFIG_PATH
from bot.config_layers import Effective, merge, read_layers
from bot.config_yaml import MAX_BYTES
from bot.errors import BadInputError, ConfigError
from bot.model.forge import ConfigFile
from bot.report.effective import DEFAULT, rows, written

INVALID: Final = 2
_LINE: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found: the files that were read, what is wrong with them, and what holds if nothing is."""

    files: tuple[str, ...]
    errors: tuple[ConfigError, ...]
    effective: Effective | None


@click.group(cls=Group)
def config() -> None:
    """Look at a repository's configuration."""


@config.command(cls=Command)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--organisation", metavar="FILE", type=click.Path(path_type=Path), help="What binds the repository.")
@click.option("--effective", is_flag=True, help="Show every key with its value and where it was said.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(*, path: Path | None, organisation: Path | None, effective: bool, as_json: bool) -> None:
    """Check a configuration file: PATH, or the one in that directory; else the one in this directory.

    With --organisation and no PATH, that file is checked by itself. Exit status: 0 valid, 2 invalid, 1 an error.
    """
    own = Path() if path is None and organisation is None else path
    own = own / CONFIG_PATH if own is not None and own.is_dir() else own
    try:
        files = [_file(each) for each in (organisation, own) if each is not None]
    except BadInputError as error:
        complain(str(error))
    checked = check_files(files, whole=own is not None)
    if as_json:
        click.echo(printed(document(checked)))
    else:
        for line in lines(checked, effective=effective):
            click.echo(harmless(line, limit=_LINE))
    sys.exit(INVALID if checked.errors else 0)


def check_files(files: list[ConfigFile], *, whole: bool) -> Checked:
    """Check each file by itself, then all of them together unless what they lack may come from elsewhere."""
    errors: list[ConfigError] = []
    effective = Effective()
    for file in files:
        try:
            effective = merge(effective, parse_layer(file.data, path=file.path))
        except ConfigError as error:
            errors.append(error)
    if whole and not errors:
        try:
            effective = read_layers(files)
        except ConfigError as error:
            errors.append(error)
    paths = tuple(file.path for file in files)
    return Checked(files=paths, errors=tuple(errors), effective=None if errors else effective)


def lines(checked: Checked, *, effective: bool) -> list[str]:
    """What is shown in a terminal."""
    if checked.effective is None:
        return [_complaint(error) for error in checked.errors]
    shown = rows(checked.effective) if effective else []
    valid = f"{', '.join(checked.files)}: valid"
    return [valid, *(f"{key}: {written(value)}  # {source or DEFAULT}" for key, value, source in shown)]


def document(checked: Checked) -> dict[str, Any]:
    """What ``--json`` prints; its schema is in ``docs/schemas``."""
    whole = checked.effective
    return {
        "schema": SCHEMA,
        "valid": not checked.errors,
        "files": list(checked.files),
        "errors": [
            {"path": error.path, "line": error.line, "key": error.key, "message": str(error)}
            for error in checked.errors
        ],
        "effective": None
        if whole is None
        else [{"key": key, "value": value, "source": source or None} for key, value, source in rows(whole)],
    }


def _complaint(error: ConfigError) -> str:
    where = error.path if error.line is None else f"{error.path}:{error.line}"
    return f"{where}: {'' if error.key is None else f'{error.key}: '}{error}"


def _file(path: Path) -> ConfigFile:
    """Read a file, no more of it than the parser looks at."""
    try:
        with path.open("rb") as opened:
            return ConfigFile(path=str(path), data=opened.read(MAX_BYTES + 1))
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}") from None
