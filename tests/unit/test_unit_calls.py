from __future__ import annotations

import pytest

from harness.lint.unit_calls import UnitCalls, UnitText, read_unit
from harness.lint.wants import Kind


def unit(*lines: str) -> UnitCalls:
    return read_unit([UnitText(name="a.service", text="\n".join(("[Service]", *lines)))])


def commands(*lines: str) -> list[str]:
    return [call.command for call in unit(*lines).calls if call.kind is Kind.PROGRAM]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ExecStart=/usr/bin/oc get", ["/usr/bin/oc"]),
        ("ExecStart = oc get", ["oc"]),
        ("ExecStartPre=-/usr/bin/oc", ["/usr/bin/oc"]),
        ("ExecStartPost=+/usr/bin/oc", ["/usr/bin/oc"]),
        ("ExecStop=!!/usr/bin/oc", ["/usr/bin/oc"]),
        ("ExecStopPost=:-/usr/bin/oc $X", ["/usr/bin/oc"]),
        ("ExecReload=@/usr/bin/env sudo oc", ["/usr/bin/env", "oc"]),
        ("ExecCondition=/usr/bin/oc", ["/usr/bin/oc"]),
        ('ExecStart="/usr/bin/oc" get', ["/usr/bin/oc"]),
        ("ExecStart=/usr/bin/oc a ; crictl b", ["/usr/bin/oc", "crictl"]),
        ("ExecStart=/usr/bin/env A=%i oc", ["/usr/bin/env", "oc"]),
        ("ExecStart=/usr/bin/timeout 5 kubelet", ["/usr/bin/timeout", "kubelet"]),
        ("ExecStart=/bin/sh -c 'oc get | jq $$x; crictl ${Y}'", ["/bin/sh", "oc", "jq", "crictl"]),
        (r"""ExecStart=/bin/bash -ec "oc get \"$$(crictl ps)\"" """, ["/bin/bash", "oc", "crictl"]),
        (r"ExecStart=/bin/bash -c 'echo %%s\noc get'", ["/bin/bash", "oc"]),
        ("ExecStart=/usr/bin/podman run image oc", ["/usr/bin/podman"]),
    ],
)
def test_exec_lines_are_parsed_as_systemd_does(line: str, expected: list[str]) -> None:
    assert commands(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("AssertPathExists=/etc/kubernetes/kubelet.conf", ["/etc/kubernetes/kubelet.conf"]),
        ("AssertPathExists=!/etc/kubernetes/kubelet.conf", []),
        ("AssertPathIsDirectory=/etc/crio", ["/etc/crio/"]),
        ("WorkingDirectory=/etc/crio/crio.conf.d/", ["/etc/crio/crio.conf.d/"]),
        ("WorkingDirectory=-/etc/crio", []),
        ("WorkingDirectory=~", []),
        ("BindReadOnlyPaths=/usr/bin/oc:/x -/usr/bin/crictl", ["/usr/bin/oc"]),
        ("LoadCredential=key:/etc/kubernetes/key", ["/etc/kubernetes/key"]),
        ("LoadCredential=key", []),
        ("Volume=/usr/bin/oc:/usr/bin/oc:ro", ["/usr/bin/oc"]),
        ("Volume=data.volume:/data", []),
        ("EnvironmentFile=-/etc/kubernetes/env", []),
    ],
)
def test_unit_needs_the_files_without_which_it_does_not_start(
    line: str, expected: list[str]
) -> None:
    assert [call.command for call in unit(line).calls if call.kind is Kind.FILE] == expected


@pytest.mark.parametrize(
    "line",
    [
        "#ExecStart=/usr/bin/oc",
        "; ExecStart=/usr/bin/oc",
        "ExecStart=/usr/bin/%p x",
        "ExecStart=${PROGRAM} x",
        "ExecSearchPath=/usr/bin/oc",
        "EnvironmentFile=/usr/bin/oc",
        "Environment=A=/usr/bin/oc",
        "ExecMainStatus=oc",
        "oc get",
        "",
    ],
)
def test_other_lines_call_nothing(line: str) -> None:
    assert commands(line) == []


def test_continued_lines_count_as_their_first_and_skip_comments() -> None:
    calls = unit("ExecStart=/usr/bin/podman \\", "# oc", "  run \\", "  x", "ExecStop=oc x").calls

    assert [(call.command, call.name, call.line) for call in calls] == [
        ("/usr/bin/podman", "a.service", 2), ("oc", "a.service", 6),
    ]  # fmt: skip


def test_an_empty_setting_takes_back_what_was_before_it() -> None:
    unit_file = UnitText(name="a.service", text="[Service]\nExecStart=oc\nExecStop=crictl\n")
    dropin = UnitText(name="a.service.d/1.conf", text="[Service]\nExecStart=\nExecStart=kubelet\n")

    calls = read_unit([unit_file, dropin]).calls

    assert {(call.command, call.name, call.line) for call in calls} == {
        ("crictl", "a.service", 3), ("kubelet", "a.service.d/1.conf", 3),
    }  # fmt: skip


@pytest.mark.parametrize(
    "asking",
    [
        "ConditionPathExists=/usr/bin/oc",
        "ConditionPathExists=|/bin/oc",
        "ConditionFileIsExecutable=/usr/bin/oc",
        "ExecCondition=/bin/sh -c 'command -v oc'",
        "ExecCondition=/usr/bin/test -x /usr/bin/oc",
    ],
)
def test_what_a_unit_asks_for_first_it_is_taken_to_do_without(asking: str) -> None:
    found = commands(asking, "ExecStart=/usr/bin/oc get", "ExecStartPost=crictl")

    assert "/usr/bin/oc" not in found
    assert "crictl" in found


@pytest.mark.parametrize(
    "asking", ["ConditionPathExists=!/usr/bin/oc", "ConditionPathExists=/etc/oc", "After=oc"]
)
def test_other_conditions_do_not_excuse_a_call(asking: str) -> None:
    assert commands(asking, "ExecStart=/usr/bin/oc get") == ["/usr/bin/oc"]


def test_a_unit_in_another_root_calls_nothing_here() -> None:
    assert commands("RootDirectory=/sysroot", "ExecStart=/usr/bin/oc") == []


def test_lines_that_cannot_be_parsed_are_reported() -> None:
    broken = unit("ExecStart=/bin/sh -c 'oc get", "ExecStop=/bin/sh -c 'if oc; {{'")

    assert broken.unread == (("a.service", 2), ("a.service", 3))
