"""No command and no option waits for what is not a file, or reads it without end.

Each place where a path can be given is tried with each kind of thing but a file. A place that
is new fails the first tests here until it is in a table.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from composed_runs import record
from images_fakes import tar_of, write_layout

from harness.cli import main
from harness.contract.inspection import Depth
from harness.contract.reading.access import Access, answers_of_user
from harness.contract.reading.inspect import inspect
from harness.diagnosis import allow, rules
from harness.model.clock import Deadline
from harness.model.errors import HarnessError, InputError
from harness.model.record import ShardRecord, State
from harness.recording.artifacts import Artifacts, choose
from harness.report import document
from harness.report.history import durations, store
from harness.workplace import options
from harness.workplace.option_table import OPTIONS
from harness.workplace.preparation import Preparation

_HANG_S = 60.0
"""Long enough for any host; what is refused is refused in milliseconds."""

KINDS = (
    "FIFO", "socket", "endless device", "folder of FIFOs", "file of the kernel", "link to itself",
    "too long a name",
)  # fmt: skip


def make(kind: str, path: Path) -> None:
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "socket":
            with closing(socket.socket(socket.AF_UNIX)) as server:
                server.bind(str(path))
        case "endless device":
            path.symlink_to("/dev/zero")
        case "link to itself":
            path.symlink_to(path)
        case "file of the kernel":
            path.symlink_to("/proc/self/pagemap")
        case "folder of FIFOs":
            for inner in NAMES_IN_FOLDERS:
                (path / inner).parent.mkdir(parents=True, exist_ok=True)
                os.mkfifo(path / inner)


NAMES_IN_FOLDERS = (
    "report.json", "machine/machine.json", "tested.json", "index.json", "oci-layout", "version",
    "manifest.json", "blobs/sha256/" + "a" * 64, "repodata/repomd.xml", "ca.crt", "client.cert",
    "client.key",
)  # fmt: skip

ODD, RUN, SHARD, TEXT, IMAGE = "ODD", "RUN", "SHARD", "TEXT", "oci:LAYOUT:t"
"""Words of the table that `filled` replaces."""
_NEW = ("-o", "NEW")

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "compare OLD": (("compare", ODD, RUN),),
    "compare NEW": (("compare", RUN, ODD),),
    "history FILE": (("history", ODD),),
    "report write FOLDER": (("report", "write", ODD), ("report", ODD)),
    "report merge FOLDER...": (
        ("report", "merge", ODD, *_NEW), ("report", "merge", SHARD, ODD, *_NEW),
    ),
    "report merge --output": (("report", "merge", SHARD, "-o", ODD),),
    "report merge --history": (("report", "merge", SHARD, *_NEW, "--history", ODD),),
    "lint-ignition FILES": (("lint-ignition", ODD),),
    "lint-ignition --bootimage": (
        ("lint-ignition", "CONFIG", "--bootimage", ODD, "--node-image", IMAGE),
        ("lint-ignition", "CONFIG", "--bootimage", "stream:ODD#a/b/c", "--node-image", IMAGE),
    ),
    "lint-ignition --node-image": (
        ("lint-ignition", "CONFIG", "--bootimage", "DISK", "--node-image", "oci-archive:ODD"),
    ),
    "diagnose CONSOLE": (("diagnose", ODD),),
    "diagnose --rules": (("diagnose", TEXT, "--rules", ODD),),
    "inspect REF|BOOTIMAGE": (
        ("inspect", ODD), ("inspect", "stream:ODD#x86_64/qemu/qcow2.gz"), ("inspect", "oci:ODD"),
        ("inspect", "dir:ODD"), ("inspect", "oci-archive:ODD"), ("inspect", "docker-archive:ODD"),
        ("inspect", "--deep", "oci:ODD"), ("inspect", "--deep", "oci-archive:ODD"),
    ),
    "inspect --base-image": (("inspect", IMAGE, "--base-image", "oci:ODD"),),
    "inspect --bootc-image": (("inspect", IMAGE, "--bootc-image", "oci-archive:ODD"),),
    "inspect --authfile": (("inspect", IMAGE, "--authfile", ODD),),
    "inspect --cert-dir": (("inspect", IMAGE, "--cert-dir", ODD),),
    "diff OLD": (("diff", "oci-archive:ODD", IMAGE),),
    "diff NEW": (("diff", IMAGE, "docker-archive:ODD"),),
    "diff --authfile": (("diff", IMAGE, IMAGE, "--authfile", ODD),),
    "diff --cert-dir": (("diff", IMAGE, IMAGE, "--cert-dir", ODD),),
    "equivalent LEGACY": (("equivalent", "oci-archive:ODD", IMAGE),),
    "equivalent LAYERED": (("equivalent", IMAGE, "dir:ODD"),),
    "equivalent --rules": (("equivalent", IMAGE, IMAGE, "--rules", ODD),),
    "equivalent --authfile": (("equivalent", IMAGE, IMAGE, "--authfile", ODD),),
    "equivalent --cert-dir": (("equivalent", IMAGE, IMAGE, "--cert-dir", ODD),),
    "streams FILE|URL": (("streams", ODD),),
    "stale --base": (("stale", "--base", "oci:ODD", "--node", IMAGE),),
    "stale --node": (("stale", "--base", IMAGE, "--node", "oci-archive:ODD"),),
    "stale --release": (("stale", "--base", IMAGE, "--release", "docker-archive:ODD"),),
    "stale --repo": (("stale", "--base", IMAGE, "--node", IMAGE, "--repo", ODD),),
    "stale --base-repo": (("stale", "--base", IMAGE, "--node", IMAGE, "--base-repo", ODD),),
    "stale --node-repo": (("stale", "--base", IMAGE, "--node", IMAGE, "--node-repo", ODD),),
    "stale --authfile": (("stale", "--base", IMAGE, "--node", IMAGE, "--authfile", ODD),),
    "stale --cert-dir": (("stale", "--base", IMAGE, "--node", IMAGE, "--cert-dir", ODD),),
}  # fmt: skip
NO_PATHS = {
    "history --scenario", "history --since", "version TEXT...", "diff --os-stream",
    "stale --os-stream", "spawn SCENARIO", "spawn [-- COMMAND...]", "spawn --at",
    "spawn --machine", "spawn --forward", "nodes login NAME", "nodes login [-- COMMAND...]",
    "nodes login --forward", "nodes console NAME", "nodes stop NAME...",
    # scp opens its source without waiting, and refuses what is not a file.
    "nodes copy SOURCE", "nodes copy TARGET",
    *(f"{name} --arch" for name in ("inspect", "diff", "equivalent", "stale")),
    *(f"{name} --output" for name in ("inspect", "diff", "equivalent", "stale", "streams",
                                      "version")),
}  # fmt: skip


def places(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield each place of a command, and of those below it, where a value can be given."""
    for each in command.params:
        if not isinstance(each, click.Option):
            yield " ".join((*words, each.human_readable_name))
        elif not each.is_flag:
            yield " ".join((*words, max(each.opts, key=len)))
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from places(inner, (*words, name))


def test_each_place_of_a_command_is_in_a_table() -> None:
    of_pytest = {f"spawn {option.flag}" for option in OPTIONS}

    assert {*places(main)} - of_pytest == {*COMMANDS} | NO_PATHS


def _contract_image(name: str) -> Callable[[Preparation], object]:
    def read(ready: Preparation) -> object:
        text = str(vars_of(ready)[name])
        with answers_of_user() as cache:
            return inspect(text, Depth.QUICK, Access(arch=ready.settings.arch, cache=cache),
                           Deadline.after(_HANG_S))  # fmt: skip

    return read


def vars_of(ready: Preparation) -> dict[str, object]:
    return {name: getattr(ready.settings, name) for name in ready.settings.__slots__}


def _history(ready: Preparation) -> None:
    path = ready.settings.history
    assert path is not None
    with suppress(InputError):
        durations.of_units(path, lambda _, test: test)
    with suppress(InputError):
        store.read(path)
    store.append(path, record(1))


OPTIONS_READ: dict[str, tuple[str, Callable[[Preparation], object]]] = {
    "bootimage": (ODD, lambda ready: ready.bootimage),
    "fat-bootimage": (ODD, lambda ready: ready.images.acquire(())),
    "live-iso": (ODD, lambda ready: ready.images.check(())),
    "image": ("key=ODD", lambda ready: ready.images.disk("key")),
    "node-image": ("oci-archive:ODD", lambda ready: ready.node_image),
    "release-image": ("oci:ODD", lambda ready: ready.released),
    "base-image": ("oci:ODD", _contract_image("base_image")),
    "extensions": ("dir:ODD", _contract_image("extensions")),
    "driver-toolkit": ("docker-archive:ODD", _contract_image("driver_toolkit")),
    "authfile": (ODD, lambda ready: ready.authfile),
    "ignition": (ODD, lambda ready: ready.extra_ignition),
    "bootstrap-ignition": (ODD, lambda ready: ready.bootstrap_ignition),
    "live-ignition": (ODD, lambda ready: ready.live_ignition),
    "expectations": (ODD, lambda ready: ready.expectations),
    "artifacts-dir": (
        f"{ODD}/report.json", lambda ready: Artifacts(choose(ready.settings.artifacts_dir)).folder
    ),
    "allow": (ODD, lambda ready: allow.load(ready.settings.allow or Path())),
    "rules": (ODD, lambda ready: rules.load(ready.settings.rules)),
    "history": (ODD, _history),
}  # fmt: skip
OPTIONS_WITHOUT_PATH = {
    "bootimage-sha256", "os-stream", "arch", "scenario", "shard", "until", "checkpoints",
    "libvirt-uri", "timeout-factor", "memory-mib", "hardware", "download-cache-size",
}  # fmt: skip
_PARTNERS = {"bootimage": {"node-image": IMAGE}, "node-image": {"bootimage": "DISK"},
             "release-image": {"bootimage": "DISK"}}  # fmt: skip


def test_each_option_is_in_a_table() -> None:
    assert {option.name for option in OPTIONS if option.metavar} == (
        {*OPTIONS_READ} | OPTIONS_WITHOUT_PATH
    )


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an odd thing of each kind, and with good ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for number, kind in enumerate(KINDS):
        make(kind, tmp_path / f"odd-{number}")
    for name, run in (("run", record(1)), ("shard", replace(record(1), shard=_SHARD))):
        (tmp_path / name).mkdir()
        document.write(replace(run, state=State.FINISHED), tmp_path / name / "report.json")
    write_layout(tmp_path / "layout", [tar_of({"etc/os-release": b"ID=x"})], arch=GO_ARCH)
    (tmp_path / "disk").write_bytes(bytes(510) + b"\x55\xaa" + bytes(512))
    (tmp_path / "text").write_text("a line\n")
    (tmp_path / "config").write_text('{"ignition": {"version": "3.4.0"}}')
    return tmp_path


_GOOD = ("run", "shard", "layout", "disk", "text", "config", "new")
_SHARD = ShardRecord(number=1, count=1, selection="x", tests=0)
GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def filled(text: str, room: Path, number: int) -> str:
    name = "n" * 300 if KINDS[number] == "too long a name" else f"odd-{number}"
    known = {"ODD": str(room / name)}
    known |= {name.upper(): str(room / name) for name in _GOOD}
    return re.sub("|".join(known), lambda found: known[found[0]], text)


def answers(act: Callable[[int], str]) -> list[str]:
    """Return what `act` returns for each kind, from a process that is killed if it hangs."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(writing, "w") as out:
            for number in range(len(KINDS)):
                print(json.dumps(_answer(act, number)), file=out, flush=True)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines, closing(_Hangs(child)) as watch:
        found = [json.loads(line) for line in lines]
        watch.close()
    os.waitpid(child, 0)
    return found


def _answer(act: Callable[[int], str], number: int) -> str:
    try:
        return act(number)
    except BaseException:  # else the child would go on as pytest
        return traceback.format_exc()


class _Hangs(threading.Timer):
    """Kills a process that is not done in time."""

    def __init__(self, child: int) -> None:
        super().__init__(_HANG_S, lambda: os.kill(child, signal.SIGKILL))
        self.start()

    def close(self) -> None:
        self.cancel()
        self.join()


def _printed(argv: tuple[str, ...], room: Path, number: int) -> str:
    done = CliRunner().invoke(main, [filled(word, room, number) for word in argv])
    shutil.rmtree(room / "new", ignore_errors=True)
    return f"{done.exit_code} {done.output}"


def _variable(name: str) -> str:
    return f"NODE_IMAGE_{name.replace('-', '_').upper()}"


def _read(name: str, room: Path, number: int) -> str:
    text, read = OPTIONS_READ[name]
    given = {name: text, **_PARTNERS.get(name, {})}
    named = {_variable(key): filled(value, room, number) for key, value in given.items()}
    with closing(Preparation(options.read({}, named, {}, room), lambda _: None)) as ready:
        try:
            return f"0 {read(ready)}"
        except HarnessError as exc:
            return f"2 Error: {exc}"


def require_refusals(said: list[str]) -> None:
    """Require one message for each kind."""
    found = dict(zip(KINDS, [*said, *["it hangs"] * len(KINDS)], strict=False))
    assert {
        kind: text for kind, text in found.items()
        if not text.startswith("2 ") or text.count("Error: ") != 1 or "Traceback" in text
    } == {}  # fmt: skip


@pytest.mark.parametrize(
    "argv", [argv for rows in COMMANDS.values() for argv in rows], ids=" ".join
)
def test_command_refuses_at_once(argv: tuple[str, ...], room: Path) -> None:
    require_refusals(answers(partial(_printed, argv, room)))


@pytest.mark.parametrize("name", OPTIONS_READ)
def test_option_refuses_at_once(name: str, room: Path) -> None:
    require_refusals(answers(partial(_read, name, room)))
