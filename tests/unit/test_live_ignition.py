"""The installer's own configs of live systems: which are taken, what is added, how they play."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_installer_variant
from installer_live import RELEASE, agent_ign, discovery_ign
from playing import Guest, Host
from recordings import NODE_IMAGE, Writer
from scenario_fakes import KEYS, make_inputs, make_site
from test_plays import inputs_for

from harness.guest.installers.live import LiveKind, live_variant_of, require_live
from harness.model.errors import InputError, ProductError
from harness.model.ignition import Config, Document, Unit, render
from harness.player.player import play
from harness.scenarios.catalogue import Catalogue

CONFIGS = {"agent": agent_ign(), "assisted": discovery_ign()}
AGENTS = Unit(name="agent.service", contents="[Service]\n", enabled=True)


def test_agent_isos_config_is_described() -> None:
    assert str(live_variant_of(agent_ign())) == (
        "the installer's own config (agent ISO of the agent-based installer): service at "
        f"http://10.0.2.15:8090/, node zero is 10.0.2.15; release image {RELEASE}"
    )


def test_discovery_isos_config_is_described() -> None:
    assert str(live_variant_of(discovery_ign("https://user:secret@assisted.example/x"))) == (
        "the installer's own config (discovery ISO of the assisted installer): service at "
        "https://assisted.example/x, through a proxy"
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_configs_of_both_isos_are_taken(name: str) -> None:
    require_live(CONFIGS[name], "x.ign")


OTHERS: Mapping[str, tuple[Document, str, str]] = {
    "bootstrap config": (
        test_installer_variant.config(), "a config for a bootstrap machine",
        "Use --bootstrap-ignition for it.",
    ),
    "pointer of a machine": (
        test_installer_variant.pointer("https://api-int.c.example:22623/config/worker"),
        "a pointer config of a worker machine that fetches", "Use the ISO's config of the same",
    ),
    "config of a machine": (
        Config(units=(Unit(name="machine-config-daemon-pull.service"),)).to_document(),
        "the config that a machine-config server serves to a machine",
        "coreos-installer iso ignition show",
    ),
    "config of anything": (
        Config().to_document(), "it has no agent.service", "coreos-installer iso ignition show",
    ),
    "another node zero": (
        agent_ign("192.0.2.80"), "node zero is 192.0.2.80, but the machine has 10.0.2.15",
        "Set rendezvousIP: 10.0.2.15 in agent-config.yaml",
    ),
    "no node zero": (
        agent_ign(""), "node zero is not set", "Set rendezvousIP: 10.0.2.15",
    ),
    "three hosts": (
        agent_ign(hosts=3), "waits for 3 hosts of the control plane, but one machine boots",
        "Set controlPlane.replicas: 1",
    ),
    "day two": (
        agent_ign(adds_nodes=True), "adds a node to a cluster that exists",
        "openshift-install agent create image",
    ),
    "agent that nothing starts": (
        discovery_ign(enabled=False), "agent.service is not enabled", "discovery ISO",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_configs_are_refused_with_the_way_out(name: str) -> None:
    document, problem, remedy = OTHERS[name]

    with pytest.raises(InputError) as caught:
        require_live(document, "live.ign")

    assert caught.value.subject == "live.ign"
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


def merged(tmp_path: Path, name: str) -> dict[str, Any]:
    site = make_site(tmp_path, replace(make_inputs(), live_ignition=CONFIGS[name]), name)
    site.keys = KEYS
    if name == "assisted":
        site.add_service("assisted-service", "")
    result: dict[str, Any] = json.loads(render(site.config_of("node")))
    return result


@pytest.mark.parametrize("name", CONFIGS)
def test_installers_files_and_units_stay_as_they_are(tmp_path: Path, name: str) -> None:
    theirs: Any = CONFIGS[name]
    document = merged(tmp_path, name)

    files = {file["path"]: file for file in document["storage"]["files"]}
    units = {unit["name"]: unit for unit in document["systemd"]["units"]}
    assert all(files[file["path"]] == file for file in theirs["storage"]["files"])
    assert all(
        {**units[unit["name"]], "dropins": None} == {**unit, "dropins": None}
        for unit in theirs["systemd"]["units"]
    )
    assert "assisted-agent" not in " ".join(files), "the harness's own agent stays away"


@pytest.mark.parametrize("name", CONFIGS)
def test_units_that_come_later_find_their_drop_ins(tmp_path: Path, name: str) -> None:
    units = {unit["name"]: unit for unit in merged(tmp_path, name)["systemd"]["units"]}

    text = "".join(drop["contents"] for drop in units["node-image-overlay.service"]["dropins"])
    assert "After=node-image-harness-before.service" in text
    assert "OnFailure=node-image-harness-failed@%n.service" in text
    assert "node-image-harness-memory words" in text
    assert "contents" not in units["node-image-overlay.service"], "the installer writes it"
    pull = "".join(drop["contents"] for drop in units["node-image-pull.service"]["dropins"])
    assert "OnFailure=" in pull


def test_agent_with_a_proxy_of_its_own_reaches_the_host_without_it(tmp_path: Path) -> None:
    files = {file["path"]: file for file in merged(tmp_path, "assisted")["storage"]["files"]}
    source = files["/etc/node-image-harness/no-proxy/agent.service.env"]["contents"]["source"]

    assert b'NO_PROXY=".example,10.0.2.2"' in base64.b64decode(source.partition(",")[2])


def recording(name: str) -> dict[str, Writer]:
    return {name: Writer().boot().up().installers_agent()}


@pytest.mark.parametrize("name", CONFIGS)
def test_installers_own_config_plays_to_the_overlay(tmp_path: Path, name: str) -> None:
    inputs = replace(inputs_for(name, tmp_path), live_ignition=CONFIGS[name])
    host = Host(tmp_path, {name: recording(name)[name].lines})

    with play(Catalogue().named(name), host.rig, inputs) as nodes:
        record = nodes.only.watch.record
        assert record.installer == str(live_variant_of(CONFIGS[name]))
        assert nodes.only.node_image == NODE_IMAGE
        assert record.memory_peaks_mib["/var/ostreecontainer"] > 0

    steps = [line for _, line in host.lines if ": step " in line]
    assert any("installer-variant" in line for line in steps)
    assert any("overlay-apply" in line for line in steps)
    assert not any(" agent" in line.replace(f"{name}: ", "") for line in steps)


@pytest.mark.parametrize("name", CONFIGS)
def test_installers_agent_that_overlays_nothing_ends_the_play(tmp_path: Path, name: str) -> None:
    inputs = replace(inputs_for(name, tmp_path), live_ignition=CONFIGS[name])
    host = Host(tmp_path, {name: Writer().boot().up().lines})

    with (
        pytest.raises(ProductError, match=r"overlay-apply.*timed out"),
        play(Catalogue().named(name), host.rig, inputs),
    ):
        pass


def test_overlay_without_oc_fails_its_check(tmp_path: Path) -> None:
    inputs = replace(inputs_for("agent", tmp_path), live_ignition=CONFIGS["agent"])
    guest = Guest({"systemctl is-active": "active active multi-user.target\n"})
    host = Host(tmp_path, {"agent": recording("agent")["agent"].lines}, guest=guest)

    with (
        pytest.raises(ProductError, match=r"default\.target and oc are 'active active multi-user"),
        play(Catalogue().named("agent"), host.rig, inputs),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "kind"), [("agent", LiveKind.AGENT), ("assisted", LiveKind.ASSISTED)]
)
def test_each_scenario_takes_the_config_of_its_iso(name: str, kind: LiveKind) -> None:
    assert Catalogue().named(name).live_config is kind
