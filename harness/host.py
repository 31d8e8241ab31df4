"""Finds what the host lacks, and installs it with the distribution's package tool.

Runs before anything is installed (`python -m harness.host install`), so it imports only the
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.host_needs import FOREIGN, NEEDS, Family, HostNeed


def family_of(os_release: str) -> Family | None:
    """Return the family of the ID or ID_LIKE in an os-release text, None for others."""
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
    """Return whether a mark is on this host.

    A bare word is a program in PATH or the system's sbin folders; a relative path is a file in the
    library folders; an absolute one may contain `*`; `user:NAME` is an account.
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
    """The host: its os-release, what is installed, and how to become root.

    `elevation` precedes a command that needs root; None means that nothing can be installed.
    """

    os_release: str
    elevation: tuple[str, ...] | None
    has: Callable[[str], bool] = is_present
    call: Callable[[Sequence[str]], int] = _call

    @classmethod
    def here(cls) -> Host:
        """Return the host that this process runs on."""
        text = Path("/etc/os-release")
        sudo = ("sudo",) if shutil.which("sudo") else None
        return cls(
            os_release=text.read_text(encoding="utf-8") if text.exists() else "",
            elevation=() if os.geteuid() == 0 else sudo,
        )

    @property
    def name(self) -> str:
        """The distribution's PRETTY_NAME."""
        return _fields(self.os_release).get("PRETTY_NAME", "unknown distribution")

    def missing(self, needs: Iterable[HostNeed] = NEEDS) -> tuple[HostNeed, ...]:
        """Return the needs of which no mark is present."""
        return tuple(need for need in needs if not any(map(self.has, need.marks)))

    def commands(self, needs: Iterable[HostNeed]) -> tuple[tuple[str, ...], ...]:
        """Return the commands that install `needs`; none on an unknown distribution."""
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

    def advice(self, needs: Iterable[HostNeed]) -> str:
        """Return one line to paste that installs `needs`, or that lists them."""
        wanted = tuple(needs)
        line = " && ".join(map(shlex.join, self.commands(wanted)))
        return line or f"install what provides: {', '.join(need.name for need in wanted)}"

    def remedy(self, needs: Iterable[HostNeed]) -> str:
        """Return the same as a sentence, empty without needs."""
        wanted = tuple(needs)
        if not wanted:
            return ""
        if self.commands(wanted):
            return f"Run `{self.advice(wanted)}`."
        return f"Install what provides: {', '.join(need.name for need in wanted)}."


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


def describe(needs: Iterable[HostNeed]) -> str:
    """Return one line for each need: its name and what it is needed to do."""
    return "\n".join(f"  {need.name}: needed to {need.purpose}" for need in needs)


def install(host: Host, needs: Iterable[HostNeed] = NEEDS, *, dry_run: bool = False) -> int:
    """Print and install what is missing of `needs`; return 0, or 1 if something is still missing.

    Blocks for as long as the package tool does; its output goes to the terminal.
    """
    wanted = tuple(needs)
    lacking = host.missing(wanted)
    if not lacking:
        return _print("host: nothing is missing, nothing to install")
    _print(f"host: missing\n{describe(lacking)}\nhost: installed by\n  {host.advice(lacking)}")
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
    return _fail(f"still missing\n{describe(left)}") if left else _print("host: installed")


def _print(text: str) -> int:
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
    parser.add_argument("--dry-run", action="store_true", help="print what would be installed")
    parser.add_argument("--all", action="store_true", help="include what other architectures need")
    options = parser.parse_args(argv)
    wanted = NEEDS if options.all else (need for need in NEEDS if need.purpose not in FOREIGN)
    return install(Host.here(), wanted, dry_run=options.dry_run)


if __name__ == "__main__":
    raise SystemExit(main())
