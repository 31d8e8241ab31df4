from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine.domain import hardware
from harness.machine.domain.architecture import Accelerator, architecture
from harness.machine.domain.domain import Domain, Port
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.network import Forward
from harness.machine.domain.ram import Ram
from harness.machine.domain.segment import Segment
from harness.machine.domain.storage import Disk, Paths
from harness.machine.driver import SecurityLabel
from harness.machine.forking.key import Origin, canonical, processor

X86 = architecture("x86_64")
DISK = Disk(path=Path("/a/overlay.qcow2"), serial="root")
SEGMENT = Segment(local=Path("/r/one"), remote=Path("/r/two"), mac="52:54:01:aa:bb:01")
DOMAIN = Domain(
    name="one", uuid="1" * 8, emulator=Emulator(path=Path("/usr/bin/qemu"), arch=X86),
    kind=Accelerator.TCG, cpu="Nehalem", memory_mib=1024, vcpus=2, disks=(DISK,),
    console=Path("/a/console.log"), ignition=Path("/a/config.ign"),
    ports=(Port(name="journal", path=Path("/a/journal.log")),),
    forwards=(Forward(host_port=20001, guest_port=22),), segment=SEGMENT,
    cdrom=Path("/a/live.iso"), netboot="http://10.0.2.2/token/boot.ipxe",
    ram=Ram(path=Path("/proc/1/fd/3"), is_shared=True), generation="1" * 8,
)  # fmt: skip

# Each field of a domain is in one of the two tables, or in both.
MATTERS: dict[str, list[object]] = {
    "emulator": [Emulator(path=Path("/opt/qemu"), arch=X86)],
    "kind": [Accelerator.KVM],
    "cpu": ["Haswell", "maximum"],
    "memory_mib": [2048],
    "vcpus": [1],
    "disks": [
        (replace(DISK, sector_bytes=4096),),
        (replace(DISK, serial="other"),),
        (replace(DISK, image_format="raw"),),
        (DISK, DISK),
        (Paths(nbd=Path("/a/disk.nbd"), serial="root"),),
    ],
    "ignition": [None],
    "ports": [(), (Port(name="events", path=Path("/a/journal.log")),)],
    "forwards": [(), (Forward(host_port=20001, guest_port=23),)],
    "hardware": [hardware.parse("uefi"), hardware.parse("second-nic"), hardware.parse("tpm")],
    "segment": [None, replace(SEGMENT, is_only_way=True), replace(SEGMENT, mac="52:54:01:0:0:02")],
    "cdrom": [None],
    "netboot": [None],
    "ram": [None],
    "generation": [""],
}
DIFFERS: dict[str, list[object]] = {
    "name": ["two"],
    "uuid": ["2" * 8],
    "disks": [(replace(DISK, path=Path("/b/overlay.qcow2")),)],
    "console": [Path("/b/console.log")],
    "ignition": [Path("/b/config.ign")],
    "ports": [(Port(name="journal", path=Path("/b/journal.log")),)],
    "forwards": [(Forward(host_port=20002, guest_port=22),)],
    "segment": [
        replace(SEGMENT, local=Path("/s/one"), remote=Path("/s/two"), mac="52:54:01:cc:dd:01")
    ],
    "cdrom": [Path("/b/live.iso")],
    "netboot": ["http://10.0.2.2/other/boot.ipxe"],
    "security": [(SecurityLabel(model="dac", label="+1:+1"),)],
    "ram": [Ram(path=Path("/b/ram"), is_shared=False)],
    "generation": ["2" * 8],
    "is_incoming": [True],
}


def changed(field: str, value: object) -> Domain:
    return replace(DOMAIN, **{field: value})  # type: ignore[arg-type]  # by the field's name


def test_each_field_of_a_domain_is_decided_on() -> None:
    assert {field.name for field in fields(Domain)} == MATTERS.keys() | DIFFERS.keys()


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in MATTERS.items() for value in values]
)
def test_what_makes_another_machine_changes_its_canonical_form(field: str, value: object) -> None:
    assert canonical(changed(field, value)) != canonical(DOMAIN)


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in DIFFERS.items() for value in values]
)
def test_what_differs_between_runs_leaves_its_canonical_form(field: str, value: object) -> None:
    assert canonical(changed(field, value)) == canonical(DOMAIN)


# Few letters, with what formats put between texts, so that different origins often look alike.
ALIKE = ["", *'ab:=,\n\0"\\é', "aa", "ab", "a,b", 'a":"b', "a\0b", "a=b\nb=a"]
TEXTS = st.sampled_from(ALIKE) | st.text(max_size=2)
NAMED = st.sampled_from(
    [{}, {"a": "b"}, {"b": "a"}, {"a": ""}, {"": "a"}, {"a": "b", "b": "a"}]
) | st.dictionaries(TEXTS, TEXTS, max_size=2)
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "domain": TEXTS, "emulator": TEXTS, "processor": TEXTS, "ignition": NAMED, "images": NAMED,
    "step": TEXTS, "code": TEXTS, "format": st.integers(0, 2),
}  # fmt: skip
ORIGINS = st.builds(Origin, **PARTS)


@given(one=ORIGINS, other=ORIGINS)
def test_two_origins_have_one_key_only_if_they_are_equal(one: Origin, other: Origin) -> None:
    assert (one.key == other.key) == (one == other)


@pytest.mark.parametrize("field", [field.name for field in fields(Origin)])
@given(data=st.data(), one=ORIGINS)
def test_no_part_of_an_origin_can_change_alone(
    field: str, data: st.DataObject, one: Origin
) -> None:
    value = data.draw(PARTS[field])
    other = replace(one, **{field: value})

    assert (one.key == other.key) == (value == getattr(one, field))


def test_the_order_in_which_images_were_named_does_not_matter() -> None:
    images = {"bootimage": "a", "node-image": "b"}
    one = Origin(domain="", emulator="", processor="", ignition={}, images=images, step="")

    assert replace(one, images=dict(reversed(images.items()))).key == one.key


CPUINFO = """\
processor	: 0
vendor_id	: GenuineIntel
model name	: Any
cpu MHz		: 2400.000
flags		: fpu vme

processor	: 1
flags		: other
"""


def test_a_processor_is_its_model_and_features_and_not_its_present_speed() -> None:
    same = CPUINFO.replace("2400", "3600")

    assert processor(same) == processor(CPUINFO)
    assert processor(CPUINFO.replace("fpu vme", "fpu")) != processor(CPUINFO)
    assert "GenuineIntel" in processor(CPUINFO)
