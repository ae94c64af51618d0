"""JSON against githubkit's models, more strictly than pydantic alone."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from githubkit_schemas.v2026_03_10 import models
from pydantic import BaseModel, TypeAdapter, ValidationError

# ``url`` is an attribute of the description's basic error that GitHub leaves out; nothing else is extra on purpose.
MOST_FAULTS = 12


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def faults(model: Any, body: bytes, where: str) -> list[str]:
    """What is wrong with a JSON document: types, limits, enumerations, and fields the model does not know."""
    try:
        instance = _adapter(model).validate_json(body, strict=True)
    except ValidationError as error:
        found = [f"{where}.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]
        return found[:MOST_FAULTS]
    return [f"{where}{path}: unknown field" for path in _unknown(instance, json.loads(body), "")]


def _unknown(instance: object, value: object, path: str) -> Iterator[str]:
    """Where the JSON has fields that the model it was read by does not have."""
    if isinstance(instance, BaseModel) and isinstance(value, dict):
        names = {info.alias or name: name for name, info in type(instance).model_fields.items()}
        free = isinstance(instance, models.IntegrationPropPermissions)
        for key, inner in value.items():
            if key in names:
                yield from _unknown(getattr(instance, names[key]), inner, f"{path}.{key}")
            elif not free:
                yield f"{path}.{key}"
    elif isinstance(instance, list) and isinstance(value, list):
        for position, (one, inner) in enumerate(zip(instance, value, strict=True)):
            yield from _unknown(one, inner, f"{path}[{position}]")
