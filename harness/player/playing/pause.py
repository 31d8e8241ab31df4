"""The stop that `--until` asks for: the machines stay, and the user gets a way in."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.guest.keys import RunKeys
from harness.model.secret import Secret
from harness.player.inputs import Rig
from harness.player.running import Running

_LOOK_S = 1.0


def pause(
    machines: Iterable[Running], keys: RunKeys, rig: Rig, check_alive: Callable[[], None]
) -> None:
    """Report how to log in to each machine, and wait until the user interrupts.

    Raises:
        KeyboardInterrupt: the user did; machines and files go as after any interruption.
        HarnessError: a machine failed or was switched off meanwhile.
    """
    with _login_files(rig.run.folder, keys, machines) as commands:
        for name, command in commands:
            rig.report(f"{name}: log in with  {command}")
        rig.report("stopped by --until: the machines stay until you press Ctrl-C")
        while True:
            check_alive()
            rig.clock.sleep(_LOOK_S)


@contextmanager
def _login_files(
    folder: Path, keys: RunKeys, machines: Iterable[Running]
) -> Iterator[list[tuple[str, str]]]:
    """Context manager that writes what ssh needs; yields a command for each machine."""
    ports = [(running.evidence.folder.name, running.machine.ssh_port) for running in machines]
    key, known = folder / "login.key", folder / "login.known_hosts"
    hosts = "".join(f"[127.0.0.1]:{port} {keys.host.public}\n" for _, port in ports)
    try:
        _write(key, keys.client.private)
        _write(known, Secret(hosts))
        yield [(name, _command(key, known, port)) for name, port in ports]
    finally:
        key.unlink(missing_ok=True)
        known.unlink(missing_ok=True)


def _write(path: Path, contents: Secret) -> None:
    path.touch(mode=0o600)
    path.write_text(contents.reveal(), encoding="utf-8")


def _command(key: Path, known: Path, port: int) -> str:
    words = ["ssh", "-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes"]
    words += ["-o", f"UserKnownHostsFile={known}", "-p", str(port), "core@127.0.0.1"]
    return shlex.join(words)
