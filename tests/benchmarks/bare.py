"""The least that boots the same machine: its QEMU without libvirt, and ssh in a loop.

The command line is that of a machine of ours, so that both have the same devices, processor and
memory, without what only libvirt needs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from time import monotonic

from benchmarks.host import qemu_cpu_s
from harness import process
from harness.model.clock import Deadline, NotYet, wait_for

# For libvirt alone: names, its monitor, files that it opened, its secrets, its sandbox.
_LIBVIRTS = frozenset({"-name", "-S", "-mon", "-add-fd", "-sandbox", "-msg", "-no-shutdown"})
_OFTEN_S = 1.0
_LOGIN = "core@127.0.0.1"
_SSH = (
    "BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null", "ConnectTimeout=10", "LogLevel=VERBOSE",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a second machine must not share with the first: files and the forwarded port."""

    folder: Path
    disk: Path
    ignition: Path
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Seconds from the start of the boot to the login, and to the answer of a first command.

    `cpu_s` is what QEMU has used of the processors by then.
    """

    login_s: float
    answer_s: float
    cpu_s: float


def words_of(pid: int) -> list[str]:
    """Return the command line of a running QEMU."""
    return Path("/proc", str(pid), "cmdline").read_bytes().decode().rstrip("\0").split("\0")


def bare_words(words: Sequence[str], own: Own, *, with_ports: bool = True) -> list[str]:
    """Return the command line for a machine of its own, without libvirt.

    Without its ports the guest streams neither its journal nor events.
    """
    found = [words[0]]
    for option, value in _pairs(words[1:]):
        if option in _LIBVIRTS or _is_libvirts(option, value):
            continue
        if not with_ports and _is_port(option, value):
            continue
        found += [option, *([] if value is None else [_changed(option, value, own)])]
    return found


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    for number, word in enumerate(words):
        if word.startswith("-"):
            value = words[number + 1 : number + 2]
            yield word, value[0] if value and not value[0].startswith("-") else None


def _is_libvirts(option: str, value: str | None) -> bool:
    if value is None:
        return False
    return (option == "-chardev" and "id=charmonitor" in value) or (
        option == "-object" and _json(value).get("qom-type") == "secret"
    )


def _is_port(option: str, value: str | None) -> bool:
    """Return whether a device or its file is a virtio-serial port."""
    if value is None:
        return False
    return (option == "-chardev" and "id=charchannel" in value) or (
        option == "-device" and _json(value).get("driver") == "virtserialport"
    )


def _changed(option: str, value: str, own: Own) -> str:
    if option == "-fw_cfg":
        return re.sub(r"(?<=,file=).*", str(own.ignition), value)
    if option == "-chardev":
        return re.sub(r"/dev/fdset/(\d+)", rf"{own.folder}/stream-\1.log", value)
    if option == "-netdev":
        return re.sub(r"(?<=hostfwd=tcp:127\.0\.0\.1:)\d+", str(own.port), value)
    if option == "-blockdev" and _json(value).get("driver") == "file":
        return json.dumps({**_json(value), "filename": os.fspath(own.disk)})
    return value


def _json(value: str) -> Mapping[str, object]:
    if not value.startswith("{"):
        return {}
    found = json.loads(value)
    assert isinstance(found, dict)
    return found


@contextmanager
def running(words: Sequence[str], folder: Path) -> Iterator[None]:
    """Context manager that runs a QEMU; on leaving, it is gone."""
    with (folder / "qemu.log").open("wb") as log:
        stream = log.fileno()
        with process.start(words, stdout=stream, stderr=STDOUT, stdin=DEVNULL):
            yield


def wait_for_answer(own: Own, key: Path, began_s: float, deadline: Deadline) -> Answered:
    """Log in by ssh again and again, as a script does, until a command has answered.

    Raises:
        DeadlineError: none has.
    """
    options = [word for option in _SSH for word in ("-o", option)]
    argv = ["ssh", "-F", "none", "-p", str(own.port), "-i", str(key), *options, _LOGIN, "true"]

    def attempt() -> Answered:
        with process.start(argv, stdout=DEVNULL) as child:
            assert child.stderr is not None
            login_s, last = None, b""
            for line in child.stderr:
                last = line
                if line.startswith(b"Authenticated to"):
                    login_s = monotonic() - began_s
            child.wait()
        answer_s = monotonic() - began_s
        if child.returncode != 0 or login_s is None:
            raise NotYet(last.decode(errors="replace").strip())
        return Answered(login_s=login_s, answer_s=answer_s, cpu_s=qemu_cpu_s(own.folder))

    return wait_for("an answer by ssh", attempt, deadline, _OFTEN_S)
