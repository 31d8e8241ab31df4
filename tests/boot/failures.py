"""Ignition documents that make a real machine fail in one way each.

What a node image has to lack or to hold for a failure is in `variants`.
"""

from __future__ import annotations

from harness.model.ignition import Config, Document, Dropin, File, Json, Unit

NOBODY = "10.0.2.2:9"
"""An address of the host where nothing listens, as guests see it."""
ABSENT = "/dev/disk/by-label/absent"
"""A device that no machine has."""
WRONG = f"sha256-{'0' * 64}"
LAST_WORDS = "this kubelet dies on purpose"
_PULL = "node-image-pull.service"


def kernel_panic() -> Document:
    """Panic while services start."""
    return _at_start("panic", "/bin/sh -c 'echo c > /proc/sysrq-trigger'")


def power_off() -> Document:
    """Power off properly while services start."""
    return _at_start("power-off", "/usr/bin/systemctl --no-block poweroff")


def emergency_shell(device_timeout_s: int = 5) -> Document:
    """Mount a missing device: the real root's emergency shell."""
    options = f"defaults,x-systemd.device-timeout={device_timeout_s}"
    fstab = f"{ABSENT} /var/absent ext4 {options} 0 2\n"
    return Config(files=(File(path="/etc/fstab", contents=fstab, overwrite=True),)).to_document()


def unserved_config() -> Document:
    """Merge a config from a closed port: Ignition retries for ever."""
    merge: list[Json] = [{"source": f"http://{NOBODY}/more.ign"}]
    return {"ignition": {"version": "3.2.0", "config": {"merge": merge}}}


def wrong_hash() -> Document:
    """Write a file with another hash than the config's: Ignition fails."""
    return _remote_file({"source": "data:,hello", "verification": {"hash": WRONG}})


def full_disk(left_mib: int = 30) -> Document:
    """Leave `left_mib` free on the root before the pull, less than ostree keeps free."""
    return _before_pull(_fill(left_mib))


def kubelet_crash_loop() -> Document:
    """Run a kubelet that ends at once; systemd restarts it for ever."""
    dies = f'/bin/sh -c "echo {LAST_WORDS} >&2; exit 3"'
    dropin = Dropin(name="90-failure.conf", contents=f"[Service]\nExecStart=\nExecStart={dies}\n")
    return Config(units=(Unit(name="kubelet.service", dropins=(dropin,)),)).to_document()


def pull_of_untrusted() -> Document:
    """Pull from a registry with an unknown certificate authority."""
    return _before_pull("rm --recursive /etc/containers/certs.d")


def early_callers() -> Document:
    """Call programs of the node layer before live-apply, in every way that systemd and shells have.

    The last two are not dependencies: a program that is looked up first, and a late call.
    """
    units = (
        _oneshot("early-exec", "/usr/bin/oc version --client"),
        _oneshot("early-exec-lenient", "-/usr/bin/crictl --version"),
        _oneshot("early-script", "/usr/local/bin/early-script"),
        _oneshot("early-posix-shell", "/bin/sh -c 'crictl ps; true'"),
        _oneshot("early-environment", "/bin/sh -c '/usr/bin/env kubelet --version; true'"),
        _oneshot("early-question", "/bin/bash -c 'command -v oc || echo no client yet'"),
        _oneshot("late-exec", "/usr/bin/oc version --client", wanted_by="multi-user.target"),
    )
    script = "#!/bin/bash\ncrictl ps\n/usr/bin/oc version --client\nexit 0\n"
    file = File(path="/usr/local/bin/early-script", contents=script, mode=0o755)
    return Config(files=(file,), units=units).to_document()


def _oneshot(name: str, command: str, wanted_by: str = "basic.target") -> Unit:
    contents = (
        f"[Unit]\nDescription=Failure on purpose: {name}\nAfter={wanted_by}\n"
        f"[Service]\nType=oneshot\nExecStart={command}\n"
        f"[Install]\nWantedBy={wanted_by}\n"
    )
    return Unit(name=f"{name}.service", contents=contents, enabled=True)


def _at_start(name: str, command: str) -> Document:
    return Config(units=(_oneshot(name, command),)).to_document()


def _remote_file(contents: dict[str, Json]) -> Document:
    files: list[Json] = [{"path": "/etc/greeting", "contents": contents}]
    return {"ignition": {"version": "3.2.0"}, "storage": {"files": files}}


def _pull_with(settings: str) -> Document:
    dropin = Dropin(name="90-failure.conf", contents=f"[Service]\n{settings}")
    return Config(units=(Unit(name=_PULL, dropins=(dropin,)),)).to_document()


def _before_pull(*commands: str) -> Document:
    return _pull_with("".join(f"ExecStartPre=/bin/bash -c '{line}'\n" for line in commands))


def _fill(left_mib: int) -> str:
    # Free blocks for root, the reserved ones included.
    free = "$(($(stat --file-system --format=%%f*%%S /var) - {left}))"
    left = left_mib << 20
    return f"fallocate --length={free.format(left=left)} /var/filler".replace("$", "$$")
