"""``flowforge github setup``."""

import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import rich_click as click
from rich.console import Console

from app.doctor.display import show
from app.doctor.main import examine
from app.doctor.schema import is_well
from app.running import run_to_end
from app.sealed import SUFFIX
from app.settings import ServiceSettings, load_settings, secrets_directory
from app.setup.github import Plan, Registered, chart_values, entry, set_up
from app.setup.manifest import check_address
from app.setup.places import open_keeper
from app.system import SystemClock
from app.telemetry import configure_logging
from bot.errors import ForgeError, SettingsError
from bot.forges.github.registration import DOT_COM, api_url
from bot.forges.github.transport import open_http
from bot.model.forge import ForgeKind, is_forge_name, kind_of

_MOUNTED: Final = Path("/etc/flowforge/secrets")
"""Where the chart mounts the secrets that it knows."""

_LINK: Final = """\
Open this link in a browser on this machine. It works once, for ten minutes:

  {link}

From another machine, first: ssh -L {port}:127.0.0.1:{port} <this machine>
"""


@click.group()
def github() -> None:
    """Set up GitHub."""


@github.command()
@click.option("--url", required=True, metavar="URL", help="Where GitHub reaches the web service.")
@click.option("--organization", metavar="NAME", help="Whose App it will be; by default your own.")
@click.option("--host", default=DOT_COM, show_default=True, metavar="URL", help="The GitHub, for an Enterprise Server.")
@click.option("--name", metavar="NAME", help="The App's name; GitHub's page lets you change it, too.")
@click.option(
    "--forge",
    default=ForgeKind.GITHUB.value,
    show_default=True,
    metavar="NAME",
    help="For a further App or host: its name with us, such as github-ghes.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the secrets as sealed files in DIR; by default in FLOWFORGE_SECRETS_DIR.",
)
@click.option("--kubernetes-secret", metavar="NAMESPACE/NAME", help="Keep them in this Secret instead.")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), envvar="KUBECONFIG", metavar="FILE", help="How to reach it."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; by default a free one.")
def setup(
    *,
    url: str,
    organization: str | None,
    host: str,
    name: str | None,
    forge: str,
    output: Path | None,
    kubernetes_secret: str | None,
    kubeconfig: Path | None,
    port: int,
) -> None:
    """Register the GitHub App, keep its secrets, and look the installation over.

    The secrets are never shown. docs/operations.md says what happens step by step.
    """
    configure_logging("ERROR")
    directory = output or secrets_directory()
    if kubernetes_secret is None and directory is None:
        raise click.UsageError("say where the secrets go: --output DIR or --kubernetes-secret NAMESPACE/NAME")
    if not is_forge_name(forge) or kind_of(forge) is not ForgeKind.GITHUB:
        raise click.UsageError("--forge has to be `github`, or `github-` and words of lower-case letters and digits")
    if kubernetes_secret is not None and output is not None:
        raise click.UsageError("--output and --kubernetes-secret exclude each other")
    try:
        plan = Plan(
            host=check_address(host, what="--host"),
            organization=organization,
            service=check_address(url, what="--url"),
            name=name,
            forge=forge,
        )
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    registered = run_to_end(_registered(plan, directory, kubernetes_secret, kubeconfig, port))
    click.echo(f"The App {registered.slug} is registered. Install it: {registered.install}")
    if forge != ForgeKind.GITHUB:
        where, suffix = (directory, SUFFIX) if kubernetes_secret is None and directory else (_MOUNTED, "")
        click.echo("Add this to FLOWFORGE_FORGES, then run flowforge doctor:")
        if kubernetes_secret is not None:
            click.echo("(Mount the Secret's two new keys at the paths that it names.)")
        click.echo(json.dumps(entry(plan, registered, where.absolute(), suffix), indent=2))
        return
    if kubernetes_secret is not None:
        click.echo(
            "Give this to the chart as a file of values (JSON is YAML), beside your own, and upgrade the release:"
        )
        click.echo(json.dumps(chart_values(plan, registered, kubernetes_secret.partition("/")[2]), indent=2))
        click.echo("Then, in the cluster: kubectl exec deploy/flowforge-worker -- flowforge doctor")
        return
    if sys.stdin.isatty():
        click.prompt("Press Enter when it is installed", default="", show_default=False)
    sys.exit(_examined(directory))


async def _registered(
    plan: Plan, directory: Path | None, secret: str | None, kubeconfig: Path | None, port: int
) -> Registered:
    async with AsyncExitStack() as stack:
        keeper = open_keeper(stack, directory, secret, kubeconfig)
        http = await stack.enter_async_context(open_http(api_url(plan.host)))
        try:
            return await set_up(plan, keeper=keeper, http=http, clock=SystemClock(), say_link=_say_link, port=port)
        except ForgeError as error:
            raise SettingsError(
                f"{error}. Nothing was kept. If GitHub made an App, delete it at {plan.host}/settings/apps (or among "
                "the organization's settings), and run the command again"
            ) from None


def _say_link(link: str) -> None:
    click.echo(_LINK.format(link=link, port=link.split("/")[2].rpartition(":")[2]))


def _examined(directory: Path | None) -> int:
    """Show what the doctor says with the new secrets; the exit status of that."""
    checks = run_to_end(examine(lambda: load_settings(ServiceSettings, secrets=directory), probe=False))
    show(Console(highlight=False), checks)
    return 0 if is_well(checks) else 1
