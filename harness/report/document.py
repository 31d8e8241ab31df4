"""report.json and machine.json: records as JSON, written whole or not at all, and read with care.

The form is the dataclasses of `harness.model.record`; `schema` gives it as JSON Schema, which
`docs/report.schema.json` holds for other programs.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from harness import atomic, regular_file
from harness.model.errors import InputError
from harness.model.escapes import json_escaped, json_values
from harness.model.record import SCHEMA, MachineRecord, RunRecord, State
from harness.model.run_folder import MACHINE_RECORD, RECORD

_D = TypeVar("_D")
RUN_FOLDER = f"Name the folder of a run, such as <artifacts>/last, or its {RECORD}."
"""What to do about a run that cannot be found."""
# A run of fifty machines has about three.
_MOST_BYTES = 32 << 20
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Head(msgspec.Struct):
    schema: int = SCHEMA


def write(record: RunRecord, path: Path) -> None:
    """Write a run as JSON. A reader finds the old file or the new one, never a part."""
    atomic.write(path, _encoded(record), is_durable=record.state is not State.RUNNING)


def writable(record: RunRecord) -> RunRecord:
    """Return a run without what no report can have, such as infinite numbers."""
    return msgspec.convert(json_values(msgspec.to_builtins(record)), RunRecord)


def read(path: Path) -> RunRecord:
    """Return the run that `write` wrote to `path`, or to the `report.json` in the folder `path`.

    Raises:
        InputError: the file is missing, is not such a record, or has a newer schema; says
            where in the document the problem is.
    """
    if path.is_dir():
        path = path / RECORD
    if path.name == MACHINE_RECORD:
        problem = "the record of one machine, not of a run"
        raise InputError(str(path), problem, f"Name {path.absolute().parent.parent / RECORD}.")
    content = _content(path, RUN_FOLDER)
    head = _decoded(path, content, _Head)
    if head.schema > SCHEMA:
        problem = f"unknown schema {head.schema} at `$.schema`; this version reads up to {SCHEMA}"
        raise InputError(str(path), problem, "Use the version that wrote it, or a newer one.")
    return _decoded(path, content, RunRecord)


def is_cut(path: Path) -> bool:
    """Return whether a loss of power cut a record: a run that lasts does not wait for the disk."""
    try:
        content = regular_file.read(path, _MOST_BYTES)
    except OSError:
        return False  # `read` says why
    return b"\0" in content or not content.rstrip().endswith(b"}")


def machine_in(file: BinaryIO, path: Path) -> MachineRecord:
    """Return the machine that a run wrote, as `harness.watching.evidence` does; errors name `path`.

    Raises:
        InputError: the file is too large or is not such a record; says where the problem is.
    """
    content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InputError(str(path), f"larger than {_MOST_BYTES >> 20} MiB", RUN_FOLDER)
    return _decoded(path, content, MachineRecord)


def schema() -> dict[str, object]:
    """Return the form of report.json as JSON Schema."""
    found = msgspec.json.schema(RunRecord)
    for definition in found["$defs"].values():
        if text := definition.get("description"):
            definition["description"] = " ".join(inspect.cleandoc(text).split())
    found["$defs"]["RunRecord"]["properties"]["schema"]["const"] = SCHEMA
    return {"$schema": _DIALECT, "title": "report.json of pytest-node-image", **found}


def schema_text() -> str:
    """Return `schema` as `docs/report.schema.json` contains it."""
    return json.dumps(schema(), indent=2) + "\n"


def _encoded(record: RunRecord) -> bytes:
    values = json_values(msgspec.to_builtins(record))
    text = msgspec.json.format(msgspec.json.encode(values), indent=1).decode()
    return json_escaped(text).encode() + b"\n"


def _content(path: Path, remedy: str) -> bytes:
    try:
        return regular_file.read(path, _MOST_BYTES)
    except OSError as exc:
        problem = f"cannot be read: {exc.strerror}"
        raise InputError(str(path), problem, remedy) from exc


def _decoded(path: Path, content: bytes, form: type[_D]) -> _D:
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        problem = f"not the record of a run: {exc}"
        remedy = f"Name a {RECORD} or {MACHINE_RECORD} from a run's artifacts; see docs/report.md."
        raise InputError(str(path), problem, remedy) from exc
