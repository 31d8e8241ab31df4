"""The JSON of the contract's commands, and its schema in `docs/contract.schema.json`.

Every document says `schema`, which grows when a field goes or changes its meaning, and `command`.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from harness.model.escapes import json_escaped, json_values

SCHEMA = 1
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Document(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    """What a command found; a sub-class names its command by `tag`."""

    schema: int = SCHEMA


def json_text(document: Document) -> str:
    """Return a document as JSON, ended by a newline."""
    values = json_values(msgspec.to_builtins(document))
    return json_escaped(msgspec.json.format(msgspec.json.encode(values), indent=1).decode()) + "\n"


def schema_text(*kinds: type[Document]) -> str:
    """Return the JSON Schema of documents as `docs/contract.schema.json` contains it."""
    references, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        _tidy(definition)
    found = {
        "$schema": _DIALECT,
        "title": "JSON of node-image inspect, diff, equivalent, stale, streams and version",
        "oneOf": list(references),
        "$defs": definitions,
    }
    return json.dumps(found, indent=2) + "\n"


# `Any` is JSON Schema, which msgspec made.
def _tidy(definition: dict[str, Any]) -> None:
    if text := definition.get("description"):
        definition["description"] = " ".join(inspect.cleandoc(text).split())
    if "schema" in definition.get("properties", {}):
        definition["properties"]["schema"]["const"] = SCHEMA
