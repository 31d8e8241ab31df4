from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from goldens import Golden

from harness import folders
from harness.machine.domain import hardware
from harness.machine.domain.architecture import Accelerator, CpuLevel, architecture, cpu_model
from harness.machine.domain.domain import Domain, Port
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.network import Forward
from harness.machine.domain.segment import Segment
from harness.machine.domain.storage import Disk, Paths
from harness.machine.driver import SecurityLabel
from harness.model.errors import InputError

FOLDER = Path("/run-folder/one")
DISK = Path("/scratch/one/overlay.qcow2")


def a_domain(arch_name: str = "x86_64", kind: Accelerator = Accelerator.TCG) -> Domain:
    arch = architecture(arch_name)
    return Domain(
        name="node-image-run-000000-one",
        uuid="6a6f0a4e-3d5b-4e0c-9f5e-0123456789ab",
        emulator=Emulator(path=Path(f"/usr/bin/qemu-system-{arch_name}"), arch=arch),
        kind=kind,
        cpu=cpu_model(arch, kind, CpuLevel.V2),
        memory_mib=2048,
        vcpus=2,
        disks=(Disk(path=DISK, serial="root"),),
        console=FOLDER / "console.log",
        ignition=FOLDER / "config.ign",
        ports=(Port(name="com.coreos.ignition.journal", path=FOLDER / "ignition.log"),),
        forwards=(Forward(host_port=20022, guest_port=22),),
    )


def parsed(domain: Domain) -> ET.Element:
    return ET.fromstring(domain.to_xml())  # noqa: S314 - our own text


@pytest.mark.parametrize(
    ("name", "arch", "kind"),
    [
        ("x86_64-kvm", "x86_64", Accelerator.KVM),
        ("x86_64-tcg", "x86_64", Accelerator.TCG),
        ("aarch64-tcg", "aarch64", Accelerator.TCG),
        ("s390x-tcg", "s390x", Accelerator.TCG),
        ("ppc64le-kvm", "ppc64le", Accelerator.KVM),
        ("ppc64le-tcg", "ppc64le", Accelerator.TCG),
    ],
)
def test_domain_is_the_golden_one(name: str, arch: str, kind: Accelerator, golden: Golden) -> None:
    golden(folders.fixture(f"domains/{name}.xml"), a_domain(arch, kind).to_xml())


def with_media(domain: Domain) -> Domain:
    url = "http://10.0.2.2:20080/boot,.ipxe"
    return replace(domain, cdrom=Path("/images/live.iso"), netboot=url)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_disk_comes_before_media_in_the_golden_domain(arch: str, golden: Golden) -> None:
    golden(folders.fixture(f"domains/{arch}-media.xml"), with_media(a_domain(arch)).to_xml())


def equipped(words: str) -> Domain:
    """Return the domain with the hardware that `words` name, its disk made as `boot` makes it."""
    chosen = hardware.parse(words)
    disk: Disk | Paths = Disk(path=DISK, serial="root", sector_bytes=chosen.sector_bytes)
    if chosen.is_multipath:
        disk = Paths(nbd=FOLDER / "disk.nbd", serial="root", sector_bytes=chosen.sector_bytes)
    return replace(a_domain(), hardware=chosen, disks=(disk,))


@pytest.mark.parametrize("word", ["uefi", "secure-boot", "4k", "multipath", "tpm", "second-nic"])
def test_hardware_is_in_the_golden_domain(word: str, golden: Golden) -> None:
    golden(folders.fixture(f"domains/x86_64-{word}.xml"), equipped(word).to_xml())


def test_hardware_is_combined() -> None:
    words = "secure-boot,multipath,tpm,4k,second-nic"

    xml = equipped(words).to_xml()

    for part in (
        "smm",
        "enrolled-keys",
        "scsi-path1",
        "tpm-crb",
        "logical_block_size=4096",
        "net1",
    ):
        assert part in xml


def linked(domain: Domain) -> Domain:
    here, there = Path("/run-folder/link-00ff00/one"), Path("/run-folder/link-00ff00/two")
    return replace(domain, segment=Segment(local=here, remote=there, mac="52:54:01:00:ff:01"))


@pytest.mark.parametrize("arch", ["x86_64", "s390x"])
def test_segment_is_a_card_in_the_golden_domain(arch: str, golden: Golden) -> None:
    golden(folders.fixture(f"domains/{arch}-segment.xml"), linked(a_domain(arch)).to_xml())


def test_an_address_too_long_for_dhcp_is_refused() -> None:
    netboot = f"http://10.0.2.2:20080/{'x' * 128}"

    with pytest.raises(InputError, match="longer than 127 bytes"):
        replace(a_domain(), netboot=netboot).to_xml()


def test_a_changed_copy_changes_the_xml_and_not_the_original() -> None:
    original = a_domain()
    before = original.to_xml()

    fork = replace(original, name="fork", memory_mib=512)

    assert parsed(fork).findtext("name") == "fork"
    assert parsed(fork).findtext("memory") == "512"
    assert original.to_xml() == before


def test_without_ignition_no_channel_for_it_is_made() -> None:
    for arch in ("x86_64", "s390x"):
        xml = replace(a_domain(arch), ignition=None).to_xml()

        assert "sysinfo" not in xml
        assert "<serial>ignition</serial>" not in xml


def test_only_the_loopback_address_is_forwarded() -> None:
    forwards = (
        Forward(host_port=20022, guest_port=22),
        Forward(host_port=20080, guest_port=80),
    )

    xml = replace(a_domain(), forwards=forwards).to_xml()

    assert "hostfwd=tcp:127.0.0.1:20022-:22,hostfwd=tcp:127.0.0.1:20080-:80" in xml


def test_names_are_escaped() -> None:
    assert parsed(replace(a_domain(), name="<&>")).findtext("name") == "<&>"


def test_security_labels_keep_files_as_they_are() -> None:
    labels = (SecurityLabel(model="dac", label="+7:+8"), SecurityLabel(model="selinux"))

    dac, selinux = parsed(replace(a_domain(), security=labels)).findall("seclabel")

    assert dac.attrib == {"type": "static", "model": "dac", "relabel": "no"}
    assert dac.findtext("label") == "+7:+8"
    assert selinux.attrib == {"type": "none", "model": "selinux"}
