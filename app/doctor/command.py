"""``flowforge doctor``."""

import json
import sys

import rich_click as click
from rich.console import Console

from app.doctor.display import show
from app.doctor.main import examine
from app.doctor.schema import doctor_document, is_well
from app.running import run_to_end
from app.settings import ServiceSettings, load_settings
from app.telemetry import configure_logging


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (docs/schemas/doctor-1.json).")
@click.option("--no-probe", is_flag=True, help="Start no probe sandbox.")
def doctor(*, as_json: bool, no_probe: bool) -> None:
    """Look the installation over, with the settings of a worker.

    The exit status is 0 where nothing failed, else 1.
    """
    configure_logging("ERROR")
    checks = run_to_end(examine(lambda: load_settings(ServiceSettings), probe=not no_probe))
    if as_json:
        click.echo(json.dumps(doctor_document(checks), indent=2))
    else:
        show(Console(highlight=False), checks)
    sys.exit(0 if is_well(checks) else 1)
