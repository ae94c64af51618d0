"""The command ``flowforge demo``."""

import sys
from pathlib import Path
from typing import Any

import rich_click as click

from app.demo.database import DatabaseKind
from app.demo.main import DemoOptions, run_demo
from app.demo.sandboxes import SandboxOptions
from app.demo.steps import Scenario, Step
from app.running import run_to_end
from app.settings import RunnerKind
from bot.model.forge import ForgeKind


@click.command()
@click.option("--once", is_flag=True, help="Exit after the main job instead of serving until Ctrl-C.")
@click.option("--yes", is_flag=True, help="Approve without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; all else goes to standard error.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Leave repositories, database, transcript and logs there."
)
@click.option(
    "--bundle",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A git bundle with the branches base, ours and theirs as the pull request.",
)
@click.option(
    "--repo", type=click.Path(exists=True, path_type=Path), help="A repository to take the pull request from."
)
@click.option("--head", help="With --repo: the pull request's head, any ref.")
@click.option("--base", help="With --repo: the base branch, any ref.")
@click.option(
    "--answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON object, path to resolved text: what the scripted model answers.",
)
@click.option("--until", type=click.Choice([step.value for step in Step]), help="Stop after this step.")
@click.option(
    "--database",
    type=click.Choice([kind.value for kind in DatabaseKind]),
    default=DatabaseKind.SQLITE.value,
    help="Where the rows are kept. A PostgreSQL is the one DATABASE_URL names, else one that the demo starts.",
)
@click.option(
    "--forge",
    type=click.Choice([kind.value for kind in ForgeKind]),
    default=ForgeKind.GITHUB.value,
    help="Which forge is simulated.",
)
@click.option(
    "--scenario",
    type=click.Choice([one.value for one in Scenario]),
    default=Scenario.CONFLICT.value,
    help="What is shown: a pull request in conflict, an issue that becomes one, or one from a fork.",
)
@click.option("--direct", is_flag=True, help="Let small conflicts go to the model in one call, without an agent's run.")
@click.option(
    "--runner",
    type=click.Choice([kind.value for kind in RunnerKind]),
    default=RunnerKind.PROCESS.value,
    help="Where runs are executed: child processes (no sandbox), containers, or Jobs of a Kubernetes cluster.",
)
@click.option("--image", help="The guest image for containers and Jobs; by default what FLOWFORGE_RUN_IMAGE names.")
@click.option("--runtime", help="The container runtime (runc, crun, runsc), or the pods' RuntimeClass.")
@click.option("--context", help="The kubeconfig's context to use; without it, you are asked.")
@click.option(
    "--gateway-host",
    envvar="FLOWFORGE_DEMO_GATEWAY_HOST",
    help="This machine's address as the cluster's pods reach it.",
)
def demo(**options: Any) -> None:
    """Run the main job on embedded parts: SQLite, its own Redis, a simulated forge, the real Claude Code."""
    options["database"] = DatabaseKind(options["database"])
    options["forge"] = ForgeKind(options["forge"])
    options["scenario"] = Scenario(options["scenario"])
    options["until"] = None if options["until"] is None else Step(options["until"])
    names = {name: options.pop(name) for name in ("image", "runtime", "context", "gateway_host")}
    options["sandboxes"] = SandboxOptions(runner=RunnerKind(options.pop("runner")), **names)
    sys.exit(run_to_end(run_demo(DemoOptions(**options))))
