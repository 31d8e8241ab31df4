"""Ignition pieces that let the harness in and let evidence out, whatever the scenario.

Each function gives a `Config` to be merged with the scenario's own; none of them changes what is
under test.
"""

from __future__ import annotations

from harness.guest.keys import RunKeys
from harness.machine.spec import JOURNAL_PORT
from harness.model.ignition import Config, File, Unit, User
from harness.model.secret import Secret

_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
_SSHD_DROPIN = "/etc/ssh/sshd_config.d/10-node-image-harness.conf"
_OTHER_KEY_KINDS = ("rsa", "ecdsa")
_DOCKER_AUTHFILE = "/root/.docker/config.json"
_JOURNAL_UNIT = "node-image-harness-journal.service"
_JOURNAL_RULE = "/etc/udev/rules.d/90-node-image-harness.rules"

# SYSTEMD_WANTS starts the unit when the port turns up and never when the machine has none; a
# condition in the unit would be judged once, before udev made the port's link.
_JOURNAL_RULE_TEXT = f"""\
SUBSYSTEM=="virtio-ports", ATTR{{name}}=="{JOURNAL_PORT}", TAG+="systemd", \
ENV{{SYSTEMD_WANTS}}+="{_JOURNAL_UNIT}"
"""

# No Conflicts=shutdown.target: the last thing to be seen of a guest is its shutdown.
# The shell keeps journalctl in a domain that may write to the port under enforcing SELinux
# (https://bugzilla.redhat.com/show_bug.cgi?id=1942198).
_JOURNAL_UNIT_TEXT = f"""\
[Unit]
Description=Stream the journal to the test harness
DefaultDependencies=no
IgnoreOnIsolate=yes
After=systemd-journald.socket

[Service]
Type=simple
StandardOutput=file:/dev/virtio-ports/{JOURNAL_PORT}
ExecStart=/bin/sh -c "journalctl --quiet --boot --follow --no-tail --output=json"
"""


def logins(keys: RunKeys) -> Config:
    """Let the run's key in as `core`, and make sshd prove itself by the run's host key alone.

    The other kinds of host keys are not made: RSA costs a guest in emulation 16 to 21 s.
    """
    return Config(
        users=(User(name="core", ssh_authorized_keys=(keys.client.public,)),),
        files=(
            File(path=_HOST_KEY, contents=keys.host.private, mode=0o600, overwrite=True),
            File(path=f"{_HOST_KEY}.pub", contents=f"{keys.host.public}\n", overwrite=True),
            File(path=_SSHD_DROPIN, contents=f"HostKey {_HOST_KEY}\n", overwrite=True),
        ),
        units=tuple(
            Unit(name=f"sshd-keygen@{kind}.service", mask=True) for kind in _OTHER_KEY_KINDS
        ),
    )


def journal_stream() -> Config:
    """Stream the journal to `JOURNAL_PORT` as JSON lines, early in every boot and past isolate."""
    return Config(
        files=(File(path=_JOURNAL_RULE, contents=_JOURNAL_RULE_TEXT, overwrite=True),),
        units=(Unit(name=_JOURNAL_UNIT, contents=_JOURNAL_UNIT_TEXT),),
    )


def registry_ca_path(address: str) -> str:
    """Return where the guest keeps the CA of the registry at `address` (host:port).

    Source: containers-certs.d(5).
    """
    return f"/etc/containers/certs.d/{address}/ca.crt"


def registry_trust(address: str, ca_pem: str) -> Config:
    """Make the guest's container tools trust the registry at `address` (host:port)."""
    return Config(files=(File(path=registry_ca_path(address), contents=ca_pem, overwrite=True),))


def registry_login(authfile: Secret) -> Config:
    """Give the guest the logins of an authfile's JSON, where `ostree container` looks for them."""
    return Config(
        files=(File(path=_DOCKER_AUTHFILE, contents=authfile, mode=0o600, overwrite=True),)
    )
