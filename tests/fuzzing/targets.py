"""The readers of foreign data, each with what is tried on it and the errors that it may raise."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from images_fakes import deadline, write_layout

from fuzzing import samples
from fuzzing.strategies import changed_bytes, changed_json, changed_text, layer, lines_of, odd_text
from harness.contract.reading import metadata
from harness.diagnosis import allow, rules
from harness.diagnosis.readers.console import ConsoleReader
from harness.diagnosis.readers.events import EventReader
from harness.diagnosis.readers.ignition_port import IgnitionReader
from harness.diagnosis.readers.journal import JournalReader, to_export
from harness.diagnosis.replay import replay
from harness.images import reference
from harness.images.acquire import digest
from harness.images.container import archive, release
from harness.images.container.contents import read_layout
from harness.images.container.streams import StreamWish
from harness.images.layers.layer_stream import members
from harness.images.live_iso import ignition_area
from harness.images.oci import manifest
from harness.model import foreign, node_state, os_release
from harness.model.errors import HarnessError, InputError
from harness.model.ignition import document as ignition
from harness.model.packages import nevra
from harness.model.versions import coreos_stream
from harness.report import compare, document, page, plain
from harness.report.history import store, trends
from harness.verdict import expectations


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader: `read` gets an input and an empty folder, and raises only what is a fault."""

    name: str
    inputs: st.SearchStrategy[Any]
    read: Callable[[Any, Path], None]


def _file(folder: Path, content: str | bytes, name: str = "input") -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    return path


def _json_of_others(text: str, _: Path) -> None:
    for given in (text, text.encode("utf-8", "replace")):
        with suppress(ValueError):
            json.dumps(foreign.json_value(given), ensure_ascii=False, allow_nan=False).encode()


def _layer(content: bytes, _: Path) -> None:
    with suppress(InputError):
        for member, tar in members(io.BytesIO(content), "x", deadline()):
            file = tar.extractfile(member)
            if file is not None:
                file.read(1 << 20)


def _layout(layers: list[bytes], folder: Path) -> None:
    write_layout(folder, layers)
    with suppress(InputError):
        read_layout(folder, None, "x", deadline())
    with suppress(InputError):
        release.read_references(folder, None, "x", deadline())


def _archive(content: bytes, folder: Path) -> None:
    path = _file(folder, content)
    for kind in ("oci-archive", "docker-archive"):
        with suppress(InputError):
            archive.require_safe(reference.parse(f"{kind}:{path}"), deadline())


def _manifest(text: str, _: Path) -> None:
    content = text.encode("utf-8", "replace")
    for parse in (manifest.parse_manifest, manifest.parse_list):
        with suppress(InputError):
            parse(content, "x")
    with suppress(InputError):
        manifest.parse_config(content, "x", 1)


def _references(text: str, _: Path) -> None:
    with suppress(InputError):
        release.parse_references(text, "x", StreamWish())


def _metadata(text: str, _: Path) -> None:
    for parse in (metadata.package_list, metadata.texts):
        with suppress(ValueError, InputError):
            parse(text.encode("utf-8", "replace"))


def _short_text(text: str, _: Path) -> None:
    with suppress(InputError):
        reference.parse(text)
    with suppress(InputError):
        digest.parse_sha256(text)
    with suppress(HarnessError):
        nevra.Nevra.parse(text)
    digest.parse_sums(text, "disk")
    os_release.parse(text)


def _stream(text: str, _: Path) -> None:
    with suppress(InputError):
        found = coreos_stream.parse(text, "x")
        coreos_stream.require_stream(found, "x")


def _igninfo(text: str, _: Path) -> None:
    with suppress(InputError):
        ignition_area(io.BytesIO(samples.iso(text.encode("utf-8", "replace"))), Path("x"))


def _iso(content: bytes, _: Path) -> None:
    with suppress(InputError):
        ignition_area(io.BytesIO(content), Path("x"))


def _ignition(text: str, _: Path) -> None:
    with suppress(HarnessError):
        ignition.parse(text, "x")


def _tables(text: str, folder: Path) -> None:
    path = _file(folder, text, "input.toml")
    for load in (allow.load, expectations.load):
        with suppress(InputError):
            load(path)
    with suppress(InputError):
        rules.load([path])


def _console(pieces: Sequence[str], _: Path) -> None:
    reader = ConsoleReader()
    for at_s, piece in enumerate(pieces):
        _writable(reader.feed(piece, float(at_s)))
        reader.pending(at_s + 9.0)


def _events(pieces: Sequence[str], _: Path) -> None:
    reader = EventReader()
    for at_s, piece in enumerate(pieces):
        _writable(reader.feed(piece, float(at_s)))


def _journal(pieces: Sequence[str], _: Path) -> None:
    reader, ignition_port = JournalReader(), IgnitionReader()
    for at_s, piece in enumerate(pieces):
        entries = reader.feed(piece, float(at_s))
        _writable([entry.line for entry in entries])
        for entry in entries:
            to_export(entry.fields, str)
        _writable(ignition_port.feed(piece, float(at_s)))


def _writable(lines: Sequence[Any]) -> None:
    """Require times that JSON has, which the report is written in."""
    json.dumps([(line.at_s, line.uptime_s) for line in lines], allow_nan=False)


def _replay(text: str, _: Path) -> None:
    replay(text, rules.shipped())


def _snapshot(text: str, _: Path) -> None:
    with suppress(HarnessError):
        node_state.parse(text)


def _report(text: str, folder: Path) -> None:
    path = _file(folder, text, "report.json")
    with suppress(InputError):
        record = document.read(path)
        page.render(record, {})
        plain.comparison_text(compare.compare(record, record))


def _history(content: bytes, folder: Path) -> None:
    path = _file(folder, content, "history.sqlite")
    with suppress(InputError):
        trends.look_back(store.read(path))


_JSON_TEXTS = tuple(map(json.dumps, samples.JSON.values()))
_INPUTS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any, Path], None]]] = {
    "json": (
        st.one_of(*map(changed_json, samples.JSON.values()), changed_text(_JSON_TEXTS)),
        _json_of_others,
    ),
    "layer": (layer(), _layer),
    "layout": (st.lists(layer(), max_size=3), _layout),
    "archive": (st.one_of(layer(), changed_bytes([samples.archive()])), _archive),
    "manifest": (samples.json_inputs("manifest", "config", "index"), _manifest),
    "references": (samples.json_inputs("references"), _references),
    "metadata": (samples.json_inputs("packages"), _metadata),
    "short-text": (st.one_of(odd_text(300), changed_text(samples.SHORT)), _short_text),
    "stream": (samples.json_inputs("stream"), _stream),
    "igninfo": (samples.json_inputs("igninfo"), _igninfo),
    "iso": (changed_bytes([samples.iso(b"{}")]), _iso),
    "ignition": (samples.json_inputs("ignition"), _ignition),
    "tables": (changed_text(samples.TABLES), _tables),
    "console": (lines_of(samples.CONSOLE), _console),
    "events": (lines_of(samples.EVENTS), _events),
    "journal": (lines_of(samples.JOURNAL), _journal),
    "replay": (changed_text(["\n".join(samples.CONSOLE[:150])]), _replay),
    "snapshot": (changed_text(samples.SNAPSHOTS), _snapshot),
    "report": (samples.json_inputs("report"), _report),
    "history": (changed_bytes([samples.history()]), _history),
}
TARGETS = tuple(
    Target(name=name, inputs=inputs, read=read) for name, (inputs, read) in _INPUTS.items()
)
