"""The set-up page in a real browser: its link, its cookie and its policy mean there what they are to mean."""

from pathlib import Path

from tests.app.setup.test_github_setup import running
from tests.browser.chromium import load, needs_chromium


@needs_chromium
async def test_the_link_opens_the_form_in_one_browser_and_nothing_of_the_page_is_blocked(tmp_path: Path) -> None:
    async with running(tmp_path, organization="acme", name="Acme FlowForge") as here:
        first = await load(here.link, tmp_path / "first")
        assert "<h1>Register the GitHub App</h1>" in first.dom
        assert f'<form action="{here.sim.base_url}/organizations/acme/settings/apps/new?state=' in first.dom
        assert "<button>Continue on GitHub</button>" in first.dom
        assert here.link.rpartition("/")[2] not in first.dom
        assert first.console == ""  # where the policy would say that it blocked the style
        second = await load(here.link, tmp_path / "second")
        assert "The link was opened before, and works once." in second.dom
        assert "<form" not in second.dom
        assert not here.work.done()
