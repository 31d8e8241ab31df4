"""Stream metadata of every generation is read, and what is wrong in it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract.streams.stream_checks import Severity, check, releases_of
from harness.folders import fixture
from harness.model.errors import InputError
from harness.model.versions.coreos_stream import Marketplace, Stream, parse, require_stream

FOLDER = fixture("contract") / "streams"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
MARKETPLACE = "marketplace-coreos-rhel-9"


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text()


def problems(found: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401 - JSON
    return [
        (str(finding.severity), finding.place, finding.problem)
        for finding in check(parse(json.dumps(found), "s"))
    ]


def test_there_are_files_of_each_generation() -> None:
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_real_metadata_is_read_and_has_no_error(name: str) -> None:
    found = parse(text_of(name), name)

    assert isinstance(found, Marketplace) is (name == MARKETPLACE)
    assert [each for each in check(found) if each.severity is Severity.ERROR] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != MARKETPLACE])
def test_each_has_one_release_and_a_disk_for_qemu(name: str) -> None:
    stream = require_stream(parse(text_of(name), name), name)

    assert len(releases_of(stream)) == 1
    assert len(stream.qemu_disks()) == 4
    assert {place.partition("/")[0] for place, _, _ in stream.files()} == {*stream.architectures}


def test_offers_of_a_marketplace_are_read() -> None:
    found = parse(text_of(MARKETPLACE), "s")

    assert isinstance(found, Marketplace)
    assert dict(found.offers())["x86_64/azure/ocp/hyperVGen2"].version == "4.18.2025031114"
    with pytest.raises(InputError, match="without disks"):
        require_stream(found, "s")


def test_the_field_stream_is_not_judged() -> None:
    found = json.loads(text_of("coreos-rhel-9"))

    assert found["stream"] == "rhcos-4.21"
    assert problems({**found, "stream": 7}) == []


Change = Callable[[Any], object]
QEMU = ("x86_64", "qemu", "qcow2.gz", "disk")


def disk(found: Any, *place: str) -> Any:  # noqa: ANN401 - JSON
    architecture, platform, kind, part = place or QEMU
    return found["architectures"][architecture]["artifacts"][platform]["formats"][kind][part]


def other_release(found: Any, release: str) -> None:  # noqa: ANN401 - JSON
    for platform in found["architectures"]["s390x"]["artifacts"].values():
        platform["release"] = release


@pytest.mark.parametrize(
    ("change", "severity", "place", "problem"),
    [
        (lambda m: disk(m).pop("sha256"), "error", "x86_64/qemu/qcow2.gz/disk", "no sha256"),
        (lambda m: disk(m).update(sha256="A" * 64), "error", "x86_64/qemu/qcow2.gz/disk",
         "not 64 lower-case"),
        (lambda m: disk(m).update({"uncompressed-sha256": "a"}), "error",
         "x86_64/qemu/qcow2.gz/disk", "uncompressed-sha256 is not"),
        (lambda m: disk(m).update({"uncompressed-sha256": disk(m)["sha256"]}), "error",
         "x86_64/qemu/qcow2.gz/disk", "are equal"),
        (lambda m: disk(m).update(sha256=disk(m, "s390x", *QEMU[1:])["sha256"]), "warning",
         "x86_64/qemu/qcow2.gz/disk", "has the sha256 of s390x/qemu"),
        (lambda m: disk(m).update(location="http://a/9.8.20260403-0/x86_64"), "error",
         "x86_64/qemu/qcow2.gz/disk", "not an https URL"),
        (lambda m: disk(m).update(location="https://a/9.8.20260101-0/x86_64"), "warning",
         "x86_64/qemu/qcow2.gz/disk", "does not have the release 9.8.20260403-0"),
        (lambda m: disk(m).update(location="https://a/9.8.20260403-0/aarch64"), "error",
         "x86_64/qemu/qcow2.gz/disk", "the URL is for aarch64"),
        (lambda m: m["architectures"].pop("s390x"), "warning", "s390x", "nothing for"),
        (lambda m: m["architectures"].update(amd64=m["architectures"].pop("x86_64")), "error",
         "amd64", "unknown architecture"),
        (lambda m: m["architectures"].clear(), "error", "", "no architecture"),
        (lambda m: m["architectures"]["s390x"].clear(), "error", "s390x", "no artifacts"),
        (lambda m: m["architectures"]["s390x"]["artifacts"]["qemu"]["formats"].clear(), "error",
         "s390x/qemu", "no files"),
        (lambda m: other_release(m, "9.8.20260401-0"), "warning",
         "s390x/kubevirt, s390x/metal, s390x/qemu and 1 more",
         "release 9.8.20260401-0, elsewhere 9.8.20260403-0"),
        (lambda m: other_release(m, "418.94.202410090804-0"), "error", "",
         "several schemes: 9.8.20260403-0 (rhel), 418.94.202410090804-0 (openshift-rhel)"),
        (lambda m: other_release(m, "latest"), "error",
         "s390x/kubevirt, s390x/metal, s390x/qemu and 1 more", "not a CoreOS version: latest"),
        (lambda m: m["architectures"]["x86_64"]["images"]["kubevirt"].update(
            {"digest-ref": "quay.io/a:latest"}), "error", "x86_64/kubevirt", "no sha256 digest"),
        (lambda m: m["architectures"]["x86_64"]["images"]["aws"]["regions"]["af-south-1"].update(
            image=""), "error", "x86_64/aws/af-south-1", "not an AMI: empty"),
    ],
)  # fmt: skip
def test_each_problem_is_found(change: Change, severity: str, place: str, problem: str) -> None:
    found = json.loads(text_of("coreos-rhel-9"))
    change(found)

    assert [
        each for each in problems(found) if each[:2] == (severity, place) and problem in each[2]
    ]  # fmt: skip


MALFORMED = (
    "https://[::1", "https://h/\0x", "https://h:99999/x", "https://h:0/x", "https://h:x/", "https:///x",
    "https:// h/x", "https://a..b/", "https://1.2.3.999/", "https://user:pass/word@h/",
    "https://[bad/x", "https://bad]/x", "https://a%00b/x", "https://a|b/x",
)  # fmt: skip


@pytest.mark.parametrize("url", MALFORMED)
def test_malformed_urls_are_found_without_a_server(url: str) -> None:
    found = json.loads(text_of("coreos-rhel-9"))
    disk(found).update(location=url, signature=url)
    found["architectures"]["ppc64le"]["images"]["powervs"]["regions"]["au-syd"]["url"] = url

    errors = [(place, problem) for kind, place, problem in problems(found) if kind == "error"]

    known = "x86_64/qemu/qcow2.gz/disk"
    for place in (known, f"{known} (signature)", "ppc64le/powervs/au-syd"):
        assert [p for at, p in errors if at == place and p.startswith("a malformed URL")], place


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [("version", "9.6", "without three numbers"), ("sku", "", "empty sku")],
)
def test_each_problem_of_an_offer_is_found(field: str, value: str, problem: str) -> None:
    found = json.loads(text_of(MARKETPLACE))
    found["x86_64"]["azure"]["ocp"]["hyperVGen1"][field] = value

    assert [each for each in problems(found) if problem in each[2] and each[0] == "error"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<html>", "not JSON"), ("[]", "not stream metadata"), ("{}", "not stream metadata"),
        ('{"architectures": 3}', "Expected `object`, got `int`"),
        ('{"architectures": {"s390x": {"artifacts": {"qemu": {}}}}}', "missing required field"),
        ('{"builds": ["a"]}', "not stream metadata"), ('{"a": ' + "[" * 5000, "not JSON"),
    ],
)  # fmt: skip
def test_other_texts_are_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse(text, "s")


KEYS = st.sampled_from(["architectures", "artifacts", "x86_64", "a"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_metadata_or_an_error(value: object) -> None:
    try:
        found = parse(json.dumps(value), "s")
    except InputError:
        return
    assert isinstance(check(found), tuple)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_only_known_disks_are_given(place: str) -> None:
    stream = require_stream(parse(text_of("fcos-39"), "s"), "s")

    with pytest.raises(InputError, match="only aarch64/qemu"):
        stream.disk(place, "s")
    assert isinstance(stream, Stream)
