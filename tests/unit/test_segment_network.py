"""What the bootstrap machine of a private segment is given, and what the other one gets from it."""

from __future__ import annotations

from pathlib import Path

from harness.cluster.manifests import MCS_PORT
from harness.guest.bootkube import IMAGE
from harness.guest.machine_configs import machine_config_server
from harness.guest.segment_network import API_INT_NAME, GATEWAY, Member, segment_gateway
from harness.machine.domain.architecture import architecture
from harness.machine.domain.network import Forward, Network
from harness.machine.domain.segment import Segment
from harness.model.ignition import Config, File
from harness.model.secret import Secret
from harness.pki.certificates import issue

MAC, OTHER = "52:54:01:aa:bb:01", "52:54:01:aa:bb:02"


def file(config: Config, end: str) -> File:
    return next(file for file in config.files if file.path.endswith(end))


def text(config: Config, end: str) -> str:
    contents = file(config, end).contents
    return contents.reveal() if isinstance(contents, Secret) else str(contents)


def test_gateway_knows_its_card_and_the_other_machine_by_their_addresses() -> None:
    config = segment_gateway(MAC, Member(name="node-0", mac=OTHER))

    assert f"mac-address={MAC}\n" in text(config, ".nmconnection")
    assert file(config, ".nmconnection").mode == 0o600, "NetworkManager reads no other"
    lines = text(config, "dnsmasq.conf").splitlines()
    assert f"dhcp-host={OTHER},192.168.126.10,node-0" in lines
    assert f"address=/{API_INT_NAME}/{GATEWAY}" in lines
    assert f"listen-address={GATEWAY}" in lines, "nothing answers on the network of the host"


def test_gateway_serves_from_the_overlay_on_and_survives_the_isolate() -> None:
    (unit,) = segment_gateway(MAC, Member(name="node-0", mac=OTHER)).units

    lines = str(unit.contents).splitlines()
    assert "IgnoreOnIsolate=yes" in lines
    assert "WantedBy=multi-user.target node-image-overlay.target" in lines
    assert unit.enabled


def test_machine_configs_and_the_servers_key_are_roots_alone() -> None:
    certificate = issue((GATEWAY,), (API_INT_NAME,))
    config = machine_config_server({"master": {"ignition": {"version": "3.2.0"}}}, certificate)

    assert {f.path: f.mode for f in config.files if isinstance(f.contents, Secret)} == {
        "/etc/ssl/mcs/tls.key": 0o600,
        "/etc/mcs/bootstrap/master.json": 0o600,
    }
    assert '"version": "3.2.0"' in text(config, "/master.json")
    pod = text(config, "machine-config-server-pod.json")
    assert IMAGE in pod
    assert f"--listen=:{MCS_PORT}" in pod


def words(*, is_only_way: bool) -> list[str]:
    segment = Segment(
        local=Path("/l/a"), remote=Path("/l/b"), mac=OTHER, is_only_way=is_only_way
    )  # fmt: skip
    network = Network(forwards=(Forward(host_port=20000, guest_port=22),), segment=segment)
    return list(network.qemu_words(architecture("x86_64")))


def test_machine_with_the_segment_alone_is_reached_by_the_host_and_reaches_nothing_else() -> None:
    backend = words(is_only_way=True)[1].split(",")

    assert {"restrict=on", "net=10.0.4.0/24", "hostfwd=tcp:127.0.0.1:20000-:22"} <= set(backend)
    assert "restrict=on" not in words(is_only_way=False)[1]
    assert any(
        word.startswith("dgram,local.type=unix,local.path=/l/a") for word in words(is_only_way=True)
    )
