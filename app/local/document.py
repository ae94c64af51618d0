"""The JSON documents of ``flowforge resolve`` and ``flowforge verify``; their schemas are in ``docs/schemas``.

Paths and contents are bytes in git and texts in JSON: what is no UTF-8 stands there as lone surrogates, U+DC80 to
U+DCFF for the bytes 80 to FF, so that nothing is lost (PEP 383, https://peps.python.org/pep-0383/).
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from app.local.outcome import HunkOutcome, PathOutcome, ResolveOutcome, VerifyOutcome
from bot.model.conflicts import Side, Stage
from bot.model.resolutions import Finding, GateResult, GateVerdict, ProvenanceSpan
from bot.model.runs import Usage

SCHEMA: Final = 1

_STAGES: Final = {"1": Side.ANCESTOR, "2": Side.OURS, "3": Side.THEIRS}


def printed(document: Mapping[str, Any]) -> str:
    """A document as one line of ASCII: nothing in it can move a cursor."""
    return json.dumps(document, ensure_ascii=True)


def resolve_document(outcome: ResolveOutcome) -> dict[str, Any]:
    """What ``flowforge resolve --json`` prints."""
    return {
        "schema": SCHEMA,
        "ours": outcome.ours,
        "theirs": outcome.theirs,
        "merge_bases": list(outcome.merge_bases),
        "status": outcome.status.value,
        "tree": outcome.tree,
        "conflicts": [_conflict(path) for path in outcome.paths],
        "gate": {"verdict": outcome.gate.verdict.value, "checks": _checks(outcome.gate)},
        "usage": _usage(outcome.usage),
    }


def verify_document(outcome: VerifyOutcome) -> dict[str, Any]:
    """What ``flowforge verify --json`` prints."""
    return {
        "schema": SCHEMA,
        "commit": outcome.commit,
        "parents": list(outcome.parents),
        "verdict": outcome.gate.verdict.value,
        "checks": _checks(outcome.gate),
        "remerge": {
            "status": outcome.remerge.value,
            "conflicts": [{"path": path, "kind": kind.value} for path, kind in outcome.conflicts],
        },
    }


def _conflict(path: PathOutcome) -> dict[str, Any]:
    resolver, tier = path.resolver or (None, None)
    return {
        "path": path.path,
        "kind": path.kind.value,
        "stages": {number: _oid(path.stages.get(side)) for number, side in _STAGES.items()},
        "status": path.state.value,
        "resolver": resolver,
        "tier": None if tier is None else tier.value,
        "blob": path.blob,
        "hunks": [_hunk(hunk) for hunk in path.hunks],
    }


def _oid(stage: Stage | None) -> str | None:
    return None if stage is None else stage.oid


def _hunk(hunk: HunkOutcome) -> dict[str, Any]:
    answer = hunk.answer
    return {
        "ours": list(hunk.ours),
        "theirs": list(hunk.theirs),
        "status": hunk.state.value,
        "resolver": None if answer is None else answer.resolver,
        "tier": None if answer is None else answer.tier.value,
        "content": None if answer is None else answer.content.decode("utf-8", "surrogateescape"),
        "provenance": [_span(span) for span in hunk.provenance],
        "reason": hunk.reason if answer is None else answer.reason,
        "confidence": None if answer is None else answer.confidence.value,
    }


def _span(span: ProvenanceSpan) -> dict[str, Any]:
    return {"lines": [span.first, span.last], "from": span.origin.value}


def _checks(gate: GateResult) -> list[dict[str, Any]]:
    """Every finding of every check, in the checks' order; a check that found nothing is there once, as passed."""
    names = list(dict.fromkeys([*gate.checks, *(finding.check for finding in gate.findings)]))
    found = {name: [finding for finding in gate.findings if finding.check == name] for name in names}
    return [check for name in names for check in (map(_finding, found[name]) if found[name] else [_passed(name)])]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.check,
        "verdict": finding.verdict.value,
        "path": finding.path or None,
        "lines": None if finding.lines is None else list(finding.lines),
        "message": finding.message,
    }


def _passed(name: str) -> dict[str, Any]:
    return {"name": name, "verdict": GateVerdict.PASS.value, "path": None, "lines": None, "message": ""}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "model_calls": usage.model_calls,
        "request_bytes": list(usage.request_bytes),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cost_usd": usage.cost_usd,
    }
