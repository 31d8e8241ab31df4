"""The pieces of Ignition that give access and evidence."""

from __future__ import annotations

from harness.guest.access import (
    journal_stream,
    logins,
    registry_login,
    registry_trust,
)
from harness.guest.keys import make_run_keys
from harness.machine.spec import JOURNAL_PORT
from harness.model.ignition import Config, File
from harness.model.secret import Secret

KEYS = make_run_keys()


def _file(config: Config, path: str) -> File:
    return next(file for file in config.files if file.path == path)


def test_core_is_let_in_by_the_client_key() -> None:
    (user,) = logins(KEYS).users

    assert (user.name, user.ssh_authorized_keys) == ("core", (KEYS.client.public,))


def test_host_key_is_private_to_root_and_secret_in_reprs() -> None:
    private = _file(logins(KEYS), "/etc/ssh/ssh_host_ed25519_key")
    public = _file(logins(KEYS), "/etc/ssh/ssh_host_ed25519_key.pub")

    assert (private.mode, private.contents) == (0o600, KEYS.host.private)
    assert (public.mode, public.contents) == (0o644, f"{KEYS.host.public}\n")
    assert "PRIVATE KEY" not in repr(logins(KEYS))


def test_sshd_uses_no_other_host_key_and_none_is_made() -> None:
    config = logins(KEYS)
    dropin = _file(config, "/etc/ssh/sshd_config.d/10-node-image-harness.conf")

    assert dropin.contents == "HostKey /etc/ssh/ssh_host_ed25519_key\n"
    assert {unit.name: unit.mask for unit in config.units} == {
        "sshd-keygen@rsa.service": True,
        "sshd-keygen@ecdsa.service": True,
    }


def test_journal_streams_to_the_port_as_soon_as_it_is_there() -> None:
    config = journal_stream()
    (unit,), (rule,) = config.units, config.files

    assert f'ATTR{{name}}=="{JOURNAL_PORT}"' in str(rule.contents)
    assert f'ENV{{SYSTEMD_WANTS}}+="{unit.name}"' in str(rule.contents)
    assert f"StandardOutput=file:/dev/virtio-ports/{JOURNAL_PORT}" in str(unit.contents)


def test_journal_stream_starts_early_and_survives_isolate() -> None:
    lines = str(journal_stream().units[0].contents).splitlines()

    assert {"DefaultDependencies=no", "IgnoreOnIsolate=yes"} <= set(lines)


def test_registry_is_trusted_by_its_address() -> None:
    (file,) = registry_trust("10.0.2.2:5000", "PEM").files

    assert (file.path, file.contents) == ("/etc/containers/certs.d/10.0.2.2:5000/ca.crt", "PEM")


def test_registry_logins_are_private_to_root() -> None:
    (file,) = registry_login(Secret('{"auths": {}}')).files

    assert (file.path, file.mode) == ("/root/.docker/config.json", 0o600)
    assert "auths" not in repr(file)
