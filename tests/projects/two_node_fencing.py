"""A project's scenario in one file: two control-plane machines, one of which fences the other.

Both pivot and share a private segment. When both are up, the first resets the second by its BMC, a
Redfish service of the scenario's own, and sees it come back. (sushy-tools, the usual emulator of a
BMC, needs a libvirt that other processes reach, which the embedded driver is not.)

Run it as a project's conftest.py, with `--scenario two_node_fencing`.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

from harness import (
    Answer,
    Check,
    Config,
    Deadline,
    Document,
    File,
    Given,
    LogIn,
    MachinePlan,
    NotYet,
    PrivateLink,
    Reach,
    Reboot,
    Request,
    Running,
    Scenario,
    Secret,
    Service,
    Site,
    Step,
    SwitchOn,
    Way,
    pivot,
    pivot_steps,
    refusal,
    serve,
)

FENCING, FENCED = "node-0", "node-1"
ADDRESSES = {FENCING: "192.168.127.10", FENCED: "192.168.127.11"}
RESET = f"/redfish/v1/Systems/{FENCED}/Actions/ComputerSystem.Reset"
AGENT = "/etc/node-fencing/bmc.curl"
SEGMENT = "/etc/NetworkManager/system-connections/segment.nmconnection"
CONNECTION = """\
[connection]
id=segment
type=ethernet

[ethernet]
mac-address={mac}

[ipv4]
method=manual
address1={address}/24
never-default=true

[ipv6]
method=disabled
"""
SEE_S = 60.0
BACK_S = 120.0


@contextmanager
def bmc(site: Site) -> Iterator[str]:
    """Serve the one action that fencing needs; yields what curl has to know to ask for it.

    Source: DMTF DSP0266, ComputerSystem.Reset.
    """
    login = f"admin:{secrets.token_urlsafe(12)}"
    with serve({RESET: partial(reset, site, login)}) as web:
        asked = {"url": f"{web.url_in_guest}{RESET}", "user": login, "request": "POST"}
        body = json.dumps(json.dumps({"ResetType": "ForceRestart"}))
        yield "".join(f'{name} = "{value}"\n' for name, value in asked.items()) + f"data = {body}\n"


def reset(site: Site, login: str, asked: Request) -> Answer:
    expected = f"Basic {base64.b64encode(login.encode()).decode()}"
    if not secrets.compare_digest(asked.headers.get("authorization", ""), expected):
        return refusal(HTTPStatus.UNAUTHORIZED, "log in to the BMC")
    if asked.method != "POST" or json.loads(asked.body) != {"ResetType": "ForceRestart"}:
        return refusal(HTTPStatus.BAD_REQUEST, "the BMC knows ForceRestart alone")
    site.machines[FENCED].machine.reset()
    return Answer(body=b"", status=HTTPStatus.NO_CONTENT)


def config(machine: str, site: Site) -> Document:
    connection = CONNECTION.format(mac=site.segments[machine].mac, address=ADDRESSES[machine])
    files = [File(path=SEGMENT, contents=connection, mode=0o600, overwrite=True)]
    if machine == FENCING:
        agent = Secret(site.service("bmc", str))
        files.append(File(path=AGENT, contents=agent, mode=0o600, overwrite=True))
    return site.document(
        *site.kubelet, Config(files=tuple(files)), pivot(site.inputs.pull_spec, site.limits)
    )


def sees_peer(running: Running, deadline: Deadline) -> None:
    # bash is in every image; ping is not in the stand-in.
    command = f"timeout 5 bash -c ': > /dev/tcp/{ADDRESSES[FENCED]}/22'"
    asked = running.session.run(command, deadline)
    if asked.status != 0:
        raise NotYet(f"no answer on the segment: {asked.stderr.strip() or 'time is over'}")


def fence(running: Running, deadline: Deadline) -> None:
    command = f"curl --silent --show-error --fail --max-time 10 --config {AGENT}"
    asked = running.session.run(command, deadline)
    if asked.status != 0:
        raise running.watch.failed(f"fencing failed: {asked.stderr.strip()}")


def steps(_: Given) -> tuple[Step, ...]:
    see = Check(machine=FENCING, name="sees-peer", act=sees_peer, limit_s=SEE_S)
    return (
        *(step(machine=machine) for machine in ADDRESSES for step in (SwitchOn, LogIn)),
        *(step for machine in ADDRESSES for step in pivot_steps(machine)),
        see,
        Check(machine=FENCING, name="fence", act=fence),
        Reboot(machine=FENCED),
        Reach(machine=FENCED, phase="multi-user", limit_s=BACK_S),
        see,
    )


SCENARIO = Scenario(
    name="two_node_fencing",
    title="Two control-plane machines on one segment; one is fenced by the other, and comes back",
    machines=tuple(
        MachinePlan(
            name=machine, memory_mib=2048, config=partial(config, machine),
            link=PrivateLink(name="segment"),
        )
        for machine in ADDRESSES
    ),
    services=(Service(name="bmc", run=bmc),),
    steps=steps,
    way=Way.PIVOT,
)  # fmt: skip


def pytest_node_image_scenarios() -> Iterable[Scenario]:
    return [SCENARIO]
