"""``flowforge gitlab setup``."""

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import rich_click as click
from rich.console import Console

from app.doctor.display import show
from app.doctor.model import Check
from app.doctor.schema import is_well
from app.forge_settings import GitLabHost, OAuthGrant
from app.running import run_to_end
from app.settings import load_settings, secrets_directory
from app.setup.gitlab import HOOKS_PATH, Wish, look, set_up
from app.setup.manifest import check_address
from app.setup.places import open_keeper
from app.setup.settings import FurtherForgesSettings, GitLabSetupSettings
from app.system import SystemClock
from app.telemetry import configure_logging
from bot.errors import SettingsError
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.secrets import read_secret
from bot.model.forge import ForgeKind, ForgeName, is_forge_name, kind_of


@click.group()
def gitlab() -> None:
    """Set up GitLab."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    forge: ForgeName
    path: str
    service: str
    labels: Sequence[str]
    only_look: bool
    output: Path | None
    secret: str | None
    kubeconfig: Path | None


@gitlab.command()
@click.argument("target", metavar="PROJECT|GROUP")
@click.option("--url", required=True, metavar="URL", help="Where GitLab reaches the web service.")
@click.option(
    "--forge",
    default=ForgeKind.GITLAB.value,
    show_default=True,
    metavar="NAME",
    help="For a further GitLab: its name in FLOWFORGE_FORGES, such as gitlab-acme.",
)
@click.option("--label", "labels", multiple=True, default=("flowforge",), show_default=True, help="A label to make.")
@click.option("--check", is_flag=True, help="Change nothing; say what is missing, and have GitLab send a test.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep a new webhook secret as a sealed file in DIR; by default in FLOWFORGE_SECRETS_DIR.",
)
@click.option("--kubernetes-secret", metavar="NAMESPACE/NAME", help="Keep it in this Secret instead.")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), envvar="KUBECONFIG", metavar="FILE", help="How to reach it."
)
def setup(
    *,
    target: str,
    url: str,
    forge: str,
    labels: Sequence[str],
    check: bool,
    output: Path | None,
    kubernetes_secret: str | None,
    kubeconfig: Path | None,
) -> None:
    """Make the webhook and the labels of a project or group, or bring them up to date, and verify them.

    FLOWFORGE_GITLAB_TOKEN is the token, or what the entry of a further GitLab has; a Maintainer's of the project, or an
    Owner's of the group, has the rights.
    """
    configure_logging("ERROR")
    if not is_forge_name(forge) or kind_of(forge) is not ForgeKind.GITLAB:
        raise click.UsageError("--forge has to be `gitlab`, or `gitlab-` and words of lower-case letters and digits")
    try:
        service = check_address(url, what="--url")
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    options = _Options(
        forge=forge,
        path=target,
        service=service,
        labels=labels,
        only_look=check,
        output=output,
        secret=kubernetes_secret,
        kubeconfig=kubeconfig,
    )
    checks = run_to_end(_checks(options))
    show(Console(highlight=False), checks)
    sys.exit(0 if is_well(checks) else 1)


async def _checks(options: _Options) -> list[Check]:
    directory = options.output or secrets_directory()
    host = _host(options.forge, directory if directory and directory.is_dir() else None)
    known = [read_secret(secret.get_secret_value().encode()) for secret in host.webhook_secrets]
    wish = Wish(
        path=options.path,
        address=f"{options.service}{HOOKS_PATH}{host.name}",
        labels=options.labels,
        secret=next((one.value.decode() for one in known if one.project is None), None),
        bound={one.project: one.value.decode() for one in reversed(known) if one.project is not None},
    )
    async with AsyncExitStack() as stack:
        if isinstance(host.token, OAuthGrant):
            raise SettingsError(
                f"{host.name} acts by OAuth, whose tokens only the service renews; give this command an access token "
                "of its own"
            )
        client = GitLabClient(base_url=host.url, token=host.token.get_secret_value(), clock=SystemClock())
        stack.callback(client.close)
        if options.only_look:
            return await look(client, wish)
        keeper = None if known else open_keeper(stack, directory, options.secret, options.kubeconfig)
        return await set_up(client, wish, keeper)


def _host(forge: ForgeName, secrets: Path | None) -> GitLabHost:
    """The GitLab of that name. The first one may have no webhook secret yet; further ones have theirs in files."""
    if forge != ForgeKind.GITLAB:
        return load_settings(FurtherForgesSettings, secrets=secrets).gitlab(forge)
    first = load_settings(GitLabSetupSettings, secrets=secrets)
    return GitLabHost(
        name=forge, url=first.gitlab_url, token=first.gitlab_token, webhook_secrets=first.gitlab_webhook_secrets
    )
