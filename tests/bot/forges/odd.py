"""Payloads with something odd in them, whichever forge they are of."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st


def values(words: Sequence[str], keys: Sequence[str]) -> st.SearchStrategy[Any]:
    """Any JSON, and a lone surrogate; now and then with words and keys that a decoder looks for."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*words, "\ud800"]),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(keys), inner),
        max_leaves=8,
    )


def spots(value: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every path of keys in a payload."""
    if not isinstance(value, dict):
        return []
    return [path for key, item in value.items() for path in [(*at, key), *spots(item, (*at, key))]]


def changed(payload: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the payload with another value at a dotted path."""
    copy: dict[str, Any] = json.loads(json.dumps(payload))
    *parents, last = path.split(".")
    at = copy
    for name in parents:
        at = at[name]
    at[last] = value
    return copy
