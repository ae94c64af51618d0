"""The payloads our tests decode are such as GitHub describes them, or the tests would show nothing."""

import json
from typing import Any

import pytest
from githubkit.webhooks import parse

from tests.bot.forges.github import samples

CASES = [
    ("issue_comment", samples.issue_comment()),
    ("issue_comment", samples.issue_comment("edited", before="old")),
    ("issue_comment", samples.issue_comment("deleted")),
    *(
        ("pull_request", samples.pull_request(action))
        for action in ("opened", "reopened", "closed", "synchronize", "edited", "labeled", "assigned")
    ),
    ("issues", samples.issues("labeled")),
    ("issues", samples.issues("assigned")),
    ("issues", samples.issues("closed")),
    ("check_run", samples.check_run("requested_action")),
    ("check_run", samples.check_run("rerequested")),
    ("check_run", samples.check_run("completed")),
    ("push", samples.push()),
    ("ping", samples.ping()),
    *(
        ("installation", samples.installation(action))
        for action in ("created", "deleted", "suspend", "unsuspend", "new_permissions_accepted")
    ),
    ("installation_repositories", samples.installation_repositories("added")),
    ("installation_repositories", samples.installation_repositories("removed")),
]


@pytest.mark.parametrize(("event", "payload"), CASES)
def test_the_sample_is_as_github_describes_it(event: str, payload: dict[str, Any]) -> None:
    parse(event, json.dumps(payload))
