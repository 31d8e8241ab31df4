"""The JSON of the contract's commands has a schema in the docs, and each document keeps to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from contract_inspections import IMAGES, NEW_9, OLD_9, OLD_10, release
from goldens import Golden
from jsonschema import Draft202012Validator

from harness.contract import document, version_document
from harness.contract.comparing import diff_document
from harness.contract.comparing.diff_document import Diff
from harness.contract.comparing.file_diff import FileChange
from harness.contract.comparing.image_diff import diff
from harness.contract.document import Document, json_text
from harness.contract.inspection import Depth, ImageLayer, Inspection
from harness.contract.package_layers import package_layers
from harness.contract.proof.equivalence import Difference, Equivalence, Explained
from harness.contract.reading import inspect_document
from harness.contract.reading.inspect_document import InspectReport
from harness.contract.rebuilding.stale_document import Stale, StalePart
from harness.contract.rebuilding.staleness import Job, Reason
from harness.contract.streams import stream_document
from harness.contract.streams.stream_document import StreamReport
from harness.contract.version_document import Versions
from harness.folders import fixture
from harness.model.packages.nevra import Nevra
from harness.model.versions.coreos_stream import parse as parse_stream
from harness.model.versions.version import parse

SCHEMA = Path(__file__).parents[2] / "docs" / "contract.schema.json"
STREAMS = fixture("contract") / "streams"
KINDS = (Diff, Equivalence, InspectReport, Stale, StreamReport, Versions)
BASH = Nevra(name="bash", epoch=0, version="5.2", release="1.el9", arch="x86_64")
INSPECTED = Inspection(
    subject="oci:x", digest="sha256:1", architecture="amd64", depth=Depth.QUICK,
    labels={"containers.bootc": "1"}, packages=frozenset({BASH}),
    layers=(ImageLayer(digest="sha256:2", diff_id="sha256:3", size_bytes=4),),
)  # fmt: skip
FILES = (
    FileChange(path="/a", change="added"),
    FileChange(path="/b", change="changed", fields={"mode": ("0755", "0644")}),
)
REASON = Reason(
    job=Job.NODE, name="cri-o", arch="x86_64", image="node image", has="1-1", source="r",
    newest="2-1",
)  # fmt: skip
EXAMPLES = (
    Stale(
        repositories=("r",),
        parts=(
            StalePart(
                stream="rhel-9",
                architecture="amd64",
                base="b",
                base_version=None,
                node="n",
                node_version="9.6.20250203-0",
                is_built_on_base=True,
                is_in_release=None,
                jobs=("node job",),
                reasons=(REASON,),
            ),
        ),
    ),
    inspect_document.document(INSPECTED, package_layers({BASH}), ("a problem",)),
    diff_document.document(
        release(OLD_9, OLD_10),
        release(NEW_9),
        lambda stream, old, new: diff(IMAGES[old], IMAGES[new], stream=stream, files=FILES),
    ),
    version_document.document(
        [parse("9.6.20250203-0"), parse("44.20260720.1.1"), parse("418.94.202410090804-0")]
    ),
    Equivalence(
        legacy="oci:a sha256:1",
        layered="oci:b sha256:2",
        paths=3,
        odd=("a name",),
        differences=(Difference(path="/b", change="changed", fields={"mode": ("0755", "0644")}),),
        explained=(Explained(rule="/c*", reason="r", source="s", paths=("/c",)),),
        unused_rules=("/d",),
    ),
    stream_document.document(
        "s", parse_stream((STREAMS / "marketplace-coreos-rhel-9.json").read_text(), "s"), {}
    ),
    stream_document.document(
        "s", parse_stream((STREAMS / "coreos-rhel-9.json").read_text(), "s"), {}
    ),
)


def test_schema_in_docs_is_up_to_date(golden: Golden) -> None:
    golden(SCHEMA, document.schema_text(*KINDS))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_documents_keep_to_the_schema(example: Document) -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))
    found = json.loads(json_text(example))

    assert found["schema"] == document.SCHEMA
    assert list(validator.iter_errors(found)) == []
    assert list(validator.iter_errors({**found, "schema": 2}))
    assert list(validator.iter_errors({**found, "command": "other"}))
