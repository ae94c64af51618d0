"""Make the picture of the README anew from a real run of the demo: ``.venv/bin/python tools/picture.py``.

The run is that of ``make demo ARGS='--once --yes'`` with the scripted model; only the console records what it shows.
"""  # noqa: INP001 - a script

import asyncio
import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from app.demo.display import Display
from app.demo.model.resolver import HonestResolver
from app.demo.stage import open_stage
from app.demo.steps import Progress, Step
from app.demo.story import Scene, Source, Story, set_up
from app.telemetry import configure_logging

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs/images/demo.svg"
WIDTH: Final = 110


async def record() -> Console:
    """Play the demo; the console holds what it showed."""
    # To a file of no terminal, a live display prints its last state only.
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=False, legacy_windows=False)
    display = Display(console)
    with tempfile.TemporaryDirectory(prefix="flowforge-demo-") as name:
        directory = Path(name)
        with (directory / "flowforge.log").open("w", encoding="utf-8") as log:
            configure_logging("INFO", log)
            await _play(directory, display)
            configure_logging("ERROR")
    return console


async def _play(directory: Path, display: Display) -> None:
    asked = list(Step).index(Step.PROPOSED) + 1
    async with open_stage(directory, script=HonestResolver(), overrides={"direct_calls": False}) as stage:
        display.opening(model="scripted", claude_code=stage.claude_code, directory=str(directory), sandboxes="")
        scene, progress = await set_up(stage, Source()), Progress()
        with contextlib.ExitStack() as stack:

            async def confirm(shown: Scene) -> bool:
                stack.close()
                display.proposal(shown)
                stack.enter_context(display.watching(progress, progress.wanted[asked:]))
                return True

            stack.enter_context(display.watching(progress, progress.wanted[:asked]))
            await Story(stage=stage, scene=scene, progress=progress, confirm=confirm).play()
        if not progress.complete:
            display.refusal(scene, "" if scene.job is None else scene.job.message or "")
            raise SystemExit(f"{display.console.export_text()}\nNot the whole way; the picture stays as it was.")
        display.closing(scene, kept=None)


def main() -> None:
    """Write the picture."""
    console = asyncio.run(record())
    svg = console.export_svg(title="make demo ARGS='--once --yes'", unique_id="demo")
    # Nothing is loaded from elsewhere: the browser's own monospaced font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
