"""What is checked before the first test, and in which order; nothing is built or fetched."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import test_installer_variant
from installer_live import agent_ign, discovery_ign
from scenario_fakes import make_inputs

from harness.guest.installers.live import live_variant_of
from harness.model.errors import InputError
from harness.model.ignition import Document, render
from harness.player.plan import LIVE_ISO
from harness.scenarios.catalogue import Catalogue
from harness.workplace.options import read
from harness.workplace.preparation import Preparation


def make_preparation(**options: object) -> Preparation:
    given = {f"node_image_{name}": value for name, value in options.items()}
    return Preparation(read(given, {}, {}, Path("/project")), lambda _line: None)


@pytest.fixture
def bare_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave this host without programs and cache; return the folder where programs are found."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return programs


BOOTSTRAP = render(test_installer_variant.config())
POINTER = """{"ignition": {"version": "3.2.0",
    "config": {"merge": [{"source": "https://api-int.example:22623/config/worker"}]}}}"""


def test_installers_config_is_read_and_looked_at(bare_host: Path) -> None:
    config = bare_host.parent / "bootstrap.ign"
    config.write_text(BOOTSTRAP)

    assert make_preparation(bootstrap_ignition=str(config)).bootstrap_ignition == json.loads(
        BOOTSTRAP
    )
    assert make_preparation().bootstrap_ignition is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ignition: 3", "not JSON: line 1 column 1"),
        ('{"ignition": {"version": "2.2.0"}}', "spec 2 is not supported"),
        (POINTER, "a pointer config of a worker machine that fetches https://api-int"),
        ('{"ignition": {"version": "3.2.0"}}', "not a bootstrap config: it has no bootkube"),
    ],
)
def test_config_of_another_kind_is_refused(bare_host: Path, text: str, shown: str) -> None:
    config = bare_host.parent / "bootstrap.ign"
    config.write_text(text)

    with pytest.raises(InputError, match=re.escape(shown)) as caught:
        _ = make_preparation(bootstrap_ignition=str(config)).bootstrap_ignition
    assert "bootstrap.ign" in str(caught.value)


IMAGES = {"bootimage": "/x.qcow2", "node_image": "oci:/x:latest"}


def test_live_iso_is_taken_apart_for_the_network_alone(bare_host: Path) -> None:
    iso, folder = bare_host.parent / "live.iso", bare_host.parent / "parts"
    iso.write_bytes(b"no ISO")
    folder.mkdir()
    ready = make_preparation(**IMAGES, live_iso=str(iso))

    assert ready.images.iso(LIVE_ISO) == iso
    with pytest.raises(InputError, match=r"live\.iso.*damaged ISO"):
        ready.images.live_media(LIVE_ISO, folder)


@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        (
            IMAGES,
            {
                "fat": "inside", "assisted": "live ISO", "agent": "live ISO",
                "upi_install": "live ISO", "sno": "live ISO", "sno_pxe": "live ISO",
                "ipi_cluster": "control plane",
            },
        ),
        ({**IMAGES, "live_iso": "/x.iso"}, {"fat": "inside", "sno": "control plane",
            "sno_pxe": "control plane", "ipi_cluster": "control plane"}),
        ({**IMAGES, "live_iso": "/x.iso", "bootstrap_ignition": "/b.ign", "hardware": "multipath",
            "fat_bootimage": "/f"}, {"upi_install": "single path", "ipi_cluster": "control plane"}),
        ({"hardware": "multipath"}, {"upi_install": "path", "sno": "path", "sno_pxe": "path"}),
        ({}, {}),
    ],
    ids=["own images", "own ISO", "installer's own config", "multipath", "stand-ins"],
)  # fmt: skip
def test_what_a_scenario_lacks_is_reported_before_anything_boots(
    options: dict[str, object], lacking: dict[str, str]
) -> None:
    ready = make_preparation(**options)
    shown = {}
    for name in Catalogue().names:
        try:
            ready.require_needs(Catalogue().named(name))
        except InputError as exc:
            shown[name] = exc.problem

    assert shown.keys() == lacking.keys()
    assert all(lacking[name] in shown[name] for name in shown)


def test_release_of_the_config_that_cannot_be_read_is_told_and_left_to_the_node(
    bare_host: Path,
) -> None:
    config = bare_host.parent / "bootstrap.ign"
    config.write_text(BOOTSTRAP)
    ready = make_preparation(**IMAGES, bootstrap_ignition=str(config))
    ready.node_image = make_inputs().node_image

    assert ready.config_release.startswith(f"{test_installer_variant.RELEASE}, which cannot be")
    assert "the config decides" in ready.config_release


def test_release_of_the_config_is_not_read_for_stand_ins(bare_host: Path) -> None:
    config = bare_host.parent / "bootstrap.ign"
    config.write_text(BOOTSTRAP)

    assert make_preparation(bootstrap_ignition=str(config)).config_release == ""
    assert make_preparation(**IMAGES).config_release == ""


def test_file_that_is_not_a_live_iso_is_refused_before_anything_boots(bare_host: Path) -> None:
    ready = make_preparation(**IMAGES, live_iso=str(bare_host / "none.iso"))

    with pytest.raises(InputError, match=r"none\.iso: cannot be read"):
        ready.check()


def test_images_without_a_live_iso_name_the_option(bare_host: Path) -> None:
    ready = make_preparation(**IMAGES)

    with pytest.raises(InputError, match="--live-iso"):
        _ = ready.images.iso(LIVE_ISO)
    with pytest.raises(InputError, match="--live-iso"):
        ready.images.live_media(LIVE_ISO, bare_host.parent)


def test_installers_config_that_is_missing_names_its_option(bare_host: Path) -> None:
    with pytest.raises(InputError, match="with --bootstrap-ignition"):
        _ = make_preparation(bootstrap_ignition=str(bare_host / "x.ign")).bootstrap_ignition


def test_live_config_that_is_missing_names_its_option(bare_host: Path) -> None:
    with pytest.raises(InputError, match="with --live-ignition"):
        _ = make_preparation(live_ignition=str(bare_host / "x.ign")).live_ignition


def test_live_config_of_another_kind_is_refused_by_its_name(bare_host: Path) -> None:
    config = bare_host.parent / "live.ign"
    config.write_text(BOOTSTRAP)

    with pytest.raises(InputError, match=r"live\.ign: a config for a bootstrap machine"):
        _ = make_preparation(live_ignition=str(config)).live_ignition


@pytest.mark.parametrize(
    ("document", "taker", "other"),
    [(agent_ign(), "agent", "assisted"), (discovery_ign(), "assisted", "agent")],
    ids=["agent ISO", "discovery ISO"],
)
def test_live_config_goes_to_the_scenario_of_its_iso(
    bare_host: Path, document: Document, taker: str, other: str
) -> None:
    config = bare_host.parent / "live.ign"
    config.write_text(render(document))
    ready = make_preparation(**IMAGES, live_iso="/x.iso", live_ignition=str(config))

    assert ready.given.live == live_variant_of(document)
    assert ready.given.release == live_variant_of(document).release
    ready.require_needs(Catalogue().named(taker))
    with pytest.raises(InputError, match=r"live\.ign: the config of a .* ISO") as refused:
        ready.require_needs(Catalogue().named(other))
    assert f"the scenario {other} boots" in refused.value.problem


@pytest.mark.usefixtures("bare_host")
def test_named_table_is_read_before_the_host_is_looked_at() -> None:
    with pytest.raises(InputError, match="expectations ocp-3: unknown table"):
        make_preparation(expectations="ocp-3").check()


@pytest.mark.usefixtures("bare_host")
def test_all_that_stand_ins_need_is_demanded_at_once() -> None:
    with pytest.raises(InputError, match="lacks") as caught:
        make_preparation().check()

    assert "boot machines" in caught.value.problem
    assert "build the stand-in images" in caught.value.problem


def test_stand_ins_that_are_built_need_no_tools_to_build(bare_host: Path) -> None:
    built = bare_host.parent / "pytest-node-image/standin/key"
    built.mkdir(parents=True)
    (built / "version").touch()

    with pytest.raises(InputError, match="lacks") as caught:
        make_preparation().check()

    assert "build the stand-in images" not in caught.value.problem


def validator(programs: Path, said: str) -> None:
    program = programs / "ignition-validate"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)


def test_config_that_is_newer_than_the_validator_is_taken(bare_host: Path) -> None:
    validator(bare_host, "unsupported config version")
    config = bare_host.parent / "new.ign"
    config.write_text('{"ignition": {"version": "3.5.0"}}')

    assert len(make_preparation(ignition=[str(config)]).extra_ignition) == 1


def test_refused_config_is_reported_by_its_name(bare_host: Path) -> None:
    validator(bare_host, "error at $.storage")
    config = bare_host.parent / "bad.ign"
    config.write_text('{"ignition": {"version": "3.2.0"}}')

    with pytest.raises(InputError, match=r"bad.ign: .*error at \$.storage"):
        _ = make_preparation(ignition=[str(config)]).extra_ignition
