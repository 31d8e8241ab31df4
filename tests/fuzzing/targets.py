"""The readers of foreign data, each with what is tried on it and the errors that it may raise."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from images_fakes import deadline, write_layout

from fuzzing import samples
from fuzzing.saying import require_inert, said
from fuzzing.strategies import (
    PACKERS,
    changed_bytes,
    changed_json,
    changed_text,
    layer,
    lines_of,
    odd_text,
)
from harness.cluster import inbound
from harness.contract.proof import equivalence_rules
from harness.contract.reading import metadata
from harness.diagnosis import allow, rules
from harness.diagnosis.readers.console import ConsoleReader
from harness.diagnosis.readers.events import EventReader
from harness.diagnosis.readers.ignition_port import IgnitionReader
from harness.diagnosis.readers.journal import JournalReader, to_export
from harness.diagnosis.replay import replay
from harness.guest.installers import live, variant
from harness.images import disk_partitions, reference
from harness.images.acquire import compression, digest, disk_format
from harness.images.acquire.compression import DAMAGE
from harness.images.container import archive, release
from harness.images.container.contents import read_layout
from harness.images.container.streams import StreamWish
from harness.images.layers.layer_stream import members
from harness.images.live_iso import ignition_area
from harness.images.oci import manifest
from harness.lint import command_lint, inventory
from harness.lint.ignition_calls import read
from harness.lint.shell_calls import read_script
from harness.lint.unit_calls import UnitText, read_unit
from harness.machine.forking import kept
from harness.machine.forking.saved import DamagedError
from harness.model import foreign, node_state, os_release, readyz, shard
from harness.model.errors import HarnessError
from harness.model.ignition import document as ignition
from harness.model.packages import nevra, repository_xml
from harness.model.record import ShardRecord
from harness.model.secrets import config as secrets
from harness.model.secrets.redaction import LineRedactor, Redactor
from harness.model.versions import coreos_stream, version
from harness.node import cluster_readiness, kubelet_answers
from harness.report import compare, document, merge, page, plain
from harness.report.history import store, trends
from harness.verdict import expectations

INVENTORY = inventory.parse(samples.ANSWERS[0])


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
        with said(ValueError):
            json.dumps(foreign.json_value(given), ensure_ascii=False, allow_nan=False).encode()


def _layer(content: bytes, _: Path) -> None:
    with said():
        for member, tar in members(io.BytesIO(content), "x", deadline()):
            file = tar.extractfile(member)
            if file is not None:
                file.read(1 << 20)


def _layout(layers: list[bytes], folder: Path) -> None:
    write_layout(folder, layers)
    with said():
        read_layout(folder, None, "x", deadline())
    with said():
        release.read_references(folder, None, "x", deadline())


def _archive(content: bytes, folder: Path) -> None:
    path = _file(folder, content)
    for kind in ("oci-archive", "docker-archive"):
        with said():
            archive.require_safe(reference.parse(f"{kind}:{path}"), deadline())


def _manifest(text: str, _: Path) -> None:
    content = text.encode("utf-8", "replace")
    for parse in (manifest.parse_manifest, manifest.parse_list):
        with said():
            parse(content, "x")
    with said():
        manifest.parse_config(content, "x", 1)


def _references(text: str, _: Path) -> None:
    with said():
        release.parse_references(text, "x", StreamWish())


def _metadata(text: str, _: Path) -> None:
    for parse in (metadata.package_list, metadata.texts):
        with said(ValueError, HarnessError):
            parse(text.encode("utf-8", "replace"))


def _short_text(text: str, _: Path) -> None:
    with said():
        reference.parse(text)
    with said():
        digest.parse_sha256(text)
    with said():
        nevra.Nevra.parse(text)
    digest.parse_sums(text, "disk")
    os_release.parse(text)


def _stream(text: str, _: Path) -> None:
    with said():
        found = coreos_stream.parse(text, "x")
        coreos_stream.require_stream(found, "x")


def _igninfo(text: str, _: Path) -> None:
    with said():
        ignition_area(io.BytesIO(samples.iso(text.encode("utf-8", "replace"))), Path("x"))


def _iso(content: bytes, _: Path) -> None:
    with said():
        ignition_area(io.BytesIO(content), Path("x"))


def _ignition(text: str, _: Path) -> None:
    with said():
        ignition.parse(text, "x")


def _tables(text: str, folder: Path) -> None:
    path = _file(folder, text, "input.toml")
    for load in (allow.load, expectations.load):
        with said():
            load(path)
    with said():
        rules.load([path])
    with said():
        equivalence_rules.load(path)


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
    with said():
        node_state.parse(text)


def _report(text: str, folder: Path) -> None:
    path = _file(folder, text, "report.json")
    with said():
        record = document.read(path)
        page.render(record, {})
        require_inert(plain.comparison_text(compare.compare(record, record)))


def _history(content: bytes, folder: Path) -> None:
    path = _file(folder, content, "history.sqlite")
    with said():
        found = trends.look_back(store.read(path))
        if found is not None:
            require_inert(plain.trends_text(found))


def _merged(text: str, folder: Path) -> None:
    path = _file(folder, text, "report.json")
    with said():
        run = document.read(path)
        shard = replace(run, shard=run.shard or ShardRecord(number=1, count=2))
        whole = merge.merge([merge.part("x", shard)])
        require_inert("\n".join(whole.notes))
        page.render(document.writable(whole), {})


def _config(text: str, _: Path) -> None:
    """Read a config as lint, the scenarios and the artifacts do."""
    with said():
        parsed = ignition.parse(text, "x")
        require_inert(str(variant.variant_of(parsed)))
        live.live_variant_of(parsed)
        secrets.redacted(parsed, _redactor(secrets.secrets_in(parsed)))
        require_inert(
            command_lint.judge_readings({"x": read(parsed, "x")}, INVENTORY, None).render()
        )


def _script(text: str, _: Path) -> None:
    read_script(text)
    read_unit([UnitText(name="x", text=text)])


def _redactor(known: Iterable[str] = ()) -> Redactor:
    redactor = Redactor()
    for secret in (samples.SECRET, *known):
        redactor.add(secret)
    return redactor


def _secrets(pieces: Sequence[str], _: Path) -> None:
    """Redact in pieces; a known secret that a line has alone is never left."""
    cleaner = LineRedactor(_redactor())
    found = "".join(map(cleaner.feed, pieces)) + cleaner.finish()
    lines = "".join(pieces).split("\n")
    if any(line.strip() == samples.SECRET for line in lines):
        assert samples.SECRET not in found.split("\n")


def _repository(content: bytes, _: Path) -> None:
    with said():
        repository_xml.parse_repomd(content, "x")
    with said():
        repository_xml.newest_packages([content[:99], content[99:]], "x86_64", "x")


def _disk(content: bytes, folder: Path) -> None:
    path = _file(folder, content)
    if not content.startswith(b"QFI\xfb"):  # qemu-img reads these, in a process of its own
        with said():
            disk_format.inspect_disk_image(path, "x", deadline())
    with said():
        disk_partitions.partitions(path, "x")


def _packed(content: bytes, _: Path) -> None:
    with said(*DAMAGE):
        opened = compression.opened(io.BytesIO(content))
        for _turn in range(64):
            if not opened.read(1 << 16):
                break


def _checkpoint(text: str, folder: Path) -> None:
    """Read metadata with a right sum: another one is refused before its fields are read."""
    try:
        known = json.loads(text)
        digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    except (ValueError, RecursionError):
        known, digest = text, ""
    _file(folder, json.dumps({"sha256": digest, "checkpoint": known}), kept.METADATA)
    with said(DamagedError):
        kept.read(folder).require_whole(deadline())


def _answers(text: str, _: Path) -> None:
    """Read what the programs of a guest and a cluster answer."""
    with said(ValueError):
        cluster_readiness.parse_node(text)
    for parse in (kubelet_answers.parse_sandbox_states, kubelet_answers.parse_container_states):
        with said(ValueError):
            parse(text, "etcd")
    with said():
        kubelet_answers.parse_service(text)
    kubelet_answers.parse_cri_version(text)
    readyz.why_not_ready(text)
    with said():
        inventory.parse(text)


def _words(text: str, _: Path) -> None:
    with said():
        version.parse(text)
    with said():
        shard.parse("x", text, "1")
    inbound.body_bytes([text])


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
    "merged": (samples.json_inputs("shard"), _merged),
    "config": (samples.json_inputs("ignition", "scripts"), _config),
    "script": (changed_text(samples.SCRIPTS), _script),
    "secrets": (lines_of([samples.SECRET, *samples.SECRETS, *samples.CONSOLE[:40]]), _secrets),
    "repository": (changed_bytes(samples.REPOSITORY), _repository),
    "disk": (changed_bytes(samples.DISKS), _disk),
    "packed": (changed_bytes([pack(b"content" * 99) for pack in PACKERS]), _packed),
    "checkpoint": (samples.json_inputs("checkpoint"), _checkpoint),
    "answers": (st.one_of(samples.json_inputs("node"), changed_text(samples.ANSWERS)), _answers),
    "words": (st.one_of(odd_text(60), changed_text(samples.WORDS)), _words),
}
TARGETS = tuple(
    Target(name=name, inputs=inputs, read=read) for name, (inputs, read) in _INPUTS.items()
)
