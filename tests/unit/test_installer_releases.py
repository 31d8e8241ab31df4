"""Configs in the shape of each installer's: refused, or distinguished by what their scripts do."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from installer_bootstrap import (
    INSTALLER_4_18,
    INSTALLERS,
    NEWEST,
    Installer,
    bootstrap_ign,
    single_node_ign,
)

from harness.cluster.release_payload import ReleasePayload
from harness.guest.installers.variant import require_bootstrap, variant_of
from harness.model.errors import InputError
from harness.model.ignition import Document, render

RELEASE = ReleasePayload(release_pull_spec="10.0.2.2:5/release@sha256:1", images={})


def units_of(document: Document) -> dict[str, Any]:
    return {unit["name"]: unit for unit in json.loads(render(document))["systemd"]["units"]}


@pytest.mark.parametrize("installer", INSTALLERS, ids=lambda installer: installer.release)
def test_config_is_described_by_what_its_installer_does(installer: Installer) -> None:
    document = bootstrap_ign(RELEASE, installer)

    require_bootstrap(document, "bootstrap.ign")
    variant = variant_of(document)

    assert variant.missing == ()
    assert variant.has_finish
    assert variant.has_tmpfs
    assert variant.is_finish_spared is installer.is_finish_spared
    assert bool(variant.sshd_restart) is installer.restarts_sshd
    assert installer.live in variant.checkouts
    assert variant.release == RELEASE.release_pull_spec


def test_config_from_before_live_apply_is_refused_with_the_way_out() -> None:
    document = bootstrap_ign(RELEASE, INSTALLER_4_18)

    with pytest.raises(InputError, match="cannot live-apply") as caught:
        require_bootstrap(document, "bootstrap.ign")

    assert caught.value.subject == "bootstrap.ign"
    assert "node-image-pull.service" in caught.value.problem
    assert "4.19 or later" in caught.value.remedy


def test_only_what_the_installer_enables_is_enabled() -> None:
    units = units_of(bootstrap_ign(RELEASE, NEWEST))

    assert {name for name, unit in units.items() if unit.get("enabled")} == {
        "kubelet.service", "approve-csr.service", "progress.service",
        "chown-gatewayd-key.service", "systemd-journal-gatewayd.socket",
    }  # fmt: skip
    assert "[Install]" not in units["bootkube.service"]["contents"]
    assert "Wants=bootkube.service" in units["progress.service"]["contents"]


def test_single_node_asks_its_server_as_the_installer_does() -> None:
    document = single_node_ign(RELEASE, "h/node@sha256:2", "h/pause@sha256:3", "/dev/vda")

    assert variant_of(document).is_in_place
    units = units_of(document)
    assert units["install-to-disk.service"]["enabled"]
    assert units["plain-config-server.socket"]["enabled"]
    files = {file["path"]: file for file in json.loads(render(document))["storage"]["files"]}
    source = files["/usr/local/bin/bootstrap-in-place.sh"]["contents"]["source"]
    script = base64.b64decode(source.partition(",")[2]).decode()
    assert "http://localhost:22624/config/master" in script
    assert "crictl ps --state running -o json" in script
