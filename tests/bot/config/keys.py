"""Valid files, each with some of the keys."""

import json
from typing import Any

from hypothesis import strategies as st

from bot.config_keys import Permissions

WRITER_LEVELS = st.sampled_from(["write", "maintain", "admin"])
LEVELS = st.sampled_from(["read", "triage", "write", "maintain", "admin"])
ANY_LEVEL = {"help", "status", "cancel"}
GLOBS = st.lists(st.sampled_from(["infra/**", "*.lock", "/a/b", "docs", "src/**/x.py"]), max_size=3, unique=True)

TIERS = st.lists(
    st.fixed_dictionaries(
        {
            "match": st.sampled_from(["infra/**", "*.lock", "docs", "**"]),
            "tier": st.sampled_from(["auto", "approve", "two_approvals", "never"]),
        }
    ),
    max_size=3,
)

FILES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional={
        "enabled": st.booleans(),
        "paused": st.booleans(),
        "permissions": st.fixed_dictionaries(
            {},
            optional={name: LEVELS if name in ANY_LEVEL else WRITER_LEVELS for name in Permissions.__struct_fields__},
        ),
        "bots": st.lists(st.sampled_from(["renovate", "dependabot"]), max_size=2),
        "model": st.sampled_from(["opus", "sonnet", None]),
        "budget_usd": st.sampled_from([0.5, 1, 5, 20.25]),
        "timeout_minutes": st.integers(1, 120),
        "max_conflicted_files": st.integers(1, 1000),
        "protected_paths": GLOBS,
        "paths": TIERS,
        "approvals": st.fixed_dictionaries(
            {},
            optional={
                "required": st.integers(1, 5),
                "requester_may_approve": st.booleans(),
                "codeowners": st.booleans(),
            },
        ),
        "resolvers": st.fixed_dictionaries(
            {},
            optional={
                "rules": st.booleans(),
                "direct": st.booleans(),
                "agent": st.booleans(),
                "direct_max_hunks": st.integers(1, 50),
            },
        ),
        "tests_must_pass": st.booleans(),
        "test_command": st.sampled_from(["make test", "tox"]),
        "on_conflict": st.sampled_from(["off", "report", "resolve"]),
        "on_check_failure": st.sampled_from(["nothing", "fix"]),
        "fork_pull_requests": st.sampled_from(["off", "ask", "allow"]),
    },
)


def as_file(data: dict[str, Any]) -> bytes:
    """JSON is YAML."""
    return json.dumps(data).encode()
