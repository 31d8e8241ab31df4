"""Scenarios without a machine: how they are found, their config, what is watched and what kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from machine_fakes import FakeClock, FakeDomain, make_run

from harness import process
from harness.images.bootimage import BootImage
from harness.images.disk_format import DiskFormat
from harness.images.node_image import NodeImage
from harness.images.reference import Reference, Transport
from harness.images.registry import Registry
from harness.machine.architecture import CpuLevel, Kind, architecture
from harness.machine.domain import Disk, Domain, Port
from harness.machine.driver import POWERED_OFF, STOP_REASONS
from harness.machine.emulator import Emulator
from harness.machine.machine import EVENTS_PORT, IGNITION_PORT, PORTS, Machine
from harness.model.errors import InputError, ProductError, RigError
from harness.model.ignition import Document, parse, render
from harness.model.secret import Secret
from harness.node.keys import make_run_keys
from harness.node.kubelet import CONTAINERD, CRIO, Runtime
from harness.node.live_apply import Limits, live_apply
from harness.scenarios import scenario
from harness.scenarios.config import insist_valid, node_pieces, whole
from harness.scenarios.evidence import REMOVED, Evidence, scrubbed, without_secrets
from harness.scenarios.scenario import Inputs
from harness.scenarios.stages import cpu_level
from harness.scenarios.watch import Watch

KEYS = make_run_keys()
NO_LABELS: Mapping[str, str] = MappingProxyType({})


def make_inputs(runtime: Runtime = CONTAINERD, authfile: Secret | None = None) -> Inputs:
    reference = Reference(transport=Transport.OCI, rest="/x:latest")
    return Inputs(
        bootimage=BootImage(
            path=Path("/images/thin.qcow2"), format=DiskFormat.QCOW2, virtual_size_bytes=1,
            sha256=None, origin="thin.qcow2",
        ),
        node_image=NodeImage(reference=reference, digest="sha256:1", labels=NO_LABELS, layers=()),
        pull_spec="10.0.2.2:5000/node@sha256:1",
        pause_image="10.0.2.2:5000/pause@sha256:2",
        registry=Registry(port=5000, ca_pem="PEM", folder=Path("/registry")),
        runtime=runtime,
        authfile=authfile,
        extra_ignition=(),
        paths_to_observe=("/usr/bin/oc",),
    )  # fmt: skip


def config_of(inputs: Inputs, *extra: Document) -> Document:
    pieces = (*node_pieces(inputs, KEYS), live_apply(inputs.pull_spec, Limits()))
    return whole(pieces, extra)


def file_paths(document: Document) -> set[str]:
    found = json.loads(render(document))
    return {file["path"] for file in found["storage"]["files"]}


# --- finding scenarios


def test_every_module_that_is_no_shared_one_is_a_scenario_of_its_name() -> None:
    assert "ipi_bootstrap" in scenario.names()
    assert [scenario.named(name).name for name in scenario.names()] == list(scenario.names())


# --- the config


def test_config_holds_login_trust_live_apply_and_kubelet() -> None:
    paths = file_paths(config_of(make_inputs()))

    assert {
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/containers/certs.d/10.0.2.2:5000/ca.crt",
        "/etc/systemd/system-generators/node-image-overlay-generator",
        "/etc/kubernetes/kubelet.conf",
        "/etc/containerd/conf.d/50-node-image-harness.toml",
    } <= paths
    assert "/root/.docker/config.json" not in paths


def test_authfile_and_runtime_decide_over_their_files() -> None:
    paths = file_paths(config_of(make_inputs(CRIO, Secret('{"auths": {}}'))))

    assert "/root/.docker/config.json" in paths
    assert "/etc/crio/crio.conf.d/50-node-image-harness.conf" in paths
    assert not any("containerd" in path for path in paths)


def test_documents_of_the_user_win_in_their_order() -> None:
    def motd(text: str) -> Document:
        source = f"data:,{text}"
        entry = {"path": "/etc/motd", "contents": {"source": source}}
        config = {"ignition": {"version": "3.2.0"}, "storage": {"files": [entry]}}
        return parse(json.dumps(config), text)

    document = json.loads(render(config_of(make_inputs(), motd("first"), motd("last"))))

    (entry,) = (file for file in document["storage"]["files"] if file["path"] == "/etc/motd")
    assert entry["contents"]["source"] == "data:,last"


def test_whole_config_is_valid_to_ignition_itself(tmp_path: Path) -> None:
    try:
        process.find("ignition-validate")
    except process.MissingProgramError:
        pytest.skip("ignition-validate is not on this host")

    insist_valid(render(config_of(make_inputs())), tmp_path)

    assert list(tmp_path.iterdir()) == []


def fake_validator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, status: int) -> None:
    program = tmp_path / "bin" / "ignition-validate"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_refused_config_is_told_in_the_validators_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_validator(tmp_path, monkeypatch, "error at $.storage: path not absolute", 1)

    with pytest.raises(InputError, match="path not absolute"):
        insist_valid("{}", tmp_path)


def test_validator_older_than_the_config_has_no_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_validator(tmp_path, monkeypatch, "could not parse: unsupported config version", 1)

    insist_valid("{}", tmp_path)


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("9.6.20250203-0", CpuLevel.V2),
        ("10.2.20260101-0", CpuLevel.V3),
        ("419.94.202412101440-0", CpuLevel.V2),
        (None, CpuLevel.V3),
        ("strange", CpuLevel.V3),
    ],
)
def test_cpu_follows_the_rhel_of_the_image(version: str | None, level: CpuLevel) -> None:
    assert cpu_level(version) is level


# --- the evidence


def test_kept_config_has_no_secret_in_it() -> None:
    extra = parse(
        '{"ignition": {"version": "3.2.0", "config": {"merge": [{"source": '
        '"https://me:pw@host/x.ign"}]}}, "passwd": {"users": [{"name": "core", '
        '"passwordHash": "$6$hash"}]}}',
        "extra",
    )
    document = config_of(make_inputs(authfile=Secret("tok3n")), extra)
    whole_text = render(document)

    kept = render(without_secrets(document))

    shown = {file["path"]: file["contents"] for file in json.loads(kept)["storage"]["files"]}
    assert shown["/etc/ssh/ssh_host_ed25519_key"] == REMOVED
    assert shown["/root/.docker/config.json"] == REMOVED
    assert shown["/etc/kubernetes/kubelet.conf"] != REMOVED
    assert "$6$hash" not in kept
    assert "me:pw" not in kept
    assert render(document) == whole_text  # which the machine still needs


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"source": "data:;base64,TFMwdExT"', '"source": "data:;base64,removed"'),
        (
            r'{"MESSAGE":"\"source\": \"data:,s3cret\",","PRIORITY":"6"}',
            r'{"MESSAGE":"\"source\": \"data:,removed\",","PRIORITY":"6"}',
        ),
        ('"passwordHash": "$6$salt$hash",', '"passwordHash": "removed",'),
        (r"\"--password\" \"$6$salt$hash\" \"x\"", r"\"--password\" \"removed\" \"x\""),
        ("failed to fetch config: 404", "failed to fetch config: 404"),
    ],
)
def test_logs_are_kept_without_what_ignition_puts_of_the_config(line: str, expected: str) -> None:
    assert scrubbed(line) == expected


def test_evidence_of_an_earlier_run_does_not_stay(tmp_path: Path) -> None:
    Evidence.begin(tmp_path, "one").keep_text("old.txt", "old")

    again = Evidence.begin(tmp_path, "one")

    assert list(again.folder.iterdir()) == []


def test_what_the_machine_wrote_is_kept_though_some_is_missing(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text("console")
    machine.port_files[EVENTS_PORT].write_text("events")
    evidence = Evidence.begin(tmp_path / "kept", "one")

    evidence.keep_machine(machine)

    names = {path.name for path in evidence.folder.iterdir()}
    assert names == {"console.txt", "events.txt", "domain.xml"}


# --- the watch


def make_machine(tmp_path: Path, reason: str | None = None) -> Machine:
    folder = make_run(tmp_path).folder
    domain = Domain(
        name="one", uuid="0", kind=Kind.TCG, cpu="Nehalem", memory_mib=1, vcpus=1,
        emulator=Emulator(path=Path("/qemu"), arch=architecture("x86_64")),
        disks=(Disk(path=folder / "disk", serial="root"),), console=folder / "console.log",
        ports=tuple(Port(name=name, path=folder / name) for name in PORTS),
    )  # fmt: skip
    return Machine(domain, folder, FakeDomain(reason=reason), None)


def make_watch(machine: Machine) -> tuple[Watch, list[str], FakeClock]:
    told: list[str] = []
    clock = FakeClock()
    watch = Watch(machine=machine, tell=told.append, evidence=Path("/evidence/one"), clock=clock)
    return watch, told, clock


def test_news_are_told_once_with_the_seconds(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, told, clock = make_watch(machine)
    machine.port_files[EVENTS_PORT].write_text(
        "stage=pull state=progress uptime=9.00 detail=received 15 MB\n"
    )

    clock.now = 12.0
    watch.insist_alive()
    watch.insist_alive()

    assert told == ["firmware and boot loader (12 s)", "pull: received 15 MB (12 s)"]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(POWERED_OFF, ProductError), (STOP_REASONS[2], ProductError), (STOP_REASONS[5], RigError)],
)
def test_a_stopped_machine_is_the_guests_doing_or_qemus(
    tmp_path: Path, reason: str, kind: type[Exception]
) -> None:
    machine = make_machine(tmp_path, reason)
    machine.console.write_text("[    0.000000] Linux version 6\nlast words\n")
    watch, _, _ = make_watch(machine)

    with pytest.raises(kind) as raised:
        watch.insist_alive()

    assert f"during the kernel's start: {reason}" in str(raised.value)
    assert "  | last words\n  evidence: /evidence/one" in str(raised.value)


def test_ignitions_failure_is_told_with_its_own_error(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text("Running in initrd\nPress Enter for maintenance\n")
    entry = {"MESSAGE": "404 not found", "PRIORITY": "2", "SYSLOG_IDENTIFIER": "ignition"}
    machine.port_files[IGNITION_PORT].write_text(json.dumps(entry) + "\n{}\n")
    watch, _, _ = make_watch(machine)

    with pytest.raises(ProductError, match=r"(?s)during Ignition in .*\| 404 not found"):
        watch.insist_alive()


def test_emergency_shell_waits_a_moment_for_ignitions_reasons(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text("the reason\nPress Enter for maintenance\n")
    watch, _, clock = make_watch(machine)

    watch.insist_alive()
    clock.now += watch.grace_s + 1

    with pytest.raises(ProductError, match=r"(?s)Press Enter for maintenance.*\| the reason"):
        watch.insist_alive()


@pytest.mark.parametrize(("stage", "kind"), [("pull", ProductError), ("harness-before", RigError)])
def test_a_failed_stage_is_told_with_its_journal(
    tmp_path: Path, stage: str, kind: type[Exception]
) -> None:
    machine = make_machine(tmp_path)
    machine.port_files[EVENTS_PORT].write_text(
        f"stage={stage} state=log uptime=9.00 detail=connection refused\n"
        f"stage={stage} state=failed uptime=9.00 detail=exit status 1\n"
    )
    watch, _, _ = make_watch(machine)

    with pytest.raises(kind, match=rf"(?s)stage {stage}: exit status 1.*\| connection refused"):
        watch.insist_alive()


def test_a_boot_without_end_is_told_with_phase_and_console(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text("Running in initrd\nwaiting for a disk\n")
    watch, _, _ = make_watch(machine)

    text = str(watch.stuck("gave up on SSH"))

    assert text.startswith("gave up on SSH, during Ignition in the initramfs")
    assert "  | waiting for a disk" in text
