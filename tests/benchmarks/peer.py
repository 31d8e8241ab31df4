"""labgrid as a peer, in a process of its own: `python -m benchmarks.peer ENVIRONMENT`.

Its QEMUDriver boots the machine, reads the serial console up to the login prompt, and its SSHDriver
asks the first command. It prints `Answered` as JSON. labgrid is installed for `tox -e bench` only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from time import monotonic

from benchmarks.bare import Answered, Own
from benchmarks.host import qemu_cpu_s
from harness import process
from harness.model.clock import Deadline

PROMPT = "login: "
_PROMPT_S = 900.0
_SSH_S = 120.0


def is_installed() -> bool:
    return find_spec("labgrid") is not None


def environment(words: Sequence[str], own: Own, key: Path) -> str:
    """Return labgrid's environment, which JSON can write, for a machine like the one of `words`.

    labgrid names the machine, processor, memory, disk and network card itself.
    """
    given = dict(pairwise(words))
    extra = [
        *("-accel", given["-accel"], "-smp", given["-smp"]),
        *("-fw_cfg", f"name=opt/com.coreos/config,file={own.ignition}"),
        *("-object", "rng-random,id=rng,filename=/dev/urandom"),
        *("-device", "virtio-rng-pci,rng=rng"),
    ]
    card = f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{own.port}-:22"
    qemu = {
        "qemu_bin": "qemu", "machine": "q35", "cpu": given["-cpu"], "memory": f"{given['-m']}M",
        "disk": "disk", "disk_opts": "cache=unsafe", "nic": card, "extra_args": " ".join(extra),
    }  # fmt: skip
    service = {"address": "127.0.0.1", "port": own.port, "username": "core"}
    ssh = {"keyfile": str(key), "connection_timeout": _SSH_S}
    return json.dumps({
        "targets": {
            "main": {
                "resources": {"NetworkService": service},
                "drivers": {"QEMUDriver": qemu, "SSHDriver": ssh},
            }
        },
        "tools": {"qemu": words[0]},
        "images": {"disk": str(own.disk)},
    })  # fmt: skip


def ask(environment: Path, deadline: Deadline) -> Answered:
    """Boot with labgrid to the first command's answer.

    Raises:
        CommandError, DeadlineError: it did not come.
    """
    argv = (sys.executable, "-m", "benchmarks.peer", environment)
    tests = Path(__file__).parents[1]
    done = process.run(argv, deadline, env={"PYTHONPATH": str(tests)})
    return Answered(**json.loads(done.stdout.splitlines()[-1]))


def main(environment: str) -> None:
    """Boot with labgrid; what the machine uses is beside its environment."""
    from labgrid import Environment

    folder = Path(environment).parent
    target = Environment(environment).get_target("main")
    qemu, ssh = target.get_driver("QEMUDriver", activate=False), None
    began_s = monotonic()
    target.activate(qemu)
    try:
        qemu.on()
        # Without a reader the console's buffer fills, and the guest waits for it.
        qemu.expect(PROMPT, timeout=_PROMPT_S)
        ssh = target.get_driver("SSHDriver")
        login_s = monotonic() - began_s
        ssh.run_check("true")
        answer_s = monotonic() - began_s
        found = Answered(login_s=login_s, answer_s=answer_s, cpu_s=qemu_cpu_s(folder))
    finally:
        target.deactivate_all_drivers()
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
