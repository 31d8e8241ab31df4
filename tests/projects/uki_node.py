"""A project's scenario in one file: a node whose bootimage is a unified kernel image, for UEFI.

Run it as a project's conftest.py, with `--scenario uki_node --image uki=DISK`.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness import (
    Document,
    FromDisk,
    Given,
    LogIn,
    MachinePlan,
    Scenario,
    Site,
    Step,
    SwitchOn,
    Way,
    pivot,
    pivot_steps,
)

NODE = "node"


def config(site: Site) -> Document:
    return site.document(*site.kubelet, pivot(site.inputs.pull_spec, site.limits))


def steps(_: Given) -> tuple[Step, ...]:
    return (SwitchOn(machine=NODE), LogIn(machine=NODE), *pivot_steps(NODE))


SCENARIO = Scenario(
    name="uki_node",
    title="A node that boots a unified kernel image by UEFI, and pivots",
    machines=(
        MachinePlan(
            name=NODE, memory_mib=2048, config=config, medium=FromDisk(image="uki"),
            requires="uefi",
        ),
    ),
    steps=steps,
    way=Way.PIVOT,
)  # fmt: skip


def pytest_node_image_scenarios() -> Iterable[Scenario]:
    return [SCENARIO]
