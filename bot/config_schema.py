"""What a JSON Schema allows at a place, in words: for error messages and for the documentation."""

from collections.abc import Mapping
from typing import Any

from bot.config_yaml import Path
from bot.model.forge import PermissionLevel
from bot.model.text import code_span

Schema = Mapping[str, Any]


def resolve(schema: Schema, root: Schema) -> Schema:
    """Follow ``$ref``, and step into the part of a nullable schema that is not null."""
    while True:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in schema:
            schema = next(option for option in schema["anyOf"] if option != {"type": "null"})
        else:
            return schema


def at(root: Schema, path: Path) -> Schema:
    """The schema of the value at ``path``; that of the nearest known place around it for a path the schema lacks."""
    schema = resolve(root, root)
    for part in path:
        inner = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        if inner is None:
            break
        schema = resolve(inner, root)
    return schema


def keys(root: Schema, path: Path) -> list[str]:
    """The keys that a mapping at ``path`` may have; none where no mapping is allowed."""
    return list(at(root, path).get("properties", ()))


def expectation(schema: Schema, root: Schema) -> str:
    """What is allowed here, to stand after "must be"."""
    schema = resolve(schema, root)
    if "enum" in schema:
        return _one_of(schema["enum"])
    match schema["type"]:
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number":
            return _number(schema)
        case "array":
            each = expectation(schema["items"], root)
            least = f"{schema['minItems']} to" if "minItems" in schema else "at most"
            return f"a list of {least} {schema['maxItems']} items, each {each}"
        case "object":
            some = "the" if set(schema["required"]) == set(schema["properties"]) else "any of the"
            return f"a mapping with {some} keys {', '.join(map(code_span, schema['properties']))}"
        case _:
            most = f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""
            return f"{schema['description']}{most}"


def _one_of(values: list[Any]) -> str:
    levels = {level.name.lower(): level for level in PermissionLevel}
    ordered = sorted(values, key=lambda value: levels.get(value, 0))
    spans = [code_span(str(value)) for value in ordered]
    return spans[0] if len(spans) == 1 else f"one of {', '.join(spans)}"


def _number(schema: Schema) -> str:
    what = "a whole number" if schema["type"] == "integer" else "a number"
    if "exclusiveMinimum" in schema:
        return f"{what} above {schema['exclusiveMinimum']:g} and at most {schema['maximum']:g}"
    return f"{what} from {schema['minimum']} to {schema['maximum']}"
