"""What the host must have beside Python packages, and how its distribution provides it.

Runs before anything is installed (`python -m harness.host install`), so it imports nothing but the
standard library. `doctor.py` and the plugin ask it what is missing; only `install` changes a host.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Purpose(StrEnum):
    """What a need is for, worded to follow "needed to"."""

    TOX = "run tox"
    PLUGIN = "install the plugin"
    MACHINE = "boot machines"
    UEFI = "boot x86_64 machines by UEFI"
    TPM = "give machines a TPM"
    AARCH64 = "boot aarch64 machines"
    OTHERS = "boot s390x and ppc64le machines"
    STANDIN = "build the stand-in images"
    TESTS = "run the plugin's own tests"


class Family(StrEnum):
    """The package tools that we can drive."""

    APT = "apt"
    DNF = "dnf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that must be on the host, and its package in each family.

    It is there when any of `marks` is, see `is_present`.
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
go       | golang-go | golang
chromium | chromium  | chromium | chromium chromium-browser
systemd-journal-remote | systemd-journal-remote | systemd-journal-remote | \
    /lib/systemd/systemd-journal-remote
"""


def _needs(purpose: Purpose, table: str) -> tuple[Need, ...]:
    return tuple(_row(purpose, line) for line in table.strip().splitlines())


def _row(purpose: Purpose, line: str) -> Need:
    name, apt, dnf, *marks = (cell.strip() for cell in line.split("|"))
    found_by = tuple(marks[0].split()) if marks else (name,)
    return Need(name=name, purpose=purpose, marks=found_by, apt=apt, dnf=dnf)


# What only a machine that asks for it needs, and of that what is large and for other hosts' guests.
OPTIONAL = frozenset((Purpose.UEFI, Purpose.TPM, Purpose.AARCH64, Purpose.OTHERS))
FOREIGN = frozenset((Purpose.AARCH64, Purpose.OTHERS))

TOX_NEEDS = _needs(Purpose.TOX, _TOX)
NEEDS = (
    *_needs(Purpose.PLUGIN, _PLUGIN),
    *_needs(Purpose.MACHINE, _MACHINE),
    *_needs(Purpose.UEFI, _OVMF),
    *_needs(Purpose.TPM, _TPM),
    *_needs(Purpose.AARCH64, _AARCH64),
    *_needs(Purpose.OTHERS, _OTHERS),
    *_needs(Purpose.STANDIN, _STANDIN),
    *_needs(Purpose.TESTS, _TESTS),
)


def family_of(os_release: str) -> Family | None:
    """Return the family that an os-release text names by ID or ID_LIKE, or none."""
    fields = _fields(os_release)
    for word in f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".split():
        if word in ("debian", "ubuntu"):
            return Family.APT
        if word in ("fedora", "rhel", "centos"):
            return Family.DNF
    return None


def _fields(os_release: str) -> dict[str, str]:
    # Source: os-release(5).
    pairs = (line.partition("=") for line in os_release.splitlines())
    return {key: value.strip("\"' ") for key, _, value in pairs}


def is_present(mark: str) -> bool:
    """Tell whether a mark is there.

    A bare word is a program in PATH or the system's sbin folders; a relative path is looked for in
    the library folders; an absolute one may hold `*`; `user:NAME` is an account.
    """
    if mark.startswith("user:"):
        return any(entry.pw_name == mark.removeprefix("user:") for entry in pwd.getpwall())
    if "/" in mark:
        places = ("/",) if mark.startswith("/") else ("/usr/lib*/", "/usr/lib/*/")  # Fedora, Debian
        return any(any(Path("/").glob(f"{place}{mark}".strip("/"))) for place in places)
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    return shutil.which(mark, path=path) is not None


def _call(argv: Sequence[str]) -> int:
    # Not process.run: sudo may ask for a password, and needs the terminal that `run` takes away.
    try:
        return subprocess.run(argv, check=False).returncode
    except OSError:
        return 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine: what it says of itself, what is on it, and how to become root there.

    `elevation` is put before a command to run it as root; without one nothing can be installed.
    """

    os_release: str
    elevation: tuple[str, ...] | None
    has: Callable[[str], bool] = is_present
    call: Callable[[Sequence[str]], int] = _call

    @classmethod
    def here(cls) -> Host:
        """Return the machine that this runs on."""
        text = Path("/etc/os-release")
        sudo = ("sudo",) if shutil.which("sudo") else None
        return cls(
            os_release=text.read_text(encoding="utf-8") if text.exists() else "",
            elevation=() if os.geteuid() == 0 else sudo,
        )

    @property
    def name(self) -> str:
        """The distribution by its own words."""
        return _fields(self.os_release).get("PRETTY_NAME", "unknown distribution")

    def missing(self, needs: Iterable[Need] = NEEDS) -> tuple[Need, ...]:
        """Return the needs of which no mark is there."""
        return tuple(need for need in needs if not any(map(self.has, need.marks)))

    def commands(self, needs: Iterable[Need]) -> tuple[tuple[str, ...], ...]:
        """Return the commands that install `needs`; none on a distribution that we do not know."""
        family = family_of(self.os_release)
        if family is None:
            return ()
        root = ("sudo",) if self.elevation is None else self.elevation
        wanted = tuple(needs)
        packages = sorted({need.package(family) for need in wanted})
        marks = (need.marks[0] for need in wanted if family is Family.APT)
        accounts = [mark for mark in marks if mark.startswith("user:")]
        commands = [*_COMMANDS[family](packages), *map(_account, accounts)]
        return tuple((*root, *command) for command in commands)

    def advice(self, needs: Iterable[Need]) -> str:
        """Return one line to paste that installs `needs`, or that says what to look for."""
        wanted = tuple(needs)
        line = " && ".join(map(shlex.join, self.commands(wanted)))
        return line or f"install what provides: {', '.join(need.name for need in wanted)}"


def _apt(packages: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    # The lock: a fresh cloud machine upgrades itself at first.
    apt = ("apt-get", "-y", "-o", "DPkg::Lock::Timeout=300")
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive")
    return (*apt, "update"), (*quiet, *apt, "install", "--no-install-recommends", *packages)


def _dnf(packages: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    # --skip-broken: where a package is unknown (RHEL without EPEL) the others still come.
    options = ("-y", "--setopt=install_weak_deps=False", "--skip-broken")
    return (("dnf", "install", *options, *packages),)


def _account(mark: str) -> tuple[str, ...]:
    # Debian's libvirt looks its default account up before it reads the configuration that names
    # another; only libvirt-daemon-system, which would start a daemon, creates it.
    name = mark.removeprefix("user:")
    make = "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin"
    return ("sh", "-c", f"id {name} || {make} {name}")


_COMMANDS = {Family.APT: _apt, Family.DNF: _dnf}


def describe(needs: Iterable[Need]) -> str:
    """Return one line for each need: its name and what it is needed to do."""
    return "\n".join(f"  {need.name}: needed to {need.purpose}" for need in needs)


def install(host: Host, needs: Iterable[Need] = NEEDS, *, dry_run: bool = False) -> int:
    """Install what is missing of `needs`, telling it first; return 0, or 1 when something stays so.

    Blocks for as long as the package tool does; its output goes to the terminal.
    """
    wanted = tuple(needs)
    lacking = host.missing(wanted)
    if not lacking:
        return _tell("host: all that is needed is there, nothing to install")
    _tell(f"host: missing\n{describe(lacking)}\nhost: installed by\n  {host.advice(lacking)}")
    commands = host.commands(lacking)
    if dry_run:
        return 0
    if not commands:
        return _fail("this distribution is unknown (neither apt nor dnf family): install the above")
    if host.elevation is None:
        return _fail("not root, and there is no sudo: run the command above as root")
    for command in commands:
        if host.call(command) != 0:
            return _fail(f"this failed, its reason is above: {shlex.join(command)}")
    left = host.missing(wanted)
    return _fail(f"still missing\n{describe(left)}") if left else _tell("host: installed")


def _tell(text: str) -> int:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # before the package tool writes to the same terminal
    return 0


def _fail(text: str) -> int:
    sys.stderr.write(f"host: error: {text}\n")
    return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m harness.host install [--all] [--dry-run]` and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m harness.host", description=__doc__)
    parser.add_argument("action", choices=["install"])
    parser.add_argument("--dry-run", action="store_true", help="tell what would be installed")
    parser.add_argument("--all", action="store_true", help="also what other architectures need")
    options = parser.parse_args(argv)
    wanted = NEEDS if options.all else (need for need in NEEDS if need.purpose not in FOREIGN)
    return install(Host.here(), wanted, dry_run=options.dry_run)


if __name__ == "__main__":
    raise SystemExit(main())
