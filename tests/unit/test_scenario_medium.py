"""What scenarios from live media are made of: configs, units and scripts, memory, end marks."""

from __future__ import annotations

import base64
import json
import socketserver
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from scenario_fakes import make_running
from test_images_live_iso import iso

from harness import folders, process
from harness.cluster.exchange import Request, answer_of
from harness.cluster.web import serve
from harness.guest.assisted import Agent, agent_based, assisted
from harness.guest.install import DEVICE, bootstrap_in_place, install_to_disk
from harness.guest.limits import Limits
from harness.guest.live_apply import live_apply, on_demand
from harness.images.live_iso import extract
from harness.images.live_media import LiveMedia
from harness.machine.spec import EVENTS_PORT
from harness.model.clock import Deadline
from harness.model.errors import InputError, ProductError, RigError
from harness.model.ignition import Config, Document, Dropin, File, Unit, render
from harness.model.secrets.redaction import Redactor
from harness.pki.certificates import issue
from harness.player.plan import INSTALL_BYTES, FromIso, live_machine
from harness.player.playing import network_boot
from harness.player.playing.network_boot import ipxe_script
from harness.scenarios.flows.checks import MemoryBudget, memory_within
from harness.scenarios.flows.on_demand import LOOK, end_marks
from harness.standin import live

EMPTY: Document = {"ignition": {"version": "3.2.0"}}
AGENT = Agent(wait_s=100.0, starts=("kubelet.service",), image="h/pause@sha256:1")
GUEST = folders.fixture("guest")
SCRIPTS = sorted(
    path
    for folder in ("install", "assisted")
    for path in (GUEST / folder).iterdir()
    if path.suffix not in (".service", ".socket")
)
MIB = 1 << 20
ANY: Any = None


def unit_of(config: Config, name: str) -> Unit:
    return next(unit for unit in config.units if unit.name == name)


def contents_of(config: Config, path: str) -> str:
    entries = json.loads(render(config.to_document()))["storage"]["files"]
    source = next(entry["contents"]["source"] for entry in entries if entry["path"] == path)
    return base64.b64decode(source.partition(",")[2]).decode()


def text_of(unit: Unit) -> str:
    return f"{unit.contents}{''.join(dropin.contents for dropin in unit.dropins)}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_strict_executable_bash(script: Path) -> None:
    process.run(("bash", "-n", script), Deadline.after(10))

    assert script.read_text().startswith("#!/usr/bin/bash\n")
    assert "\nset -euo pipefail\n" in script.read_text()
    assert script.stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize(
    "config",
    [
        install_to_disk({}, Limits()),
        bootstrap_in_place(issue(("127.0.0.1",), ()), Limits()),
        assisted(AGENT, "http://10.0.2.2/b.ign"),
        agent_based(AGENT, {}, "10.0.2.15"),
        on_demand("h/n@sha256:1", Limits()),
    ],
    ids=["install", "in place", "assisted", "agent", "on demand"],
)
def test_every_program_that_a_unit_starts_comes_along(config: Config) -> None:
    words = " ".join(text_of(unit) for unit in config.units).replace("=", " ").split()
    started = {word.rstrip(";'") for word in words if word.startswith("/usr/local/bin/")}
    delivered = {file.path for file in config.files if file.mode == 0o755}

    # Whoever has these units has the observation as well.
    assert started - {"/usr/local/bin/node-image-harness-observe"} <= delivered


def test_installed_config_is_installed_to_the_device() -> None:
    config = install_to_disk({"ignition": {"version": "3.2.0"}}, Limits())

    text = text_of(unit_of(config, "install-to-disk.service"))
    assert f'"INSTALL_DEVICE={DEVICE}"' in text
    assert "RuntimeMaxSec=360\n" in text
    assert "INSTALL_WAIT_S=0" in text
    (place,) = (line for line in text.splitlines() if "INSTALL_CONFIG" in line)
    path = place.partition("INSTALL_CONFIG=")[2].rstrip('"')
    assert json.loads(contents_of(config, path)) == {"ignition": {"version": "3.2.0"}}


def test_install_in_place_waits_for_the_config_of_the_server() -> None:
    certificate = issue(("127.0.0.1",), ())
    config = bootstrap_in_place(certificate, Limits())

    text = text_of(unit_of(config, "install-to-disk.service"))
    assert "Wants=bootstrap-in-place.service\n" in text
    assert "INSTALL_WAIT_S=900" in text
    assert "INSTALL_CONFIG=/opt/openshift/master.ign" in text
    authority = "/opt/openshift/tls/machine-config-server-ca.crt"
    assert contents_of(config, authority) == certificate.ca_pem
    assert authority in (GUEST / "install/plain-config-server").read_text()
    script = (GUEST / "install/bootstrap-in-place.sh").read_text()
    assert "server=http://localhost:22624\n" in script, "as the installer asks"
    assert "ListenStream=22624\n" in text_of(unit_of(config, "plain-config-server.socket"))


@contextmanager
def answering(script: str) -> Iterator[int]:
    """Run `script` for each connection, as systemd does by Accept=; yield the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with self.request.makefile("rb", buffering=0) as asked:
                # The request's end is not the connection's.
                read = b""
                while not read.endswith(b"\r\n\r\n"):
                    read += asked.read(1)
            said = process.run(("bash", "-c", script), Deadline.after(10), text=read.decode())
            self.request.sendall(said.stdout.encode())

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_config_server_answers_without_tls_what_it_answers_with(tmp_path: Path) -> None:
    certificate = issue(("127.0.0.1",), ("localhost",))
    (tmp_path / "ca.crt").write_text(certificate.ca_pem)
    body = b'{"ignition": {"version": "3.2.0"}}' * 1000
    script = (GUEST / "install/plain-config-server").read_text()
    script = script.replace("/opt/openshift/tls/machine-config-server-ca.crt", f"{tmp_path}/ca.crt")

    with serve({"/config/master": body}, certificate) as web:
        at = web.url_in_guest.replace("10.0.2.2", "127.0.0.1")
        with answering(script.replace("https://localhost:22623", at)) as port:
            base = f"http://127.0.0.1:{port}"
            known = httpx.get(f"{base}/config/master", trust_env=False, timeout=60.0)
            unknown = httpx.get(f"{base}/config/other", trust_env=False, timeout=60.0)
    with answering(script) as port:
        nobody = httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=60.0)

    assert (known.status_code, known.content) == (200, body)
    assert (unknown.status_code, nobody.status_code) == (404, 502)


def test_nothing_starts_live_apply_on_demand_by_itself() -> None:
    config = on_demand("h/n@sha256:1", Limits())

    assert not any(unit.enabled for unit in config.units)
    assert not any("generator" in file.path for file in config.files)
    names = {unit.name for unit in config.units}
    assert {"node-image-pull.service", "node-image-overlay.service"} < names
    assert "node-image-finish.service" not in names
    assert names < {unit.name for unit in live_apply("h/n@sha256:1", Limits()).units}


def test_agent_elsewhere_fetches_and_agent_on_node_zero_has_the_config() -> None:
    far, near = (
        assisted(AGENT, "http://10.0.2.2/b%20.ign"),
        agent_based(AGENT, {"a": 1}, "10.1.1.1"),
    )

    assert "BOOTSTRAP_URL=http://10.0.2.2/b%%20.ign" in text_of(unit_of(far, "agent.service"))
    assert '"AGENT_MARK="' in text_of(unit_of(far, "agent.service"))
    text = text_of(unit_of(near, "agent.service"))
    assert '"AGENT_MARK=/etc/assisted/node0"' in text
    assert "ConditionPathExists" not in text, "every host has an agent"
    path = text.partition("BOOTSTRAP_URL=file://")[2].partition('"')[0]
    assert json.loads(contents_of(near, path)) == {"a": 1}
    assert contents_of(near, "/etc/assisted/rendezvous-host.env") == "NODE_ZERO_IP=10.1.1.1\n"


class LiveHost:
    """Runs the scripts of `fixtures/guest/assisted` in a folder instead of a live system."""

    def __init__(self, folder: Path, programs: Mapping[str, str]) -> None:
        self.folder = folder
        events = {"node-image-harness-event": f'echo "$*" >>{folder}/reported'}
        for name, text in {"sleep": "true", **events, **programs}.items():
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)

    def run(self, name: str, *arguments: str, **environment: str) -> str:
        script = (GUEST / "assisted" / name).read_text()
        for place in (
            "/etc/assisted/",
            "/usr/local/bin/",
            "/proc/sys/kernel/",
            "/opt/install-dir/",
            "/etc/systemd/system/",
        ):
            script = script.replace(place, f"{self.folder}/")
        script = script.replace("/usr/bin/oc", f"{self.folder}/oc")
        env = {"PATH": f"{self.folder}:/usr/bin:/bin", **environment}
        return process.run(
            ("bash", "-c", script, name, *arguments), Deadline.after(10), env=env
        ).stdout

    def has(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    ("address", "mark"),
    [
        ("10.0.2.15", "BOOTSTRAP_HOST_MAC=52:54:00:00:00:01\n"), ("10.0.2.1", ""),
        ("10.0.2.150", ""), ("fec0::1", "BOOTSTRAP_HOST_MAC=52:54:00:00:00:01\n"),
    ],
)  # fmt: skip
def test_host_leads_when_the_rendezvous_is_its_own_address(
    tmp_path: Path, address: str, mark: str
) -> None:
    cards = [
        {"ifname": "lo", "address": "00:00:00:00:00:00"},
        {
            "ifname": "eth0", "address": "52:54:00:00:00:01",
            "addr_info": [{"local": "10.0.2.15"}, {"local": "fec0::1"}],
        },
    ]  # fmt: skip
    (tmp_path / "rendezvous-host.env").write_text(f"NODE_ZERO_IP={address}\n")
    host = LiveHost(tmp_path, {"ip": f"echo '{json.dumps(cards)}'"})

    host.run("set-node-zero.sh")

    assert host.has("node0") == mark
    place = "here" if mark else "elsewhere"
    assert host.has("reported") == f"node-zero done {address} is {place}\n"


AGENT_PROGRAMS = {
    "systemctl": 'echo "systemctl $*" >>{folder}/asked; case "$*" in *Exit*) echo {ended};; '
    "show*) echo active;; esac",
    "podman": 'echo "podman $*" >>{folder}/asked',
    "curl": "",
    "hostnamectl": 'echo "hostnamectl $*" >>{folder}/asked',
}


def run_agent(folder: Path, hostname: str, ended: str = "0", mark: str = "") -> LiveHost:
    """Run the agent where /usr/bin/oc comes with the overlay; return its host."""
    programs = {
        name: text.replace("{folder}", str(folder)).replace("{ended}", ended)
        for name, text in AGENT_PROGRAMS.items()
    }
    host = LiveHost(folder, programs)
    (folder / "hostname").write_text(f"{hostname}\n")
    (folder / "random").mkdir()
    (folder / "random/uuid").write_text("0-1-2\n")
    host.run(
        "assisted-agent", AGENT_MARK=mark, AGENT_IMAGE="h/pause@sha256:1", AGENT_WAIT_S="9",
        AGENT_STARTS="true.service", BOOTSTRAP_URL="http://h/b.ign",
    )  # fmt: skip
    return host


def test_host_that_does_not_lead_ends_well_and_does_nothing(tmp_path: Path) -> None:
    host = run_agent(tmp_path, "node-1", ended="123", mark=f"{tmp_path}/node0")

    assert host.has("reported").splitlines() == ["agent started ", "agent done another host leads"]
    assert "podman" not in host.has("asked")


@pytest.mark.parametrize(
    ("hostname", "changes"),
    [("localhost", True), ("node-1.example", False), ("Node_1", True), ("localhost.test", False)],
)
def test_agent_does_before_the_overlay_what_the_assisted_installer_does(
    tmp_path: Path, hostname: str, changes: bool
) -> None:
    (tmp_path / "node0").touch()
    with pytest.raises(RigError, match=r"there is no .*/oc after the overlay"):
        run_agent(tmp_path, hostname, mark=f"{tmp_path}/node0")

    asked = (tmp_path / "asked").read_text().splitlines()
    before = asked[: next(n for n, line in enumerate(asked) if "start --no-block" in line)]
    (podman,) = (line for line in before if line.startswith("podman"))
    assert "--pid host --privileged --volume /:/rootfs:rw" in podman
    assert "--volume /usr/bin/rpm-ostree:/usr/bin/rpm-ostree" in podman
    assert podman.endswith(
        f"h/pause@sha256:1 /rootfs {tmp_path}/assisted-once-from {tmp_path}/bootstrap.ign"
    )
    assert ("hostnamectl set-hostname random-hostname-0-1-2" in before) is changes
    assert before[-1] == "systemctl restart NetworkManager.service"


def test_bootstrap_config_is_written_to_the_running_system(tmp_path: Path) -> None:
    written = tmp_path / "written/a"
    document = Config(
        files=(File(path=str(written), contents="one\n", mode=0o555),),
        units=(
            Unit(name="a.service", contents="# a\n", enabled=True),
            Unit(name="b.service", dropins=(Dropin(name="50-x.conf", contents="# b\n"),)),
        ),
    ).to_document()  # fmt: skip
    (tmp_path / "bootstrap.ign").write_text(render(document))
    host = LiveHost(tmp_path, {"systemctl": f'echo "$*" >>{tmp_path}/asked'})

    host.run("assisted-once-from", f"{tmp_path}/bootstrap.ign")

    assert written.read_text() == "one\n"
    assert written.stat().st_mode & 0o777 == 0o555
    assert host.has("a.service") == "# a\n"
    assert host.has("b.service.d/50-x.conf") == "# b\n"
    assert host.has("asked") == "enable --quiet a.service\n"


def test_what_is_secret_is_served_to_the_first_alone() -> None:
    route = network_boot.once(b"config")
    asked = Request(method="GET", path="/config.img", headers={})

    assert answer_of(route, asked).body == b"config"
    assert answer_of(route, asked).status == 410


def test_config_of_a_network_boot_goes_to_the_first_alone(tmp_path: Path) -> None:
    live = LiveMedia(iso=tmp_path, kernel=tmp_path, initramfs=tmp_path, rootfs=tmp_path)
    redactor = Redactor()
    seen: list[int] = []

    with network_boot.served(live, render(EMPTY), redactor) as script:
        assert redactor(script) != script, "evidence is kept of it"
        base = script.replace("10.0.2.2", "127.0.0.1").rpartition("/")[0]
        for name in ("boot.ipxe", "config.img"):
            seen.extend(
                httpx.get(f"{base}/{name}", trust_env=False, timeout=60.0).status_code for _ in "12"
            )

    assert seen == [200, 410, 200, 410]


def reported(image_bytes: int, writable_bytes: int) -> str:
    peaks = f"/var/ostreecontainer {image_bytes} bytes, /run/ephemeral {writable_bytes} bytes"
    return f"stage=checkout state=done uptime=1.00 detail=memory peaks: {peaks}\n"


def test_memory_within_the_budget_is_reported_and_kept(tmp_path: Path) -> None:
    running, said = make_running(tmp_path)
    running.machine.port_files[EVENTS_PORT].write_text(reported(700 * MIB, 20 * MIB + 1))
    running.watch.check_alive()

    memory_within(MemoryBudget(node_image_mib=700, writable_mib=21), running, ANY)

    peaks = running.watch.record.memory_peaks_mib
    assert peaks == {"/var/ostreecontainer": 700, "/run/ephemeral": 21}
    assert "node image 700 MiB, /etc and /var 21 MiB" in said[-1]


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        (reported(701 * MIB, 0), r"node image 701 MiB of 700"),
        (reported(0, 22 * MIB), r"/etc and /var 22 MiB of 21"),
        (reported(701 * MIB, 0) + reported(0, 0), r"node image 701 MiB of 700"),
        (reported(0, 0) + reported(0, 22 * MIB), r"/etc and /var 22 MiB of 21"),
        ("stage=checkout state=done uptime=1.00 detail=\n", "reported nothing"),
    ],
)
def test_memory_beyond_the_budget_or_unreported_fails(
    tmp_path: Path, events: str, problem: str
) -> None:
    running, _ = make_running(tmp_path)
    running.machine.port_files[EVENTS_PORT].write_text(events)
    running.watch.check_alive()

    with pytest.raises(ProductError, match=problem):
        memory_within(MemoryBudget(node_image_mib=700, writable_mib=21), running, ANY)


@pytest.mark.parametrize(
    ("seen", "holds"),
    [
        ("active active multi-user.target oc\n", True),
        ("inactive inactive multi-user.target oc\n", False),
        ("active active node-image-overlay.target oc\n", False),
        ("active active multi-user.target\n", False),
    ],
)
def test_end_marks_of_an_agent_are_held(tmp_path: Path, seen: str, holds: bool) -> None:
    running, _ = make_running(tmp_path, seen)

    if holds:
        end_marks(running, ANY)
        return
    with pytest.raises(ProductError, match="after the agent's live-apply"):
        end_marks(running, ANY)


def test_agent_of_a_host_that_does_not_lead_has_nothing_to_show(tmp_path: Path) -> None:
    running, _ = make_running(tmp_path, "inactive inactive multi-user.target\n")
    line = "stage=agent state=done uptime=1.00 detail=another host leads\n"
    running.machine.port_files[EVENTS_PORT].write_text(line)
    running.watch.check_alive()

    with pytest.raises(ProductError, match="this host is not node zero"):
        end_marks(running, ANY)


@pytest.mark.parametrize(("state", "has_oc"), [("active", True), ("inactive", False)])
def test_end_marks_are_asked_of_systemd_and_the_files(
    tmp_path: Path, state: str, has_oc: bool
) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        f'#!/bin/sh\n[ "$1" = show ] && echo multi-user.target && exit\n'
        f'shift\nfor unit in "$@"; do echo {state}; done\n'
    )
    systemctl.chmod(0o755)
    if has_oc:
        (tmp_path / "oc").touch()
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    look = LOOK.replace("/usr/bin/oc", f"{tmp_path}/oc")
    said = process.run(("sh", "-c", look), Deadline.after(10), env=env).stdout

    assert said.split() == [state, state, "multi-user.target"] + ["oc"] * has_oc


def test_network_boot_names_root_and_image_by_url() -> None:
    script = ipxe_script("http://10.0.2.2:1", ("/metal.raw.zst",)).splitlines()

    assert script[0] == "#!ipxe"
    assert script[-1] == "boot"
    kernel = script[1].split()
    assert "coreos.live.rootfs_url=http://10.0.2.2:1/rootfs.img" in kernel
    assert "coreos.inst.image_url=http://10.0.2.2:1/metal.raw.zst" in kernel
    assert [line.split()[-1] for line in script[2:4]] == [
        "http://10.0.2.2:1/initrd.img", "http://10.0.2.2:1/config.img",
    ]  # fmt: skip
    assert "inst.image_url" not in ipxe_script("http://10.0.2.2:1", ())


def test_part_of_an_iso_is_taken_out_of_it(tmp_path: Path) -> None:
    image = tmp_path / "a.iso"
    image.write_bytes(iso({"file": "images/ignition.img"}))

    info = extract(image, "coreos/igninfo.jso", tmp_path / "info")

    assert json.loads(info.read_text()) == {"file": "images/ignition.img"}
    with pytest.raises(InputError, match="no images/pxeboot/vmlinuz"):
        extract(image, "images/pxeboot/vmlinuz", tmp_path / "kernel")


def test_live_arguments_name_no_disk_and_the_platform_of_metal() -> None:
    disk = ("root=LABEL=root", "rw", "console=ttyS0", "ignition.platform.id=qemu")

    assert live.metal_arguments(disk) == (
        "root=LABEL=root", "rw", "console=ttyS0", "ignition.platform.id=metal",
    )  # fmt: skip
    assert live.live_arguments(disk) == (
        "console=ttyS0", "ignition.platform.id=metal", "ignition.firstboot",
    )  # fmt: skip


def test_disk_of_a_live_machine_fits_the_metal_image() -> None:
    medium = live_machine("x", 1, lambda _: {}).medium

    assert isinstance(medium, FromIso)
    assert live.METAL_MIB * MIB <= medium.disk_bytes == INSTALL_BYTES
