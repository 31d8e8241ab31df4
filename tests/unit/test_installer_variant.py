"""The installer's own config: its variant, which configs are refused, what is added to it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scenario_fakes import config_of, file_paths, make_inputs, make_site

from harness.guest.installers.variant import Variant, require_bootstrap, variant_of
from harness.guest.validation import whole
from harness.model.errors import InputError
from harness.model.ignition import Config, Document, File, Unit, render
from harness.model.secret import Secret
from harness.scenarios.flows.checks import why_without
from harness.scenarios.flows.installer import pieces

BIN = "/usr/local/bin"
UNITS = "/etc/systemd/system"
GENERATORS = "/etc/systemd/system-generators"
RELEASE = "quay.example/release@sha256:" + "a" * 64
FILES = {
    f"{GENERATORS}/node-image-overlay-generator": "",
    f"{UNITS}/node-image-overlay.target": "",
    f"{UNITS}/node-image-pull.service": "",
    f"{UNITS}/node-image-overlay.service": "",
    f"{UNITS}/node-image-finish.service": "[Service]\nKillMode=none\n",
    f"{UNITS}/var-ostreecontainer.mount": "",
    f"{BIN}/node-image-pull.sh": (
        "repo=/ostree/repo\ncheckout=$repo/tmp/node-image\nrepo=/var/ostreecontainer/repo\n"
    ),
    f"{BIN}/node-image-overlay.sh": "systemctl --no-block try-restart sshd.service\n",
    f"{BIN}/release-image.sh": "",
    f"{BIN}/release-image-download.sh": f"RELEASE_IMAGE={RELEASE}\n",
    f"{BIN}/crio-configure.sh": 'pause_image = "x"',
    f"{BIN}/kubelet.sh": "/usr/bin/kubelet --v=2",
}
ENABLED = {
    "release-image.service": "",
    "crio-configure.service": "",
    "kubelet.service": "",
    "bootkube.service": "",
}


def config(
    *without: str,
    files: Mapping[str, str] = FILES,
    units: Mapping[str, str] = ENABLED,
    more: Mapping[str, str] | None = None,
) -> Document:
    """Return a config of `files`, `units` and `more` units, less those named `without`."""
    left = {path: text for path, text in files.items() if path.rsplit("/")[-1] not in without}
    units = {name: text for name, text in {**units, **(more or {})}.items() if name not in without}
    return Config(
        files=tuple(File(path=path, contents=text) for path, text in left.items()),
        units=tuple(Unit(name=name, contents=text or "#") for name, text in units.items()),
    ).to_document()


def test_newest_installer_is_described_in_full() -> None:
    variant = variant_of(config())

    assert str(variant) == (
        "the installer's own config (bootstrap machine): live-apply by a generator, finish unit "
        "with KillMode=none, checkout in /ostree/repo/tmp/node-image or /var/ostreecontainer, a "
        "tmpfs for it on live media, sshd restarted by the overlay, pause image by crio.conf; "
        f"release image {RELEASE}"
    )
    assert variant.missing == ()
    assert set(variant.reported) == {
        "node-image-pull.service", "node-image-overlay.service", "release-image.service",
        "crio-configure.service",
    }  # fmt: skip


PIVOT = {
    f"{GENERATORS}/node-image-pivot-generator": "",
    f"{UNITS}/node-image-pivot.target": "",
    f"{UNITS}/node-image-pull.service": "",
    f"{UNITS}/node-image-pivot.service": "ExecStart=systemctl --no-block isolate multi-user.target",
    f"{BIN}/node-image-pull.sh": "",
    f"{BIN}/node-image-pivot.sh": "repo=/var/ostree-container/repo\n",
    f"{BIN}/release-image.sh": "",
    f"{BIN}/release-image-download.sh": "",
}
VARIANTS: Mapping[str, tuple[Document, Mapping[str, object]]] = {
    "finish unit that isolate may kill": (
        config(files=FILES | {f"{UNITS}/node-image-finish.service": "# KillMode=none"}),
        {"has_finish": True, "is_finish_spared": False, "missing": ()},
    ),
    "pause image by kubelet too": (
        config(more={"kubelet.service": "ExecStart=kubelet --pod-infra-container-image=${IMAGE}"}),
        {"pause_by": ("crio.conf", "kubelet's flag")},
    ),
    "sshd restarted by a unit": (
        config(
            files=FILES | {f"{BIN}/node-image-overlay.sh": ""},
            more={"restart-sshd.service": "ExecStart=systemctl try-restart sshd.service"},
        ),
        {"sshd_restart": "restart-sshd.service"},
    ),
    "first names": (
        config(files=PIVOT),
        {
            "has_generator": True, "overlay_unit": "node-image-pivot.service", "has_finish": False,
            "checkouts": ("/var/ostree-container",), "has_tmpfs": False, "missing": (),
        },
    ),
    "single node by its unit": (
        config(more={"install-to-disk.service": ""}),
        {"is_in_place": True},
    ),
    "single node by its script": (
        config(files=FILES | {f"{BIN}/bootstrap-in-place.sh": ""}),
        {"is_in_place": True},
    ),
    "release in quotes": (
        config(files=FILES | {f"{BIN}/release-image-download.sh": 'RELEASE_IMAGE="a/b:c"\n'}),
        {"release": "a/b:c"},
    ),
    "newer installer with an older release": (
        config("crio-configure.service", "node-image-finish.service", "release-image.sh"),
        {"missing": ("crio-configure.service", "node-image-finish.service", "release-image.sh")},
    ),
    "stream of RHEL 10": (
        config(files=FILES | {f"{BIN}/node-image-pull.sh": "coreos_img=rhel-coreos-10\n"}),
        {"image_tag": "rhel-coreos-10"},
    ),
    "before live-apply": (
        config(files={}),
        {
            "has_generator": False, "overlay_unit": "",
            "missing": (
                "node-image-overlay-generator", "node-image-overlay.target",
                "node-image-overlay.service", "node-image-pull.service",
                "node-image-finish.service", "node-image-overlay.sh", "node-image-pull.sh",
                "release-image.sh", "release-image-download.sh",
            ),
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_variant(name: str) -> None:
    document, expected = VARIANTS[name]
    variant = variant_of(document)

    assert {field: getattr(variant, field) for field in expected} == expected


def test_compressed_contents_are_read() -> None:
    packed = base64.b64encode(gzip.compress(b"RELEASE_IMAGE=a/b:c")).decode()
    contents = {"source": f"data:;base64,{packed}", "compression": "gzip"}
    path = f"{BIN}/release-image-download.sh"
    storage: Any = {"files": [{"path": path, "contents": contents}]}

    assert variant_of({"storage": storage}).release == "a/b:c"


def test_unit_that_is_a_plain_file_keeps_its_text_beside_drop_ins() -> None:
    document: Any = config()
    document["systemd"]["units"].append({"name": "node-image-finish.service", "dropins": []})

    assert variant_of(document).is_finish_spared


def test_damaged_contents_are_reported_with_their_file() -> None:
    storage: Any = {"files": [{"path": f"{BIN}/x.sh", "contents": {"source": "data:;base64,?"}}]}

    with pytest.raises(InputError, match=f"unreadable contents of {BIN}/x.sh"):
        variant_of({"storage": storage})


# --- what is not a bootstrap config


def pointer(url: str) -> Document:
    merge: Any = [{"source": url}]
    return {"ignition": {"version": "3.2.0", "config": {"merge": merge}}}


LABEL = "ExecStart=kubelet --node-labels=node-role.kubernetes.io/worker"
OTHERS: Mapping[str, tuple[Document, str]] = {
    "pointer of a machine": (
        pointer("https://api-int.c.example:22623/config/master"),
        "a pointer config of a master machine that fetches https://api-int.c.example:22623"
        "/config/master. Use the bootstrap.ign of the same folder.",
    ),
    "pointer to the bootstrap config": (
        pointer("http://web.example/bootstrap.ign"),
        "a pointer config that fetches http://web.example/bootstrap.ign. Use the config that "
        "it fetches.",
    ),
    "config of a machine": (
        config(units={"machine-config-daemon-pull.service": "", "kubelet.service": LABEL}),
        "the config that a machine-config server serves to a worker",
    ),
    "bootstrap config from before live-apply": (
        config(files={}),
        "cannot live-apply a node image: it lacks node-image-overlay-generator",
    ),
    "config of anything": (config(units={}), "not a bootstrap config: it has no bootkube.service"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_configs_are_named_for_what_they_are(name: str) -> None:
    document, reported = OTHERS[name]

    with pytest.raises(InputError) as caught:
        require_bootstrap(document, "x.ign")

    assert str(caught.value).startswith("x.ign ") or "x.ign" in str(caught.value)
    assert reported.split(": ")[0] in str(caught.value)
    assert reported.split(": ")[-1] in str(caught.value)


@pytest.mark.parametrize("document", [config(), config(more={"install-to-disk.service": ""})])
def test_bootstrap_configs_pass(document: Document) -> None:
    require_bootstrap(document, "bootstrap.ign")


# --- what is added


def merged(tmp_path: Path, document: Document, authfile: Secret | None = None) -> dict[str, Any]:
    inputs = replace(make_inputs(authfile=authfile), bootstrap_ignition=document)
    result: dict[str, Any] = json.loads(render(config_of(tmp_path, inputs)))
    return result


def test_installers_files_and_units_stay_as_they_are(tmp_path: Path) -> None:
    document = config()
    theirs: Any = document
    result = merged(tmp_path, document)

    files = {file["path"]: file for file in result["storage"]["files"]}
    units = {unit["name"]: unit for unit in result["systemd"]["units"]}

    assert all(files[file["path"]] == file for file in theirs["storage"]["files"])
    assert all(
        {**units[unit["name"]], "dropins": None} == {**unit, "dropins": None}
        for unit in theirs["systemd"]["units"]
    )


def test_only_access_evidence_and_what_the_rig_needs_is_added(tmp_path: Path) -> None:
    document = config()
    inputs = make_inputs(authfile=Secret("{}"))
    pieces_added = whole(pieces(make_site(tmp_path, inputs), variant_of(document)))
    added = file_paths(pieces_added)

    assert {path for path in added if "node-image-harness" not in path} == {
        "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub",
        "/etc/containers/certs.d/10.0.2.2:5000/ca.crt", "/root/.docker/config.json",
    }  # fmt: skip
    assert "/etc/kubernetes/manifests/node-image-harness-probe.json" in added
    units: Any = json.loads(render(pieces_added))["systemd"]["units"]
    theirs = set(ENABLED) | {path.rsplit("/")[-1] for path in FILES}
    assert {unit["name"] for unit in units} - theirs == {
        "node-image-harness-before.service", "node-image-harness-failed@.service",
        "node-image-harness-journal.service", "node-image-harness-multi-user.service",
        "sshd-keygen@ecdsa.service", "sshd-keygen@rsa.service",
    }  # fmt: skip
    assert {unit["name"] for unit in units if unit.get("mask")} == {
        "sshd-keygen@ecdsa.service", "sshd-keygen@rsa.service",
    }  # fmt: skip


def test_dropins_report_failures_and_take_the_snapshot_before_the_overlay(tmp_path: Path) -> None:
    units = {unit["name"]: unit for unit in merged(tmp_path, config())["systemd"]["units"]}
    reported = {
        name: dropin["contents"]
        for name, unit in units.items()
        for dropin in unit.get("dropins", ())
    }

    assert set(reported) == {
        "node-image-pull.service", "node-image-overlay.service", "release-image.service",
        "crio-configure.service",
    }  # fmt: skip
    assert all(
        "OnFailure=node-image-harness-failed@%n.service" in text for text in reported.values()
    )
    waits = {name for name, text in reported.items() if "After=node-image-harness-before" in text}
    assert waits == {"node-image-overlay.service"}
    assert units["node-image-harness-multi-user.service"]["enabled"] is True


MANAGER = "/etc/systemd/system.conf.d/10-default-env.conf"
PROXY = '[Manager]\nDefaultEnvironment=HTTPS_PROXY="http://proxy.example:3128"\n'
AROUND = "/etc/systemd/system.conf.d/99-node-image-harness.conf"


@pytest.mark.parametrize(
    ("environment", "reached"),
    [
        (PROXY, "10.0.2.2"),
        (f'{PROXY}DefaultEnvironment=NO_PROXY=".cluster.local,10.0.0.0/16"\n',
         ".cluster.local,10.0.0.0/16,10.0.2.2"),
        (f'{PROXY}DefaultEnvironment=no_proxy="10.0.2.2"\n', None),
        ("[Manager]\n", None),
    ],
    ids=["nothing", "more", "the harness's servers", "no proxy"],
)  # fmt: skip
def test_runs_own_servers_are_reached_without_the_clusters_proxy(
    tmp_path: Path, environment: str, reached: str | None
) -> None:
    document = merged(tmp_path, config(files=FILES | {MANAGER: environment}))
    added = [file for file in document["storage"]["files"] if file["path"] == AROUND]
    texts = [base64.b64decode(file["contents"]["source"].partition(",")[2]) for file in added]

    assert [text.decode().splitlines()[1:] for text in texts] == (
        [] if reached is None
        else [[f'DefaultEnvironment={name}="{reached}"' for name in ("NO_PROXY", "no_proxy")]]
    )  # fmt: skip


def test_login_of_the_config_counts(tmp_path: Path) -> None:
    theirs = Config(files=(File(path="/root/.docker/config.json", contents="theirs"),))
    result = merged(tmp_path, whole((theirs,), (config(),)), Secret("ours"))
    (file,) = (f for f in result["storage"]["files"] if f["path"] == "/root/.docker/config.json")

    assert base64.b64decode(file["contents"]["source"].partition(",")[2]) == b"theirs"


# --- the scenario


def test_single_node_is_refused_before_a_machine_starts(tmp_path: Path) -> None:
    document = config(more={"install-to-disk.service": ""})

    with pytest.raises(InputError, match="for a single node, which ipi_bootstrap cannot install"):
        merged(tmp_path, document)


@pytest.mark.parametrize(
    ("variant", "reported"),
    [
        (Variant(missing=("one", "two")), "lacks one, two"),
        (Variant(), "openshift-clients, of the node layer, is in the bootimage"),
    ],
)
def test_boot_without_live_apply_is_reported_with_its_reason(
    variant: Variant, reported: str
) -> None:
    assert re.search(reported, why_without(variant))
