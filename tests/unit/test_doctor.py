"""The doctor reports each missing thing once, with the one command that installs them all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import doctor, folders
from harness.doctor import CheckResult, Observed
from harness.host import Host
from harness.host_needs import NEEDS, Purpose
from harness.model.errors import InputError

MISSING = tuple(need for need in NEEDS if need.name in ("skopeo", "mmdebstrap"))
HEALTHY = Observed(
    system="Debian GNU/Linux 12, Python 3.11.2",
    missing=(),
    remedy="",
    acceleration="kvm: guest code ran",
    free_memory_mib=8192,
    free_cache_mib=50_000,
)
SICK = replace(HEALTHY, missing=MISSING, remedy="Run `sudo apt-get install skopeo mmdebstrap`.")


def host_with(*present: str) -> Host:
    return Host(os_release="ID=debian\n", elevation=(), has=present.__contains__)


def test_healthy_host_has_no_remedies() -> None:
    checks = doctor.judge(HEALTHY)

    assert {check.verdict for check in checks} == {CheckResult.OK}
    assert doctor.is_able(checks)
    assert "Run " not in doctor.render(checks)


def test_each_missing_need_is_a_line_that_shows_what_it_blocks() -> None:
    text = doctor.render(doctor.judge(SICK))

    assert "missing  skopeo: needed to boot machines" in text
    assert "missing  mmdebstrap: needed to build the stand-in images" in text


def test_the_installing_command_is_printed_once() -> None:
    text = doctor.render(doctor.judge(SICK))

    assert text.splitlines()[-1] == "Run `sudo apt-get install skopeo mmdebstrap`."
    assert text.count("Run `") == 1


def test_missing_need_means_not_able() -> None:
    assert not doctor.is_able(doctor.judge(SICK))


def test_what_only_some_machines_need_is_reported_and_stops_nothing() -> None:
    swtpm = tuple(need for need in NEEDS if need.name == "swtpm")

    checks = doctor.judge(
        replace(HEALTHY, absent=swtpm, remedy_of_absent="Run `apt-get install swtpm`.")
    )

    text = doctor.render(checks)
    assert "optional swtpm: needed to give machines a TPM" in text
    assert text.endswith("\nRun `apt-get install swtpm`.")
    assert doctor.is_able(checks)


def test_acceleration_is_reported_in_the_words_of_the_probe() -> None:
    assert "acceleration: kvm: guest code ran" in doctor.render(doctor.judge(HEALTHY))


@pytest.mark.parametrize(
    ("seen", "subject"),
    [
        (replace(HEALTHY, free_memory_mib=100), "memory"),
        (replace(HEALTHY, free_cache_mib=100), "cache"),
    ],
)
def test_scarce_room_is_reported_but_stops_nothing(seen: Observed, subject: str) -> None:
    checks = doctor.judge(seen)

    low = [check for check in checks if check.verdict is CheckResult.LOW]
    assert [check.subject for check in low] == [subject]
    assert low[0].observed.startswith("100 MiB free")
    assert doctor.is_able(checks)


def test_what_cannot_be_looked_at_is_a_failed_check_with_its_way_out() -> None:
    no_cache = InputError("cache folder /x", "cannot be created: Not a directory", "Set another.")

    checks = doctor.judge(replace(HEALTHY, acceleration=no_cache, free_cache_mib=no_cache))

    failed = [check.subject for check in checks if check.verdict is CheckResult.FAILED]
    assert failed == ["acceleration", "cache"]
    assert not doctor.is_able(checks)
    text = doctor.render(checks)
    assert "failed   cache: cache folder /x: cannot be created: Not a directory" in text
    assert text.endswith("\nSet another.")


def test_examine_goes_on_without_a_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    checks = doctor.examine(lambda: str(folders.cache_dir()), 4096)

    assert [check.subject for check in checks if check.verdict is CheckResult.FAILED] == [
        "acceleration",
        "cache",
    ]


def test_demand_names_all_that_is_missing_and_the_command() -> None:
    with pytest.raises(InputError) as raised:
        doctor.demand([Purpose.MACHINE, Purpose.STANDIN], host_with("qemu-img"))

    assert "skopeo" in raised.value.problem
    assert "mmdebstrap" in raised.value.problem
    assert "qemu-img" not in raised.value.problem
    assert "needed to boot machines and build the stand-in images" in raised.value.problem
    assert "docker-registry" in raised.value.remedy


def test_demand_asks_only_for_the_purposes_at_hand() -> None:
    marks = [mark for need in NEEDS if need.purpose is Purpose.MACHINE for mark in need.marks]

    doctor.demand([Purpose.MACHINE], host_with(*marks))


def test_examine_looks_at_this_host() -> None:
    checks = doctor.examine(lambda: "emulated", 4096)

    assert checks[0].subject == "host"
    assert {"acceleration", "memory", "cache"} <= {check.subject for check in checks}
