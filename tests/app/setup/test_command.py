"""``flowforge github setup`` as a person runs it."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.demo.simulator.server import Simulator
from tests.app.setup.browser import Browser

URL = ("--url", "https://flowforge.example.org")


async def test_the_command_prints_a_link_and_then_looks_the_installation_over(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWFORGE_")}
    async with (
        Simulator.serve(tmp_path / "sim", webhook_secret="s" * 16, enterprise=True) as sim,
        Browser() as browser,
        asyncio.timeout(60),
    ):
        arguments = ["github", "setup", *URL, "--host", sim.base_url, "--output", str(secrets)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.cli", *arguments),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/setup/open/\S+", said)):
            line = (await process.stdout.readline()).decode()
            assert line, said
            said += line
        assert await browser.open(found[0]) == 200
        await browser.press()
        assert await browser.press() == 200
        said += (await process.stdout.read()).decode()
        # The rest of the settings is not there yet: the doctor names it.
        assert await process.wait() == 1
        assert f"The App flowforge is registered. Install it: {sim.base_url}/apps/flowforge/installations/new" in said
        assert "FLOWFORGE_DATABASE_URL: Field required" in said
        assert "GITHUB" not in said.upper().partition("FLOWFORGE_DATABASE_URL")[2]
        shown = [sim.webhooks.secret, sim.app.private_key_pem.splitlines()[3]]
        assert [secret for secret in shown if secret in said] == []
        assert not re.search(r"[?&]code=", said)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*URL], "--output DIR or --kubernetes-secret NAMESPACE/NAME"),
        ([*URL, "--output", "s", "--kubernetes-secret", "a/b"], "exclude each other"),
        (["--url", "http://flowforge.example.org", "--output", "s"], "--url must begin with https://"),
        (["--url", "https://flowforge.example.org/path", "--output", "s"], "--url must be a scheme and a host"),
        (["--url", "https://me:pw@flowforge.example.org", "--output", "s"], "--url must be a scheme and a host"),
        ([*URL, "--host", "https://ghe.example; form-action *", "--output", "s"], "--host must be a scheme and a host"),
        ([*URL, "--output", "s", "--name", "x" * 35], "may have 34 characters"),
        ([*URL, "--output", "s", "--forge", "gitlab-two"], "--forge has to be `github`"),
        ([*URL, "--output", "s", "--forge", "github-../x"], "--forge has to be `github`"),
        ([*URL, "--kubernetes-secret", "only-a-name"], "has to be NAMESPACE/NAME"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_registered(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLOWFORGE_SECRETS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["github", "setup", *arguments])
    assert done.exit_code in {1, 2}
    assert says in " ".join(re.sub("[│╭╮╰╯─]", " ", done.output).split())
    assert "/setup/open/" not in done.output
