"""What the console and Ignition's port show of a boot."""

from __future__ import annotations

import json

import pytest

from harness.node.boot_signs import ignition_report, last_lines, lost, phase

KERNEL = "GRUB loading.\n[    0.000000] Linux version 6.1.0\n"
INITRAMFS = KERNEL + "[    3.881749] systemd[1]: Running in initrd.\n"
SERVICES = INITRAMFS + "         Starting \x1b[0;1;39minitrd-switch-root.service\x1b[0m...\n"


@pytest.mark.parametrize(
    ("console", "expected"),
    [
        ("", "firmware and boot loader"),
        (KERNEL, "the kernel's start"),
        (INITRAMFS, "Ignition in the initramfs"),
        (SERVICES, "the start of services"),
    ],
)
def test_phase_is_the_last_one_reached(console: str, expected: str) -> None:
    assert phase(console) == expected


@pytest.mark.parametrize(
    "line",
    [
        "[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs",
        "Press Enter for emergency shell or wait 5 minutes for reboot.",
        "Press Enter for maintenance",
        "You are in emergency mode. After logging in, type ...",
        "[   12.0] dracut: FATAL: Don't know how to handle 'root=LABEL=x'",
    ],
)
def test_lost_boots_are_seen_through_colours(line: str) -> None:
    assert lost(f"{SERVICES}\x1b[31m{line}\x1b[0m\r\nmore\n") == line


def test_a_good_boot_shows_no_sign() -> None:
    assert lost(SERVICES + "[  OK  ] Reached target emergency-looking.target\n") is None


def test_last_lines_leave_out_blanks_and_escapes() -> None:
    assert last_lines("one\n\x1b[1mtwo\x1b[0m\r\n\n  \nthree \n", 2) == ("two", "three")


def _entry(message: object, priority: str = "3", who: str = "ignition") -> str:
    entry = {"MESSAGE": message, "PRIORITY": priority, "SYSLOG_IDENTIFIER": who}
    return json.dumps(entry) + "\n"


def test_silence_of_the_port_is_no_report() -> None:
    assert ignition_report("") is None


def test_report_holds_ignitions_own_errors_once_each() -> None:
    text = (
        _entry("starting", "6") + _entry("no such device", who="kernel")
        + _entry("failed to fetch config: 404") * 2 + "{}\n"
    )  # fmt: skip
    report = ignition_report(text)

    assert report is not None
    assert (report.errors, report.is_complete) == (("failed to fetch config: 404",), True)


def test_report_falls_back_on_the_errors_of_others() -> None:
    report = ignition_report(_entry("cannot mount", who="mount") + '{"MESSAGE": "cut')

    assert report is not None
    assert (report.errors, report.is_complete) == (("cannot mount",), False)


def test_messages_that_are_no_utf8_come_as_numbers() -> None:
    report = ignition_report(_entry([98, 97, 100, 255]))

    assert report is not None
    assert report.errors == ("bad\ufffd",)


def test_level_that_ignition_prints_counts_as_priority() -> None:
    text = _entry("INFO     : Stage: files", "6") + _entry("CRITICAL : Ignition failed: x", "6")
    report = ignition_report(text)

    assert report is not None
    assert report.errors == ("Ignition failed: x",)
