"""Scenarios without a machine: how they are found, what their config is, what is kept of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scenario_fakes import config_of, file_paths, make_inputs

from harness import folders, process
from harness.guest.validation import require_valid
from harness.machine.domain.architecture import CpuLevel
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.ignition import Config, Document, Dropin, Unit, parse, render
from harness.model.node_state import parse as parse_state
from harness.model.secret import Secret
from harness.model.secrets.config import secrets_in
from harness.model.secrets.redaction import REMOVED, Redactor
from harness.model.way import Way
from harness.player.given import Given
from harness.player.plan import (
    ByPointer,
    FromDisk,
    FromIso,
    InMedium,
    MachinePlan,
    PrivateLink,
    Service,
)
from harness.player.playing.machines import cpu_level
from harness.player.running import Running
from harness.player.scenario import Scenario
from harness.player.steps import Check, Checkpoint, LogIn, Reach, Reboot, SwitchOn
from harness.scenarios.catalogue import Catalogue
from harness.scenarios.flows.bootstrap import live_apply_steps
from harness.scenarios.flows.pivoting import pivot_steps
from harness.watching import evidence as evidence_module
from harness.watching.evidence import Evidence

# --- finding scenarios


def test_every_module_that_is_not_shared_is_a_scenario_of_its_name() -> None:
    names = Catalogue().names
    assert "ipi_bootstrap" in names
    assert [Catalogue().named(name).name for name in names] == list(names)


def test_module_that_only_mentions_scenarios_is_not_one() -> None:
    assert not {"catalogue", "flows", "__init__"} & set(Catalogue().names)


STEPS = (SwitchOn(machine="node"), LogIn(machine="node"))
PLAN = MachinePlan(name="node", memory_mib=512, config=lambda _: {})


SERVICE = Service(name="bmc", run=lambda _: nullcontext())


def passes(_running: Running, _deadline: Deadline) -> None:
    """Pass."""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"steps": STEPS[1:]}, "step login: the machine is not on"),
        ({"steps": (*STEPS, STEPS[0])}, "step switch-on-2: the machine is already on"),
        ({"steps": STEPS[:1]}, "no step logs in to the judged machine 'node'"),
        ({"steps": (*STEPS, SwitchOn(machine="odd"))}, "unknown machine 'odd'"),
        (
            {"steps": (*STEPS, Reach(machine="node", phase="multi-usr", limit_s=1.0))},
            "unknown phase 'multi-usr' in step multi-usr; known: firmware, boot-loader",
        ),
        ({"machines": (PLAN, PLAN)}, "two machines with one name"),
        ({"machines": (replace(PLAN, is_judged=False),)}, "no machine to judge"),
        (
            {"machines": (replace(PLAN, link=PrivateLink(name="wire")),)},
            "link 'wire': 1 ends instead",
        ),
        ({"machines": (replace(PLAN, delivery=InMedium()),)}, "delivery is for a live medium"),
        ({"machines": (replace(PLAN, medium=FromIso()),)}, "its delivery is for a disk"),
        (
            {"machines": (replace(PLAN, delivery=ByPointer(service="x")),)},
            "unknown service 'x'",
        ),
        ({"machines": (replace(PLAN, requires="uefl"),)}, "unknown hardware: uefl; docs/hardware"),
        ({"machines": (replace(PLAN, name="node 0"),)}, "name 'node 0': only letters"),
        ({"steps": (*STEPS, *pivot_steps("node"))}, "'node' pivots, but the scenario has no way"),
        (
            {"steps": (*STEPS, *pivot_steps("node"), *live_apply_steps("node", Given()))},
            "'node' pivots, but the scenario has no way",
        ),
        (
            {
                "steps": (*STEPS, *pivot_steps("node"), *live_apply_steps("node", Given())),
                "way": Way.PIVOT,
            },
            "machine 'node' has steps of live-apply after its pivot",
        ),
        ({"services": (SERVICE, SERVICE)}, "two services with one name: bmc"),
        ({"machines": (replace(PLAN, memory_mib=0),)}, "machine 'node': memory_mib=0 is less than"),
        ({"machines": (replace(PLAN, memory_mib=2),)}, "machine 'node': memory_mib=2 is less than"),
        ({"machines": (replace(PLAN, medium=FromDisk(size_bytes=0)),)}, "its disk has 0 bytes"),
        (
            {"steps": (*STEPS, Checkpoint(name="half"), Checkpoint(name="half"))},
            "two checkpoints with one name: half",
        ),
        (
            {
                "steps": (*STEPS, *pivot_steps("node"), Checkpoint(name="node-layer")),
                "way": Way.PIVOT,
            },
            "two checkpoints with one name: node-layer; pivot_steps contains it",
        ),
        ({"steps": (*STEPS, Checkpoint(name="login"))}, "checkpoint 'login' has the name of a"),
        ({"steps": (*STEPS, Checkpoint(name=" "))}, "a step without a name"),
        (
            {"steps": (*STEPS, Check(machine="node", name="login-2", act=passes), STEPS[1])},
            "two steps with one name: login-2",
        ),
        (
            {"steps": (*STEPS, Reboot(machine="node", limit_s=0.0))},
            "step reboot: limit_s=0.0 is not a number of seconds above 0",
        ),
        (
            {"steps": (*STEPS, Reach(machine="node", phase="kernel", limit_s=math.nan))},
            "step kernel: limit_s=nan is not",
        ),
        ({"way": Way.PIVOT}, "way=Way.PIVOT, but no step expects a reboot of machine 'node'"),
    ],
)
def test_scenario_that_makes_no_sense_is_refused(changes: dict[str, Any], problem: str) -> None:
    steps = changes.get("steps", STEPS)
    machines = changes.get("machines", (PLAN,))
    way = changes.get("way", Way.LIVE_APPLY)
    odd = Scenario(
        name="odd", title="odd", machines=machines, steps=lambda _: steps, way=way,
        services=changes.get("services", ()),
    )  # fmt: skip

    with pytest.raises(InputError, match="scenario odd: ") as caught:
        odd.checked_steps(Given())

    assert problem in caught.value.problem


def test_typo_in_a_machines_name_is_reported_before_what_follows_from_it() -> None:
    wrong = Reboot(machine="nod")
    odd = Scenario(
        name="odd", title="odd", machines=(PLAN,), steps=lambda _: (*STEPS, wrong), way=Way.PIVOT
    )

    with pytest.raises(InputError, match="unknown machine 'nod'"):
        odd.checked_steps(Given())


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        pytest.param(lambda given: given.nonsense, "AttributeError: 'Given' object", id="raises"),
        pytest.param(lambda _: None, "TypeError: 'NoneType' object", id="returns nothing"),
    ],
)
def test_steps_that_fail_are_an_error_of_the_scenario(
    steps: Callable[[Given], Any], problem: str
) -> None:
    odd = Scenario(name="odd", title="odd", machines=(PLAN,), steps=steps)

    with pytest.raises(InputError, match=f"scenario odd: its steps end with {problem}"):
        odd.checked_steps(Given())


# --- the config


def test_config_has_login_trust_live_apply_and_kubelet(tmp_path: Path) -> None:
    paths = file_paths(config_of(tmp_path, make_inputs()))

    assert {
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/containers/certs.d/10.0.2.2:5000/ca.crt",
        "/etc/systemd/system-generators/node-image-overlay-generator",
        "/etc/kubernetes/kubelet.conf",
        "/etc/crio/crio.conf.d/50-node-image-harness.conf",
    } <= paths
    assert "/root/.docker/config.json" not in paths


def test_authfile_goes_where_the_pull_looks(tmp_path: Path) -> None:
    paths = file_paths(config_of(tmp_path, make_inputs(Secret('{"auths": {}}'))))

    assert "/root/.docker/config.json" in paths


def test_documents_of_the_user_win_in_their_order(tmp_path: Path) -> None:
    def motd(text: str) -> Document:
        source = f"data:,{text}"
        entry = {"path": "/etc/motd", "contents": {"source": source}}
        config = {"ignition": {"version": "3.2.0"}, "storage": {"files": [entry]}}
        return parse(json.dumps(config), text)

    inputs = replace(make_inputs(), extra_ignition=(motd("first"), motd("last")))
    document = json.loads(render(config_of(tmp_path, inputs)))

    (entry,) = (file for file in document["storage"]["files"] if file["path"] == "/etc/motd")
    assert entry["contents"]["source"] == "data:,last"


def test_whole_config_is_valid_to_ignition_itself(tmp_path: Path) -> None:
    try:
        process.find("ignition-validate")
    except process.MissingProgramError:
        pytest.skip("ignition-validate is not on this host")

    text = render(config_of(tmp_path / "site", make_inputs()))

    require_valid(text, tmp_path, "a config", "Correct it.")

    assert not (tmp_path / "validate.ign").exists()


def fake_validator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, status: int) -> None:
    program = tmp_path / "bin" / "ignition-validate"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_refused_config_is_reported_in_the_validators_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_validator(tmp_path, monkeypatch, "error at $.storage: path not absolute", 1)

    with pytest.raises(InputError, match="path not absolute"):
        require_valid("{}", tmp_path, "a config", "Correct it.")


def test_refused_entry_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "error at $.systemd.units.1.dropins.0.name, line 1 col 2: bad; $.storage.files.7.path: ?"
    fake_validator(tmp_path, monkeypatch, said, 1)
    units = (
        Unit(name="a.service"),
        Unit(name="b.service", dropins=(Dropin(name="x", contents=""),)),
    )

    with pytest.raises(InputError) as caught:
        require_valid(render(Config(units=units).to_document()), tmp_path, "it", "Correct it.")

    assert "$.systemd.units.1.dropins.0.name (x), line 1 col 2: bad;" in caught.value.problem
    assert "$.storage.files.7.path: ?" in caught.value.problem


def test_validator_older_than_the_config_has_no_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_validator(tmp_path, monkeypatch, "could not parse: unsupported config version", 1)

    require_valid("{}", tmp_path, "a config", "Correct it.")


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


def make_evidence(tmp_path: Path) -> Evidence:
    return Evidence.begin(tmp_path / "kept", "one", Redactor())


def test_kept_config_has_no_secret_in_it(tmp_path: Path) -> None:
    extra = parse(
        '{"ignition": {"version": "3.2.0", "config": {"merge": [{"source": '
        '"https://me:pw@host/x.ign"}]}}, "passwd": {"users": [{"name": "core", '
        '"passwordHash": "$6$hash"}]}}',
        "extra",
    )
    inputs = replace(make_inputs(authfile=Secret("tok3n")), extra_ignition=(extra,))
    document = config_of(tmp_path, inputs)
    whole_text = render(document)
    evidence = make_evidence(tmp_path)

    evidence.keep_config(document)

    kept = (evidence.folder / "ignition.json").read_text()
    shown = {file["path"]: file["contents"] for file in json.loads(kept)["storage"]["files"]}
    removed = {"source": "data:,%23%5Bremoved%5D"}
    assert shown["/etc/ssh/ssh_host_ed25519_key"] == removed
    assert shown["/root/.docker/config.json"] == removed
    assert shown["/etc/kubernetes/kubelet.conf"] != removed
    assert "$6$hash" not in kept
    assert "me:pw" not in kept
    assert render(document) == whole_text  # which the machine still needs


def test_secrets_of_the_config_are_known_in_every_other_file(tmp_path: Path) -> None:
    planted = "correct horse battery staple"
    entry = {"path": "/etc/x", "mode": 0o600, "contents": {"source": f"data:,{planted}"}}
    config = {"ignition": {"version": "3.2.0"}, "storage": {"files": [entry]}}
    redactor = Redactor()
    for secret in secrets_in(parse(json.dumps(config), "x")):
        redactor.add(secret)
    evidence = Evidence.begin(tmp_path, "one", redactor)

    evidence.append_text("console.txt", f"my password is {planted}\n")
    evidence.keep_text("after.txt", planted)

    kept = "".join(path.read_text() for path in evidence.folder.iterdir())
    assert planted not in kept
    assert kept.count(REMOVED) == 2


def test_log_of_the_run_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "registry.log"
    log.write_text("GET /v2/")
    evidence = make_evidence(tmp_path)

    evidence.keep_log(log)
    evidence.keep_log(tmp_path / "missing.log")

    assert [path.name for path in evidence.folder.iterdir()] == ["registry.log"]


def test_evidence_of_a_machine_of_the_same_name_stays(tmp_path: Path) -> None:
    make_evidence(tmp_path).keep_text("old.txt", "old")

    again = make_evidence(tmp_path)

    assert again.folder.name == "one-2"
    assert (tmp_path / "kept" / "one" / "old.txt").exists()


def test_a_guest_that_writes_without_end_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_module, "_SIZE_LIMIT_BYTES", 100)
    monkeypatch.setattr(evidence_module, "_LAST_BYTES", 100)
    evidence = make_evidence(tmp_path)

    for number in range(1000):
        evidence.append("console.txt", f"line {number:4}\n".encode())

    assert (evidence.folder / "console.txt").read_text().startswith("line    0\n")
    last = (evidence.folder / "console.txt.last").read_text()
    assert last.endswith("line  999\n"), "the last lines are those of the end"
    assert sum(path.stat().st_size for path in evidence.folder.iterdir()) < 300


def test_snapshot_is_kept_with_its_packages(tmp_path: Path) -> None:
    text = folders.fixture("transcripts/observe-after.txt").read_text()
    evidence = make_evidence(tmp_path)

    layer = evidence.keep_state("after", text, parse_state(text))

    listed = (evidence.folder / "packages-after.txt").read_text().splitlines()
    assert listed == list(layer.packages) == sorted(listed)
    assert any(nevra.startswith("openshift-kubelet-") for nevra in listed)
    assert layer.os_release["ID"] == "rhel"
    assert (evidence.folder / "after.txt").read_text() == text


def test_evidence_that_cannot_be_written_hides_no_other_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evidence = make_evidence(tmp_path)
    evidence.folder.rmdir()

    evidence.append_text("console.txt", "hello\n")
    evidence.keep_text("after.txt", "hello")

    assert evidence.names == ()
    assert caplog.text.count("evidence is incomplete") == 3
