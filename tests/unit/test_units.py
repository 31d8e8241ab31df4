"""`systemctl show` of many units becomes one state per unit."""

from __future__ import annotations

import pytest

from harness.model import units
from harness.model.errors import RigError
from harness.model.units import UnitState

TEXT = """\
Result=success
NRestarts=3
ExecMainStatus=1
Id=kubelet.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart

Id=multi-user.target
LoadState=loaded
ActiveState=active
SubState=active

Result=exit-code
Id=boot.mount
LoadState=loaded
ActiveState=failed
SubState=failed
"""


def test_service_has_all_its_fields() -> None:
    assert units.parse(TEXT)["kubelet.service"] == UnitState(
        name="kubelet.service", load="loaded", active="activating", sub="auto-restart",
        result="success", restarts=3, exec_main_status=1,
    )  # fmt: skip


def test_kinds_without_result_and_restarts_have_none() -> None:
    target = units.parse(TEXT)["multi-user.target"]

    assert (target.result, target.restarts, target.exec_main_status) == ("", 0, 0)


def test_only_failed_units_are_failed() -> None:
    assert [unit.name for unit in units.parse(TEXT).values() if unit.is_failed] == ["boot.mount"]


def test_state_reads_as_a_sentence() -> None:
    states = units.parse(TEXT)

    assert str(states["kubelet.service"]) == (
        "kubelet.service is activating/auto-restart, main process ended with 1, restarted 3 times"
    )
    assert str(states["boot.mount"]) == "boot.mount is failed/failed, result exit-code"
    assert str(states["multi-user.target"]) == "multi-user.target is active/active"


def test_unit_that_is_not_loaded_says_so() -> None:
    text = "Id=oc.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n"

    assert "load state not-found" in str(units.parse(text)["oc.service"])


def test_nothing_shown_is_no_units() -> None:
    assert units.parse("") == {}


@pytest.mark.parametrize("text", ["LoadState=loaded\n", "Id=a.service\nNRestarts=many\n"])
def test_broken_blocks_are_refused(text: str) -> None:
    with pytest.raises(RigError, match="unexpected output"):
        units.parse(text)
