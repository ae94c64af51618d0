"""The JSON Schemas (draft 2020-12) of the documents; ``python -m app.docs`` writes them to ``docs/schemas``."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from app.local.outcome import Progress, Remerge, Status
from bot.model.conflicts import ConflictKind
from bot.model.resolutions import Confidence, GateVerdict, LineOrigin, Tier

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

_OID: Final = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_PATH: Final = {
    "type": "string",
    "minLength": 1,
    "description": "The path in the repository. Bytes that are no UTF-8 are lone surrogates, U+DC80 to U+DCFF.",
}


def _nullable(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}], **more}


def _values(values: Iterable[StrEnum]) -> dict[str, Any]:
    return {"enum": [value.value for value in values]}


def _object(properties: dict[str, Any], description: str = "") -> dict[str, Any]:
    said = {"description": description} if description else {}
    return {
        "type": "object",
        **said,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], description: str = "") -> dict[str, Any]:
    return {"type": "array", "items": items, **({"description": description} if description else {})}


def _pair(first: dict[str, Any], second: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "array",
        "prefixItems": [first, second],
        "items": False,
        "minItems": 2,
        "description": description,
    }


_LINE: Final = {"type": "integer", "minimum": 1}
_PLACE: Final = _pair(
    _LINE,
    _COUNT,
    "First line, from 1, and count of lines in this side's own file. Without lines: the line they would stand before.",
)
_SPAN: Final = _object(
    {
        "lines": _pair(_LINE, _LINE, "First and last line of `content`, from 1."),
        "from": _values(LineOrigin),
    },
)
_CHECK: Final = _object(
    {
        "name": {"type": "string"},
        "verdict": _values(GateVerdict),
        "path": _nullable(_PATH),
        "lines": _nullable(_pair(_LINE, _LINE, "First and last line of the result, from 1.")),
        "message": {"type": "string"},
    },
    "One remark of one check; a check that has none is there once, as passed.",
)
_HUNK: Final = _object(
    {
        "ours": _PLACE,
        "theirs": _PLACE,
        "status": _values(Progress),
        "resolver": _nullable({"type": "string"}, description="The resolver that gave `content`."),
        "tier": _nullable(_values(Tier)),
        "content": _nullable(
            {"type": "string"},
            description="The text in the hunk's place: applied when `resolved`, else only shown. Bytes that are no "
            "UTF-8 are lone surrogates, U+DC80 to U+DCFF.",
        ),
        "provenance": _list(_SPAN, "Where each line of `content` comes from."),
        "reason": {"type": "string", "description": "Why this content, or why none. Untrusted when a model wrote it."},
        "confidence": _nullable(_values(Confidence)),
    },
)
_CONFLICT: Final = _object(
    {
        "path": _PATH,
        "kind": _values(ConflictKind),
        "stages": _object(
            {number: _nullable(_OID) for number in "123"},
            "The blobs: 1 the ancestor, 2 ours, 3 theirs. In a rebase `ours` is the commit that is taken over, which "
            "git's index has as stage 3.",
        ),
        "status": _values(Progress),
        "resolver": _nullable({"type": "string"}, description="Of several, the one that costs most."),
        "tier": _nullable(_values(Tier)),
        "blob": _nullable(_OID, description="The resolved file; null when it is not wholly resolved, or deleted."),
        "hunks": _list(_HUNK),
    },
)


def resolve_schema() -> dict[str, Any]:
    """The schema of what ``flowforge resolve --json`` prints."""
    tokens = ("model_calls", "input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens")
    usage = dict.fromkeys(tokens, _COUNT) | {
        "request_bytes": _list(_COUNT, "Of each call."),
        "cost_usd": {"type": "number", "minimum": 0},
    }
    properties = {
        "schema": {"const": 1},
        "ours": _OID,
        "theirs": _OID,
        "merge_bases": _list(_OID),
        "status": _values(Status),
        "tree": _nullable(_OID, description="The merged tree; null unless everything is resolved."),
        "conflicts": _list(_CONFLICT),
        "gate": _object({"verdict": _values(GateVerdict), "checks": _list(_CHECK)}),
        "usage": _object(usage, "What the model was used for it; money in US dollars."),
    }
    return {"$schema": _DRAFT, "title": "flowforge resolve --json, version 1", **_object(properties)}


def config_schema() -> dict[str, Any]:
    """The schema of what ``flowforge config check --json`` prints."""
    text = {"type": "string"}
    error = _object({"path": text, "line": _nullable(_LINE), "key": _nullable(text), "message": text})
    effective = _object({"key": text, "value": {}, "source": _nullable(text, description="Null for a default.")})
    properties = {
        "schema": {"const": 1},
        "valid": {"type": "boolean"},
        "files": _list(text, "The files that were read, the outermost first."),
        "errors": _list(error, "Of each file the first one."),
        "effective": _nullable(_list(effective), description="What holds; null when something is invalid."),
    }
    return {"$schema": _DRAFT, "title": "flowforge config check --json, version 1", **_object(properties)}


def verify_schema() -> dict[str, Any]:
    """The schema of what ``flowforge verify --json`` prints."""
    conflict = _object({"path": _PATH, "kind": _values(ConflictKind)})
    properties = {
        "schema": {"const": 1},
        "commit": _OID,
        "parents": {"type": "array", "items": _OID, "minItems": 2, "maxItems": 2},
        "verdict": _values(GateVerdict),
        "checks": _list(_CHECK),
        "remerge": _object(
            {"status": _values(Remerge), "conflicts": _list(conflict)},
            "What git says when it merges the parents again.",
        ),
    }
    return {"$schema": _DRAFT, "title": "flowforge verify --json, version 1", **_object(properties)}
