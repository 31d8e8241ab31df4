from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from machine_fakes import FakeClock, make_run

from harness.machine.connection import LibvirtDomain, open_connection, security_labels
from harness.machine.driver import DISK_FULL, POWERED_OFF, SecurityLabel
from harness.model.errors import InputError


def test_folder_too_deep_for_sockets_is_reported_before_libvirt_fails(tmp_path: Path) -> None:
    run = make_run(tmp_path / ("deep" * 20))

    with pytest.raises(InputError) as caught, open_connection("qemu:///embed", run.folder):
        pass

    assert caught.value.subject == str(run.folder)
    assert "TMPDIR" in caught.value.remedy
    assert not (run.folder / "libvirt").exists()


class GoneHandle:
    """libvirt's handle of a domain that has stopped; its event comes when time passes."""

    def isActive(self) -> int:
        return 0

    def UUIDString(self) -> str:
        return "u-1"


@dataclass
class EventfulClock(FakeClock):
    """A clock whose first sleep brings the event."""

    reasons: dict[str, str] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.reasons.setdefault("u-1", POWERED_OFF)


def test_late_event_still_has_the_reason() -> None:
    reasons: dict[str, str] = {}
    domain = LibvirtDomain(
        handle=GoneHandle(), reasons=reasons, clock=EventfulClock(reasons=reasons)
    )

    assert domain.stop_reason() == POWERED_OFF


def test_missing_event_is_awaited_once() -> None:
    clock = FakeClock()
    domain = LibvirtDomain(handle=GoneHandle(), reasons={}, clock=clock)

    assert [domain.stop_reason(), domain.stop_reason()] == ["it is gone", "it is gone"]
    assert clock.now == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ([1, 1], None),
        # Paused by us, for a checkpoint.
        ([3, 1], None),
        ([3, 5], DISK_FULL),
    ],
)
def test_a_machine_that_finds_no_space_has_stopped(state: list[int], reason: str | None) -> None:
    class Handle:
        def isActive(self) -> int:
            return 1

        def state(self) -> list[int]:
            return state

    assert LibvirtDomain(handle=Handle(), reasons={}).stop_reason() == reason


def capabilities(*models: str) -> str:
    secmodels = "".join(f"<secmodel><model>{model}</model></secmodel>" for model in models)
    return f"<capabilities><host>{secmodels}</host></capabilities>"


def test_qemu_runs_as_the_user_and_unconfined() -> None:
    assert security_labels(capabilities("selinux", "dac"), 1000, 100) == (
        SecurityLabel(model="selinux", label=None),
        SecurityLabel(model="dac", label="+1000:+100"),
    )


def test_a_driver_without_security_needs_no_label() -> None:
    assert security_labels(capabilities("none"), 1000, 100) == ()
    assert security_labels(capabilities(), 1000, 100) == ()
