"""What the host needs besides Python packages, and the distribution packages that contain it.

A new need is one row of a table here. Imports only the standard library, as `host` does.
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What a need is for, worded to follow "needed to"."""

    TOX = "run tox"
    PLUGIN = "install the plugin"
    MACHINE = "boot machines"
    UEFI = "boot x86_64 machines by UEFI"
    TPM = "give machines a TPM"
    AARCH64 = "boot aarch64 machines"
    OTHERS = "boot s390x and ppc64le machines"
    BOOTIMAGE = "read bootimages without booting"
    STANDIN = "build the stand-in images"
    TESTS = "run the plugin's own tests"


class Family(StrEnum):
    """The package tools that `host` can run."""

    APT = "apt"
    DNF = "dnf"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNeed:
    """One thing that the host needs, and its package in each family.

    It is present if any of `marks` is; see `host.is_present`.
    """

    name: str
    purpose: Purpose
    marks: tuple[str, ...]
    apt: str
    dnf: str

    def package(self, family: Family) -> str:
        """Return the package that provides it."""
        return self.apt if family is Family.APT else self.dnf


_PYTHON_H = f"{sysconfig.get_config_var('INCLUDEPY')}/Python.h"
_ENSUREPIP = f"{sysconfig.get_path('stdlib')}/ensurepip/__init__.py"

# One row a need: name | Debian's package | Fedora's package | marks, if not the name itself.
_TOX = f"ensurepip | python3-venv | python3-pip | {_ENSUREPIP}"
# libvirt-python comes as source only: it is compiled when the plugin is installed.
_PLUGIN = f"""
gcc             | gcc         | gcc
C headers       | libc6-dev   | glibc-devel         | /usr/include/stdio.h
Python headers  | python3-dev | python3-devel       | {_PYTHON_H}
pkg-config      | pkg-config  | pkgconf-pkg-config
libvirt headers | libvirt-dev | libvirt-devel       | pkgconfig/libvirt.pc
"""
_MACHINE = """
QEMU              | qemu-system-x86 | qemu-kvm-core       | qemu-system-x86_64 /usr/libexec/qemu-kvm
qemu-img          | qemu-utils      | qemu-img
ignition-validate | ignition        | ignition-validate
skopeo            | skopeo          | skopeo
registry          | docker-registry | docker-distribution | docker-registry registry
rpm               | rpm             | rpm
CA certificates | ca-certificates | ca-certificates | /etc/ssl/certs/ca-*.crt /etc/pki/tls/cert.pem
libvirt's QEMU driver | libvirt-daemon-driver-qemu | libvirt-daemon-driver-qemu | \
    libvirt/connection-driver/libvirt_driver_qemu.so
libvirt's user | libvirt-daemon-driver-qemu | libvirt-daemon-driver-qemu | \
    user:libvirt-qemu user:qemu
"""
_OVMF = "OVMF | ovmf | edk2-ovmf | /usr/share/OVMF/OVMF_CODE*.fd /usr/share/edk2/ovmf/OVMF_CODE*.fd"
_TPM = """
swtpm       | swtpm       | swtpm
swtpm_setup | swtpm-tools | swtpm-tools
"""
_AARCH64 = """
QEMU for aarch64 | qemu-system-arm   | qemu-system-aarch64-core | qemu-system-aarch64
UEFI for aarch64 | qemu-efi-aarch64  | edk2-aarch64             | \
    /usr/share/AAVMF/AAVMF_CODE*.fd /usr/share/edk2/aarch64/QEMU_EFI*
"""
_OTHERS = """
QEMU for s390x   | qemu-system-misc | qemu-system-s390x-core | qemu-system-s390x
QEMU for ppc64le | qemu-system-ppc  | qemu-system-ppc-core   | qemu-system-ppc64
"""
_BOOTIMAGE = """
grub-fstest | grub-common | grub2-tools-extra | grub-fstest grub2-fstest
debugfs     | e2fsprogs   | e2fsprogs
"""
_STANDIN = """
mmdebstrap    | mmdebstrap  | mmdebstrap
apt-get       | apt         | apt
newuidmap     | uidmap      | shadow-utils
dpkg-deb      | dpkg        | dpkg
dpkg-source   | dpkg-dev    | dpkg-dev
ostree        | ostree      | ostree
rpmbuild      | rpm         | rpm-build
sfdisk        | fdisk       | util-linux
mkfs.ext4     | e2fsprogs   | e2fsprogs
mformat       | mtools      | mtools
mksquashfs    | squashfs-tools | squashfs-tools
xorriso       | xorriso     | xorriso
zstd          | zstd        | zstd
Debian's keys | debian-archive-keyring | debian-keyring | \
    /usr/share/keyrings/debian-archive-keyring.gpg
"""


_TESTS = """
mkfs.xfs | xfsprogs | xfsprogs
createrepo_c | createrepo-c | createrepo_c
go       | golang-go | golang
chromium | chromium  | chromium | chromium chromium-browser
systemd-journal-remote | systemd-journal-remote | systemd-journal-remote | \
    /lib/systemd/systemd-journal-remote
QEMU's user mode | qemu-user | qemu-user | qemu-s390x
assembler for aarch64 | binutils-aarch64-linux-gnu | binutils-aarch64-linux-gnu | \
    aarch64-linux-gnu-as
assembler for s390x | binutils-s390x-linux-gnu | binutils-s390x-linux-gnu | s390x-linux-gnu-as
assembler for ppc64le | binutils-powerpc64le-linux-gnu | binutils-powerpc64le-linux-gnu | \
    powerpc64le-linux-gnu-as
"""


def _needs(purpose: Purpose, table: str) -> tuple[HostNeed, ...]:
    return tuple(_row(purpose, line) for line in table.strip().splitlines())


def _row(purpose: Purpose, line: str) -> HostNeed:
    name, apt, dnf, *marks = (cell.strip() for cell in line.split("|"))
    found_by = tuple(marks[0].split()) if marks else (name,)
    return HostNeed(name=name, purpose=purpose, marks=found_by, apt=apt, dnf=dnf)


# Needed only by machines of such hardware; of these, what is large and for other architectures.
OPTIONAL = frozenset((Purpose.UEFI, Purpose.TPM, Purpose.AARCH64, Purpose.OTHERS,
                      Purpose.BOOTIMAGE))  # fmt: skip
FOREIGN = frozenset((Purpose.AARCH64, Purpose.OTHERS))

TOX_NEEDS = _needs(Purpose.TOX, _TOX)
NEEDS = (
    *_needs(Purpose.PLUGIN, _PLUGIN),
    *_needs(Purpose.MACHINE, _MACHINE),
    *_needs(Purpose.UEFI, _OVMF),
    *_needs(Purpose.TPM, _TPM),
    *_needs(Purpose.AARCH64, _AARCH64),
    *_needs(Purpose.OTHERS, _OTHERS),
    *_needs(Purpose.BOOTIMAGE, _BOOTIMAGE),
    *_needs(Purpose.STANDIN, _STANDIN),
    *_needs(Purpose.TESTS, _TESTS),
)
