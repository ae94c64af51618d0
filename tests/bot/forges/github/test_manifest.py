"""The App asks for exactly what the code uses: no event more, no permission more, and none less."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from githubkit_schemas.v2026_03_10.models import AppPermissions

from bot.forges.github.app_auth import PERMISSIONS
from bot.forges.github.deliveries import DECODED_EVENTS, UNSUBSCRIBED_EVENTS

LEVELS = ["read", "write", "admin"]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    path = Path(__file__).parents[4] / "app-manifest.yml"
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def test_it_subscribes_to_exactly_the_events_that_are_decoded(manifest: dict[str, Any]) -> None:
    events = manifest["default_events"]
    assert sorted(events) == sorted(DECODED_EVENTS - UNSUBSCRIBED_EVENTS)
    assert len(set(events)) == len(events)
    assert UNSUBSCRIBED_EVENTS < DECODED_EVENTS


def test_it_asks_for_exactly_the_permissions_that_the_acts_use(manifest: dict[str, Any]) -> None:
    used: dict[str, str] = {}
    for permissions in PERMISSIONS.values():
        for name, level in permissions.items():
            used[name] = max(used.get(name, "read"), level, key=LEVELS.index)
    assert manifest["default_permissions"] == used


def test_the_permissions_are_such_as_github_knows(manifest: dict[str, Any]) -> None:
    assert set(manifest["default_permissions"]) <= set(AppPermissions.model_fields)
    AppPermissions.model_validate(manifest["default_permissions"])


def test_it_is_private_and_has_what_githubs_form_wants(manifest: dict[str, Any]) -> None:
    # https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest#github-app-manifest-parameters
    known = {
        "name", "url", "hook_attributes", "redirect_url", "callback_urls", "setup_url", "description", "public",
        "default_events", "default_permissions", "request_oauth_on_install", "setup_on_update",
    }  # fmt: skip
    assert set(manifest) <= known
    assert manifest["public"] is False
    assert manifest["hook_attributes"]["active"] is True
    urls = [manifest["url"], manifest["redirect_url"], manifest["hook_attributes"]["url"]]
    assert all(url.startswith("https://flowforge.example.com") for url in urls)
    assert urls[2].endswith("/webhooks/github")
