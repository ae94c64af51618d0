"""The document of ``flowforge doctor --json`` and its JSON Schema (draft 2020-12)."""

from collections.abc import Sequence
from typing import Any, Final

from app import __version__
from app.doctor.main import ALWAYS, NAMES
from app.doctor.model import Check, State

DOCUMENT_VERSION: Final = 1


def is_well(checks: Sequence[Check]) -> bool:
    """Whether nothing failed."""
    return not any(check.state is State.FAILED for check in checks)


def doctor_document(checks: Sequence[Check]) -> dict[str, Any]:
    """The checks as JSON has them."""
    return {
        "version": DOCUMENT_VERSION,
        "flowforge": __version__,
        "ok": is_well(checks),
        "checks": [
            {
                "name": check.name,
                "forge": check.forge,
                "state": check.state.value,
                "says": check.says,
                "todo": check.todo,
            }
            for check in checks
        ],
    }


def doctor_schema() -> dict[str, Any]:
    """What every document of this version is like."""
    check = _object(
        {
            "name": {"enum": list(NAMES)},
            "forge": {"type": "string", "description": "The configured forge that it is about, empty for all else."},
            "state": {"enum": [state.value for state in State]},
            "says": {"type": "string", "description": "What is the case. No secret is in it."},
            "todo": {"type": "string", "description": "What to do; never empty where the check failed."},
        }
    )
    check["if"] = {"properties": {"state": {"const": State.FAILED.value}}}
    check["then"] = {"properties": {"todo": {"minLength": 1}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flowforge doctor",
        **_object(
            {
                "version": {"const": DOCUMENT_VERSION},
                "flowforge": {"type": "string", "description": "The version of FlowForge."},
                "ok": {"type": "boolean", "description": "Whether nothing failed; then the exit status is 0."},
                "checks": {"type": "array", "items": check, "minItems": len(ALWAYS)},
            }
        ),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
