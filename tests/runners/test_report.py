"""The agent's report: exactly the schema's shape, within sizes, and storable (ADV-044)."""

import copy
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no annotations
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.protocol import CHANGE_SCHEMA, REPORT_SCHEMA
from runners.report import ReportError, read_report, read_words
from tests.runners.streams import REPORT

Report = dict[str, Any]


def changed(change: Callable[[Report], object]) -> Report:
    report = copy.deepcopy(REPORT)
    change(report)
    return report


def hunk(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = report["files"][0]["hunks"][0]
    return found


def test_a_report_is_read_as_it_is() -> None:
    assert json.loads(json.dumps(asdict(read_report(REPORT)))) == {**REPORT, "deleted": []}


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ({}, "the report"),
        (None, "the report"),
        ([], "the report"),
        ("{}", "the report"),
        ({"resolution": 5, "x": 1}, "the report"),
        ({"summary": "\0"}, "the report"),
        (changed(lambda r: r.update(extra=1)), "the report"),
        (changed(lambda r: r.update(summary=5)), "summary"),
        (changed(lambda r: r.update(summary="x" * 20_001)), "summary"),
        (changed(lambda r: r.update(summary="x" * 50_000_000)), "summary"),
        (changed(lambda r: r.update(files={})), "files"),
        (changed(lambda r: r.update(files=[{"path": "a", "hunks": []}] * 1001)), "files"),
        (changed(lambda r: r["files"].append("a.py")), "files[1]"),
        (changed(lambda r: r["files"][0].update(path=None)), "files[0].path"),
        (changed(lambda r: r["files"][0].update(path="x" * 4097)), "files[0].path"),
        (changed(lambda r: r["files"][0].update(hunks=[hunk(r)] * 2001)), "files[0].hunks"),
        (changed(lambda r: hunk(r).update(index=True)), "files[0].hunks[0].index"),
        (changed(lambda r: hunk(r).update(index=-1)), "files[0].hunks[0].index"),
        (changed(lambda r: hunk(r).update(index=0.0)), "files[0].hunks[0].index"),
        (changed(lambda r: hunk(r).update(index=10**30)), "files[0].hunks[0].index"),
        (changed(lambda r: hunk(r).update(resolved="yes")), "files[0].hunks[0].resolved"),
        (changed(lambda r: hunk(r).update(resolved=1)), "files[0].hunks[0].resolved"),
        (changed(lambda r: hunk(r).update(reason=["a"])), "files[0].hunks[0].reason"),
        (changed(lambda r: hunk(r).update(reason="x" * 8001)), "files[0].hunks[0].reason"),
        (changed(lambda r: hunk(r).update(confidence="certain")), "files[0].hunks[0].confidence"),
        (changed(lambda r: hunk(r).update(confidence=["high"])), "files[0].hunks[0].confidence"),
        (changed(lambda r: hunk(r).pop("reason")), "files[0].hunks[0] "),
        (changed(lambda r: hunk(r).update(branch="main")), "files[0].hunks[0] "),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_any_other_shape_is_refused_and_says_where(raw: Any, where: str) -> None:
    with pytest.raises(ReportError) as caught:
        read_report(raw)
    assert str(caught.value).startswith(where)
    assert len(str(caught.value)) < 200


def test_what_cannot_be_stored_is_replaced() -> None:
    report = changed(lambda r: hunk(r).update(reason="nul \0, lone \ud800 and \udfff, pair \U0001f600"))
    reason = read_report(report).files[0].hunks[0].reason
    assert reason == "nul \ufffd, lone \ufffd and \ufffd, pair \U0001f600"
    reason.encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
hunks = st.fixed_dictionaries(
    {
        "index": st.integers(0, 9) | json_values,
        "resolved": st.booleans() | json_values,
        "reason": st.text(max_size=9) | json_values,
        "confidence": st.sampled_from(["high", "medium", "low"]) | json_values,
    },
    optional={"x": json_values},
)
files = st.fixed_dictionaries(
    {"path": st.text(max_size=9) | json_values, "hunks": st.lists(hunks, max_size=2) | json_values}
)
reports = st.fixed_dictionaries({"summary": st.text(max_size=9) | json_values, "files": st.lists(files, max_size=2)})


@given(raw=reports | json_values)
def test_what_is_accepted_is_valid_by_the_schema_given_to_the_cli(raw: Any) -> None:
    try:
        read_report(raw)
    except ReportError:
        return
    jsonschema.validate(raw, dict(REPORT_SCHEMA))


@given(raw=reports)
def test_what_the_schema_allows_is_accepted(raw: Any) -> None:
    """Except for numbers that JSON Schema calls integers and we do not (1.0) and negative indexes."""
    try:
        jsonschema.validate(raw, dict(REPORT_SCHEMA))
    except jsonschema.ValidationError:
        with pytest.raises(ReportError):
            read_report(raw)
        return
    if all(hunk["index"] >= 0 for file in raw["files"] for hunk in file["hunks"]):
        read_report(raw)


def test_a_report_on_a_change_may_list_what_is_to_go() -> None:
    for report in ({"summary": "Done."}, {"summary": "Done.", "deleted": ["a.py", "b/c.py"]}):
        jsonschema.validate(report, dict(CHANGE_SCHEMA))
        assert read_words(report).deleted == tuple(report.get("deleted", ()))


@pytest.mark.parametrize("deleted", [None, "a.py", [1], [["a.py"]], ["a" * 4097], ["a.py"] * 1001])
def test_a_list_of_another_shape_is_no_report(deleted: Any) -> None:
    with pytest.raises(ReportError, match="deleted"):
        read_words({"summary": "Done.", "deleted": deleted})
