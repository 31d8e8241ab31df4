"""Scenarios of machines that pivot: their data, and the way through the one reboot."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from scenario_fakes import FakeShell, make_boot

from harness.machine.machine import EVENTS_PORT
from harness.model.clock import Deadline
from harness.model.errors import ProductError
from harness.scenarios import pivoting
from harness.scenarios.scenario import Way, named
from harness.scenarios.start import Boot

BANNER = "[    0.000000] Linux version 6.1.0\n"
RESTART = "[   99.000000] reboot: Restarting system\n"
PIVOTED = (
    "stage=pivot state=started uptime=20.00 detail=\n"
    "stage=pivot state=progress uptime=40.00 detail=Staging deployment...done\n"
    "stage=pivot state=done uptime=50.50 detail=rebooting into h/n\n"
)
UP_AGAIN = "stage=multi-user state=done uptime=22.00 detail=\n"


class Rebooting(FakeShell):
    """A session that sees the guest come up anew when it is asked to follow a reboot."""

    def __init__(self, boot: Boot, comes_up: bool = True) -> None:
        super().__init__("")
        self.boot = boot
        self.comes_up = comes_up
        self.left: list[Collection[str]] = []

    def close(self) -> None:
        """Leave the guest."""

    def wait_for_reboot(self, old_boot_ids: Collection[str], deadline: Deadline) -> None:
        self.left.append(old_boot_ids)
        if not self.comes_up:
            return
        with self.boot.machine.port_files[EVENTS_PORT].open("a") as port:
            port.write(UP_AGAIN)


@pytest.mark.parametrize("name", ["ipi_node", "ipi_worker", "hosted"])
def test_a_pivoting_scenario_reboots_once_and_joins_a_cluster(name: str) -> None:
    scenario = named(name)

    assert (scenario.name, scenario.way, scenario.reboots) == (name, Way.PIVOT, 1)
    assert {"static-pod", "api-readyz", "node-ready", "os-id-label"} <= {*scenario.levels}


def test_a_pivot_is_followed_through_its_reboot(tmp_path: Path) -> None:
    boot, told = make_boot(tmp_path, PIVOTED)
    boot.machine.console.write_text(BANNER)
    boot.watch.insist_alive()
    boot.machine.console.write_text(BANNER + RESTART + BANNER)

    pivoting.follow_pivot(boot, Rebooting(boot))

    assert boot.watch.boots == 2
    assert boot.timings_s["pivot"] == pytest.approx(30.5)
    assert "reboot" in boot.timings_s
    assert any("logged in to boot 2" in line for line in told)


def test_a_node_that_reboots_and_does_not_come_up_is_told(tmp_path: Path) -> None:
    boot, _ = make_boot(tmp_path, PIVOTED)
    boot.machine.console.write_text(BANNER + RESTART + BANNER)

    with pytest.raises(ProductError, match="has said nothing"):
        pivoting.follow_pivot(boot, Rebooting(boot, comes_up=False))


def test_a_pivot_of_a_later_boot_is_followed_into_the_one_after_it(tmp_path: Path) -> None:
    boot, told = make_boot(tmp_path, UP_AGAIN + PIVOTED)
    boot.machine.console.write_text(BANNER + RESTART + BANNER + RESTART + BANNER)

    pivoting.follow_pivot(boot, Rebooting(boot), 2)

    assert any("logged in to boot 3" in line for line in told)


def test_a_pivot_without_end_is_told_with_what_it_said_last(tmp_path: Path) -> None:
    boot, _ = make_boot(tmp_path, PIVOTED[: PIVOTED.index("stage=pivot state=done")])
    boot.machine.console.write_text(BANNER)

    with pytest.raises(ProductError, match=r"the end of pivot .*pivot says Staging deployment"):
        pivoting.follow_pivot(boot, Rebooting(boot))
