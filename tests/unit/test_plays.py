"""Every scenario's steps, played with a fake clock over composed streams."""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import test_installer_in_place
import test_installer_variant
from _pytest.mark import ParameterSet
from playing import ANSWERS, RELEASE, Disturbance, Guest, Host
from recordings import NODE_IMAGE, RECORDINGS, TOO_MUCH, Writer, recordings_of
from scenario_fakes import KEYS, FakeImages, make_inputs
from test_images_live_iso import iso

from harness.cluster.payload import Payload
from harness.guest.live_apply import OBSERVE
from harness.images.layers.blob_stream import Descriptor
from harness.model.errors import HarnessError, InputError, ProductError, RigError
from harness.model.ignition import Document
from harness.model.record import State
from harness.node.dial import Endpoint
from harness.node.ssh import ConnectionLostError, Result
from harness.player.applied import AppliedNodes
from harness.player.given import Given
from harness.player.inputs import Inputs
from harness.player.plan import Service
from harness.player.player import play
from harness.player.scenario import Scenario
from harness.player.steps import LogIn, Reach, Reboot, Step, step_names
from harness.scenarios.catalogue import Catalogue
from harness.waiting import WaitReporter

NAMES = Catalogue().names
# In the header that older live ISOs have of the area for a config: its magic, offset and size.
SIZE_OF_AREA_AT = 32768 - 8
AREA_BYTES = 1 << 18
# A play replaces the records of its machines some twenty times, and a disk takes long for each.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - as fast as it gets


class Images(FakeImages):
    """The same, with a live ISO that a config can be written into."""

    def __init__(self, folder: Path) -> None:
        super().__init__(make_inputs().images.disk("bootimage"))
        self._iso = folder / "live.iso"
        image = bytearray(iso(None, header=True)) + bytes(AREA_BYTES)
        struct.pack_into("<Q", image, SIZE_OF_AREA_AT, AREA_BYTES)
        self._iso.write_bytes(image)

    def iso(self, key: str) -> Path:
        return self._iso


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with TemporaryDirectory(prefix="node-image-play-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _without_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def scenario(name: str) -> Scenario:
    return Catalogue().named(name)


def is_hosted(name: str) -> bool:
    return any(service.name == "control-plane" for service in scenario(name).services)


def inputs_for(name: str, folder: Path) -> Inputs:
    """Return inputs with a release; without the parts of a control plane that runs on this host."""
    return replace(
        make_inputs(), images=Images(folder), release=lambda: RELEASE,
        payload=None if is_hosted(name) else Payload(folder=folder),
    )  # fmt: skip


@contextmanager
def played(
    name: str, folder: Path, *, guest: Guest | None = None, **disturbance: object
) -> Iterator[tuple[Host, AppliedNodes]]:
    host = Host(
        folder, recordings_of(name), guest=guest,
        disturbance=Disturbance(**disturbance),  # type: ignore[arg-type]  # its fields by name
    )  # fmt: skip
    try:
        with play(scenario(name), host.rig, inputs_for(name, folder)) as nodes:
            yield host, nodes
    except HarnessError as exc:
        exc.add_note([line for _, line in host.lines if ": step " in line][-1])
        raise


def steps_of(name: str) -> tuple[Step, ...]:
    return scenario(name).checked_steps(Given(has_control_plane=not is_hosted(name)))


def machine_of(name: str, number: int) -> str:
    return steps_of(name)[number].machine


@cache
def begins_s(name: str) -> tuple[float, ...]:
    """Return when each step of a play that succeeds began."""
    with (
        TemporaryDirectory(prefix="node-image-play-", dir=MEMORY) as folder,
        played(name, Path(folder)) as (host, _),
    ):
        return tuple(host.step_began_s(number + 1) for number in range(len(steps_of(name))))


def waits_of(name: str) -> list[int]:
    """Return the numbers of the steps that wait for the machine, counted from 0."""
    steps = enumerate(steps_of(name))
    return [number for number, step in steps if isinstance(step, LogIn | Reach | Reboot)]


def cases(waits: Mapping[str, list[int]]) -> list[ParameterSet]:
    return [
        pytest.param(name, number, id=f"{name}-{step_names(steps_of(name))[number]}")
        for name, numbers in waits.items()
        for number in numbers
    ]


WAITS = cases({name: waits_of(name) for name in NAMES})
# Every kind of wait of one machine and of two, and the last one of every other scenario; but for
# logging in, before which a machine that pivots may rightly reboot.
DISTURBED = cases(
    {
        name: [
            number
            for number in waits_of(name)[0 if name in ("ipi_node", "ipi_cluster") else -1 :]
            if not isinstance(steps_of(name)[number], LogIn)
        ]
        for name in NAMES
    }
)


def test_every_scenario_has_its_recordings() -> None:
    assert set(RECORDINGS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_play_brings_up_every_judged_node(name: str, tmp_path: Path) -> None:
    steps = steps_of(name)

    with played(name, tmp_path) as (host, nodes):
        lines = [line for _, line in host.lines]
        assert tuple(nodes) == scenario(name).judged
        assert nodes.only.way is scenario(name).way
        assert nodes.only.reboots == nodes.only.watch.boots - 1
        assert "openshift-kubelet" in nodes.only.after.packages
        assert nodes.only.watch.record.state is State.UP

    for number, step in enumerate(step_names(steps), 1):
        assert f"{name}: step {number} of {len(steps)}, {step}" in lines
    assert set(host.specs) == set(RECORDINGS[name])


def test_play_is_never_silent_for_longer_than_ten_seconds(tmp_path: Path) -> None:
    host = Host(tmp_path, recordings_of("ipi_bootstrap"))
    rig = host.rig
    report = WaitReporter(rig.report, host.clock, tick_s=3600)  # the clock ticks in its place
    host.clock.each_second = report.remind
    rig = replace(rig, report=report, awaiting=report.awaiting)

    with play(scenario("ipi_bootstrap"), rig, inputs_for("ipi_bootstrap", tmp_path)):
        at_s = [at_s for at_s, _ in host.lines]

    assert max(later_s - earlier_s for earlier_s, later_s in pairwise(at_s)) <= 11.0
    assert any(
        re.search(r"step 3 of 6, multi-user; now kernel \(\d+ s so far\)", line)
        for _, line in host.lines
    )


@pytest.mark.parametrize(("name", "number"), WAITS)
def test_step_that_is_not_reached_fails_in_it(name: str, number: int, tmp_path: Path) -> None:
    step = steps_of(name)[number]

    with (
        pytest.raises((ProductError, RigError)) as caught,
        played(name, tmp_path, silent_from_s=begins_s(name)[number]),
    ):
        pass

    (last,) = caught.value.__notes__
    assert f"step {number + 1} of " in last
    assert re.search(
        rf"(?:has written nothing|nothing was written)|{step.name}|boot \d|SSH", str(caught.value)
    )


@pytest.mark.parametrize(("size_bytes", "is_up"), [(76_000_000, False), (2_000_000_000, True)])
def test_image_that_takes_long_to_pull_is_given_up_by_its_size(
    size_bytes: int, is_up: bool, tmp_path: Path
) -> None:
    pull = Writer().boot().event("pull", "started")
    for received_mb in range(0, 2000, 100):
        pull.event("pull", "progress", f"received {received_mb} MB", after_s=75.0)
    host = Host(tmp_path, {"ipi_bootstrap": pull.live_apply().control_plane().lines})
    layer = Descriptor(digest="sha256:1", size_bytes=size_bytes, media_type="tar")
    inputs = inputs_for("ipi_bootstrap", tmp_path)
    inputs = replace(inputs, node_image=replace(inputs.node_image, layers=(layer,)))

    wanted = nullcontext() if is_up else pytest.raises(ProductError, match="multi-user in boot 1")
    with wanted, play(scenario("ipi_bootstrap"), host.rig, inputs):
        pass


@pytest.mark.parametrize(("name", "number"), DISTURBED)
def test_reboot_that_no_step_expects_fails_at_once(name: str, number: int, tmp_path: Path) -> None:
    begin_s, machine = begins_s(name)[number], scenario(name).record_name(machine_of(name, number))

    with (
        pytest.raises(ProductError, match=r"rebooted by itself .* is in boot \d instead of \d"),
        # One of the two may be the one that the scenario expects.
        played(name, tmp_path, silent_from_s=begin_s, machine=machine, reboots=2),
    ):
        pass


@pytest.mark.parametrize(("name", "number"), DISTURBED)
def test_machine_that_ends_fails_at_once(name: str, number: int, tmp_path: Path) -> None:
    machine = scenario(name).record_name(machine_of(name, number))

    with (
        pytest.raises(RigError, match="the machine is gone: QEMU ended by itself"),
        played(name, tmp_path, silent_from_s=begins_s(name)[number], machine=machine, ends=True),
    ):
        pass


def test_session_that_breaks_in_a_check_is_the_products_fault(tmp_path: Path) -> None:
    endpoint = Endpoint(address="127.0.0.1", port=1, client_key=KEYS.client.private, host_key="")
    lost = ConnectionLostError(endpoint, "systemctl", "the connection dropped")

    with (
        pytest.raises(ProductError, match=r"broke in the check settle: .* the connection dropped"),
        played("ipi_node", tmp_path, guest=Guest({"systemctl list-jobs": lost})),
    ):
        pass


def test_image_that_a_node_pulled_is_recorded(tmp_path: Path) -> None:
    with played("ipi_bootstrap", tmp_path) as (_, nodes):
        assert nodes.only.watch.record.node_image == NODE_IMAGE


def test_job_without_end_is_reported_and_left_to_the_tests(tmp_path: Path) -> None:
    guest = Guest({"systemctl list-jobs": "12 kubelet.service start running\n"})

    with played("ipi_node", tmp_path, guest=guest) as (host, _):
        lines = [line for _, line in host.lines]

    assert "ipi_node: goes on without settle: jobs of systemd: kubelet.service start" in lines


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("ipi_node", "systemctl list-jobs"),
        ("ipi_node", OBSERVE),
        ("agent", "systemctl is-active"),
    ],
    ids=["settle", "snapshot", "end-marks"],
)
def test_command_that_fails_is_not_taken_for_its_answer(
    name: str, command: str, tmp_path: Path
) -> None:
    guest = Guest(ANSWERS | {command: Result(status=4, stdout="", stderr="no bus")})

    with pytest.raises(RigError, match="exited 4: no bus"), played(name, tmp_path, guest=guest):
        pass


def test_check_that_fails_ends_the_play(tmp_path: Path) -> None:
    with (
        pytest.raises(ProductError, match=r"after the agent's live-apply: .* 'inactive'"),
        played("agent", tmp_path, guest=Guest({"systemctl is-active": "inactive"})),
    ):
        pass


def test_bootstrap_machine_that_comes_up_without_live_apply_fails(tmp_path: Path) -> None:
    host = Host(tmp_path, {"ipi_bootstrap": Writer().boot().up().lines})

    with (
        pytest.raises(ProductError, match="openshift-clients, of the node layer, is in the boot"),
        play(scenario("ipi_bootstrap"), host.rig, inputs_for("ipi_bootstrap", tmp_path)),
    ):
        pass


def test_reaching_a_phase_in_an_earlier_boot_does_not_count(tmp_path: Path) -> None:
    recording = Writer().boot().up().pivot().reboot().console("Run /init as init process").lines
    host = Host(tmp_path, {"ipi_node": recording})

    with (
        pytest.raises(ProductError, match="multi-user in boot 2: timed out"),
        play(scenario("ipi_node"), host.rig, inputs_for("ipi_node", tmp_path)),
    ):
        pass

    assert "ipi_node: step 5 of 6, multi-user" in [line for _, line in host.lines]


@pytest.mark.parametrize("ends", [False, True])
def test_machines_that_run_are_shown_when_a_scenario_fails(tmp_path: Path, *, ends: bool) -> None:
    number = step_names(steps_of("ipi_node")).index("pivot")
    disturbance = Disturbance(
        silent_from_s=begins_s("ipi_node")[number], machine="ipi_node", ends=ends
    )
    host = Host(tmp_path, recordings_of("ipi_node"), disturbance=disturbance)
    shown: list[tuple[list[int], str, bool]] = []

    def show(endpoints: Mapping[str, Endpoint], error: HarnessError) -> None:
        folder = tmp_path / "evidence/ipi_node/machine.json"
        is_over = json.loads(folder.read_text())["state"] == "finished"
        shown.append(([at.port for at in endpoints.values()], str(error), is_over))

    rig = replace(host.rig, at_failure=show)
    with (
        pytest.raises(HarnessError) as caught,
        play(scenario("ipi_node"), rig, inputs_for("ipi_node", tmp_path)),
    ):
        pass

    assert shown == [([] if ends else [2222], str(caught.value), False)]


def test_bootstrap_machine_of_a_cluster_is_recorded_as_up_when_its_node_fails(
    tmp_path: Path,
) -> None:
    number = step_names(steps_of("ipi_cluster")).index("node:pivot")
    silent_from_s = begins_s("ipi_cluster")[number]

    with pytest.raises(ProductError), played("ipi_cluster", tmp_path, silent_from_s=silent_from_s):
        pass

    record = json.loads((tmp_path / "evidence/ipi_cluster_bootstrap/machine.json").read_text())
    assert record["state"] == "finished"
    assert record["scenario"] == "ipi_cluster"


@pytest.mark.parametrize(
    ("name", "document", "recording", "reboots"),
    [
        ("ipi_bootstrap", test_installer_variant.config(), Writer().boot().live_apply(), 0),
        (
            "sno", test_installer_in_place.config(),
            Writer().boot().live_apply().install().reboot().pivot().reboot().up(), 2,
        ),
    ],
)  # fmt: skip
def test_installers_own_config_is_the_same_scenario_with_other_marks(
    name: str, document: Document, recording: Writer, reboots: int, tmp_path: Path
) -> None:
    inputs = replace(inputs_for(name, tmp_path), bootstrap_ignition=document)
    host = Host(tmp_path, {name: recording.lines})

    with play(scenario(name), host.rig, inputs) as nodes:
        assert nodes.only.reboots == reboots
        assert "the installer's own config" in nodes.only.watch.record.installer

    assert any("step 2 of" in line and "installer-variant" in line for _, line in host.lines)


@pytest.mark.parametrize(
    ("name", "recording", "problem"),
    [
        ("fat", Writer().boot().live_apply(), "live-apply ran on a bootimage that has the node"),
        (
            "agent",
            Writer().boot().up().event("agent", "started").event("agent", "done"),
            "reported nothing about what it keeps in memory",
        ),
        ("sno", Writer().boot().live_apply(TOO_MUCH), "too much in memory: node image 9537"),
    ],
)
def test_machine_that_ends_up_otherwise_fails_its_check(
    name: str, recording: Writer, problem: str, tmp_path: Path
) -> None:
    host = Host(tmp_path, {name: recording.lines})

    with (
        pytest.raises(ProductError, match=problem),
        play(scenario(name), host.rig, inputs_for(name, tmp_path)),
    ):
        pass


class Dying:
    """A service that ends by itself; its log says why."""

    def __init__(self, log: Path) -> None:
        self.logs = (log,)
        self.asked = 0

    def check_alive(self) -> None:
        self.asked += 1
        if self.asked > 3:
            raise RigError("etcd ended")


def test_service_that_ends_ends_the_play_and_leaves_its_log(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("no space")
    dying = Service(name="dying", run=lambda _: nullcontext(Dying(log)))
    changed = replace(scenario("ipi_node"), services=(dying, *scenario("ipi_node").services))
    host = Host(tmp_path, recordings_of("ipi_node"))

    with (
        pytest.raises(RigError, match="etcd ended"),
        play(changed, host.rig, inputs_for("ipi_node", tmp_path)),
    ):
        pass

    assert (tmp_path / "evidence/ipi_node/etcd.log").read_text() == "no space"


def test_share_of_the_usual_time_is_reported_where_history_knows(tmp_path: Path) -> None:
    host = Host(tmp_path, recordings_of("ipi_node"))
    rig = replace(host.rig, usual_s={"ipi_node": 100.0}.get)

    with play(scenario("ipi_node"), rig, inputs_for("ipi_node", tmp_path)):
        pass

    lines = [line for _, line in host.lines]
    assert "ipi_node: step 1 of 6, switch-on (0% of the usual 100 s)" in lines
    assert "ipi_node: step 5 of 6, multi-user (35% of the usual 100 s)" in lines


def test_stop_after_a_step_says_how_to_log_in_and_keeps_the_machine(tmp_path: Path) -> None:
    host = Host(tmp_path, recordings_of("ipi_node"))
    rig = replace(host.rig, until="pivot")
    keys: list[int] = []

    def interrupt() -> None:
        keys.extend(path.stat().st_mode & 0o777 for path in rig.run.folder.glob("login.key"))
        raise KeyboardInterrupt

    host.clock.add(90.0, interrupt)

    with (
        pytest.raises(KeyboardInterrupt),
        play(scenario("ipi_node"), rig, inputs_for("ipi_node", tmp_path)),
    ):
        pass

    lines = [line for _, line in host.lines]
    (command,) = (line for line in lines if line.startswith("ipi_node: log in with"))
    assert f"-i {rig.run.folder}/login.key" in command
    assert command.endswith("-p 2222 core@127.0.0.1")
    assert keys == [0o600]
    assert not list(rig.run.folder.glob("login.*")), "they go with the stop"


def test_unknown_step_to_stop_at_is_answered_with_the_list(tmp_path: Path) -> None:
    host = Host(tmp_path, recordings_of("ipi_node"))

    with (
        pytest.raises(InputError, match="'pviot' is not a step of the scenario ipi_node") as caught,
        play(
            scenario("ipi_node"), replace(host.rig, until="pviot"),
            inputs_for("ipi_node", tmp_path),
        ),
    ):  # fmt: skip
        pass

    assert "switch-on, login, pivot, reboot, multi-user, node-layer" in caught.value.remedy
