"""A cluster's proxy: each unit that pulls reaches the run's registry without it."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from installer_bootstrap import NEWEST, bootstrap_ign, single_node_ign
from scenario_fakes import KEYS, make_inputs, make_site

from harness.cluster.release_payload import ReleasePayload
from harness.guest.installers.proxy import around_proxy
from harness.guest.installers.variant import variant_of
from harness.model.ignition import Config, Document, Dropin, File, Unit, merge, render

RELEASE = ReleasePayload(release_pull_spec="10.0.2.2:5/release@sha256:1", images={})
# As the installer writes it. Source: openshift/installer data/data/bootstrap/files/etc/systemd/
# system.conf.d/10-default-env.conf.template.
MANAGER = File(
    path="/etc/systemd/system.conf.d/10-default-env.conf",
    contents=(
        "[Manager]\n"
        'DefaultEnvironment=HTTP_PROXY="http://user:x%%40@proxy.example:3128"\n'
        'DefaultEnvironment=HTTPS_PROXY="http://proxy.example:3128"\n'
        'DefaultEnvironment=NO_PROXY=".cluster.local,.svc,10.0.0.0/16,localhost"\n'
    ),
)  # fmt: skip
THEIRS = ".cluster.local,.svc,10.0.0.0/16,localhost"
PULLING = (
    "release-image.service", "node-image-pull.service", "bootkube.service", "crio.service",
    "crio-configure.service", "kubelet.service",
)  # fmt: skip


class Manager:
    """What systemd gives to a unit, of files, units and drop-ins of a config."""

    def __init__(self, document: Document) -> None:
        read: Any = json.loads(render(document))
        self._files = {
            file["path"]: base64.b64decode(file["contents"]["source"].partition(",")[2]).decode()
            for file in read["storage"]["files"]
        }
        self._units = {unit["name"]: unit for unit in read["systemd"]["units"]}

    def environment_of(self, name: str) -> dict[str, str]:
        folder = "/etc/systemd/system.conf.d/"
        settings = sorted(path for path in self._files if path.startswith(folder))
        found = variables("\n".join(self._files[path] for path in settings))
        unit = self._units.get(name, {})
        dropins = sorted(unit.get("dropins", []), key=lambda dropin: dropin["name"])
        text = "\n".join(
            (
                unit.get("contents", self._files.get(f"/etc/systemd/system/{name}", "")),
                *(dropin["contents"] for dropin in dropins),
            )
        )
        found.update(variables(text))
        for path in re.findall(r"(?m)^EnvironmentFile=-?(/\S+)$", text):
            found.update(variables(self._files.get(path, "")))
        return found


def variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"""(?mi)^\S*?["']?\b(\w+_proxy)=["']?([^"'\s]*)""", text))


def booted(tmp_path: Path, document: Document, scenario: str = "ipi_bootstrap") -> Document:
    site = make_site(tmp_path, replace(make_inputs(), bootstrap_ignition=document), scenario)
    site.keys = KEYS
    return site.config_of("node")


def with_proxy(*more: Unit, files: tuple[File, ...] = (MANAGER,)) -> Document:
    return merge(bootstrap_ign(RELEASE, NEWEST), Config(files=files, units=more).to_document())


@pytest.mark.parametrize("unit", PULLING)
def test_each_way_to_pull_reaches_the_host_and_keeps_the_proxy(tmp_path: Path, unit: str) -> None:
    manager = Manager(booted(tmp_path, with_proxy()))

    environment = manager.environment_of(unit)

    assert environment["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert environment["NO_PROXY"] == environment["no_proxy"] == f"{THEIRS},10.0.2.2"


OWN = "[Service]\nEnvironment=HTTPS_PROXY=http://p:1\nEnvironment=NO_PROXY=.svc\nExecStart=x\n"
BY_FILE = "[Service]\nEnvironmentFile=-/etc/mco/proxy.env\nExecStart=x\n"
PROXY_ENV = File(path="/etc/mco/proxy.env", contents="HTTPS_PROXY=http://p:1\nNO_PROXY=.svc\n")


@pytest.mark.parametrize("is_plain_file", [False, True])
@pytest.mark.parametrize("text", [OWN, BY_FILE], ids=["line", "file"])
def test_unit_that_names_the_proxy_itself_reaches_the_host(
    tmp_path: Path, text: str, is_plain_file: bool
) -> None:
    plain = File(path="/etc/systemd/system/own.service", contents=text)
    files = (PROXY_ENV, plain) if is_plain_file else (PROXY_ENV,)
    units = () if is_plain_file else (Unit(name="own.service", contents=text),)

    document = with_proxy(*units, files=files)

    assert variant_of(document).proxy.is_there
    environment = Manager(booted(tmp_path, document)).environment_of("own.service")
    assert environment["HTTPS_PROXY"] == "http://p:1"
    assert environment["NO_PROXY"] == ".svc,10.0.2.2"


def test_installed_node_reaches_the_host_past_the_clusters_own_settings(tmp_path: Path) -> None:
    single = single_node_ign(RELEASE, "h/node@sha256:2", "h/pause@sha256:3", "/dev/vda")
    live = booted(tmp_path, merge(single, Config(files=(MANAGER,)).to_document()), "sno")
    (file,) = (
        file for file in json.loads(render(live))["storage"]["files"]
        if file["path"] == "/etc/node-image-harness/installed.ign"
    )  # fmt: skip
    on_disk = json.loads(base64.b64decode(file["contents"]["source"].partition(",")[2]))
    cluster = Config(
        files=(File(path="/etc/mco/proxy.env", contents=f"NO_PROXY={THEIRS}\n"),),
        units=(
            Unit(
                name="crio.service",
                dropins=(Dropin(name="10-mco-default-env.conf", contents=BY_FILE),),
            ),
        ),
    ).to_document()  # fmt: skip

    environment = Manager(merge(on_disk, cluster)).environment_of("crio.service")

    assert environment["NO_PROXY"] == f"{THEIRS},10.0.2.2"


@pytest.mark.parametrize(
    "text",
    [
        "[Service]\nEnvironment=HTTP_PROXY=\nEnvironment=NO_PROXY=\n",  # the agent's, without one
        "[Service]\nEnvironment=HTTPS_PROXY=http://p:1\nEnvironment=NO_PROXY=.svc,10.0.2.2\n",
        "[Service]\nExecStart=/usr/bin/echo https_proxy=x\n",
    ],
)
def test_unit_without_a_proxy_or_with_the_host_named_stays_as_it_is(text: str) -> None:
    document = with_proxy(Unit(name="own.service", contents=text), files=())

    added = around_proxy(variant_of(document).proxy)

    assert added == Config()
