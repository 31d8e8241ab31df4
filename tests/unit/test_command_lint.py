from __future__ import annotations

from pathlib import Path

import pytest

from harness.images.container.contents import Contents
from harness.lint.command_lint import judge_readings, read_files
from harness.lint.inventory import Inventory
from harness.model.errors import InputError
from harness.model.ignition import Config, File, Unit, render

COREOS = Inventory(
    commands=frozenset(
        f"/usr/{path}"
        for path in ("bin/bash", "bin/sh", "bin/sleep", "bin/jq", "bin/podman", "bin/systemctl",
                     "bin/env", "sbin/ip", "libexec/openssh/sftp-server")
    ),
    version="9.6.20250203-0",
)  # fmt: skip
NODE = Contents(
    files={
        "/usr/bin/oc": "openshift-clients",
        "/usr/bin/crictl": "cri-tools",
        "/usr/bin/kubelet": "openshift-kubelet",
        "/usr/bin/unpackaged": None,
        "/usr/bin/bash": "bash",
    }
)
APPROVER = """\
[Unit]
Description=Approve requests of nodes
[Service]
ExecStart=/bin/bash -c "until oc get csr; do sleep 5; done"
[Install]
WantedBy=multi-user.target
"""
REPORTER = """\
#!/bin/bash
set -euo pipefail
state() { jq -r .status; }
while ! crictl ps --output json | state; do
    sleep 1
done
/usr/local/bin/tell done
"""


def written(folder: Path, name: str = "user.ign", **parts: str) -> Path:
    """Write a config with one unit and one script, and a program of its own."""
    config = Config(
        units=(Unit(name="user.service", contents=parts["unit"], enabled=True),),
        files=(
            File(path="/usr/local/bin/user", contents=parts["script"], mode=0o755),
            File(path="/usr/local/bin/tell", contents="#!/bin/sh\n", mode=0o755),
        ),
    )
    path = folder / name
    path.write_text(render(config.to_document()))
    return path


def test_a_unit_that_calls_oc_and_a_script_that_calls_crictl_are_found(tmp_path: Path) -> None:
    path = written(tmp_path, unit=APPROVER, script=REPORTER)

    found = judge_readings(read_files([path]), COREOS, NODE)

    assert found.exit_status == 1
    assert found.render().splitlines() == [
        f"{path}: user.service line 4: calls oc, brought later by openshift-clients (/usr/bin/oc)",
        f"{path}: /usr/local/bin/user line 4: calls crictl, brought later by cri-tools"
        " (/usr/bin/crictl)",
        "2 calls by 2 callers are not in the bootimage 9.6.20250203-0",
    ]


def test_a_config_that_only_calls_what_the_coreos_layer_has_is_clean(tmp_path: Path) -> None:
    unit = APPROVER.replace("oc get csr", "podman ps | jq -e .[0]")
    script = REPORTER.replace("crictl", "/sbin/ip --json; podman")

    found = judge_readings(read_files([written(tmp_path, unit=unit, script=script)]), COREOS, NODE)

    assert found.missing == ()
    assert found.exit_status == 0
    assert found.render() == (
        "all programs that are called are in the bootimage 9.6.20250203-0 or in the configs"
    )


def test_a_config_that_asks_before_it_calls_is_clean(tmp_path: Path) -> None:
    unit = APPROVER.replace("[Service]", "ConditionPathExists=/usr/bin/oc\n[Service]")
    script = "#!/bin/bash\nif command -v crictl; then crictl ps; fi\n"

    assert not judge_readings(
        read_files([written(tmp_path, unit=unit, script=script)]), COREOS, NODE
    ).missing


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        ("/bin/kubelet", "brought later by openshift-kubelet (/usr/bin/kubelet)"),
        ("unpackaged", "brought later by the node image, in no package (/usr/bin/unpackaged)"),
        ("nosuch", "not in the node image either"),
    ],
)
def test_what_the_node_image_has_of_it_is_told(command: str, ending: str, tmp_path: Path) -> None:
    path = written(tmp_path, unit=f"[Service]\nExecStart={command}\n", script="#!/bin/sh\n")

    line = judge_readings(read_files([path]), COREOS, NODE).render().splitlines()[0]

    assert line == f"{path}: user.service line 2: calls {command}, {ending}"


def test_without_the_node_image_nothing_is_said_of_packages(tmp_path: Path) -> None:
    path = written(tmp_path, unit=APPROVER, script="#!/bin/sh\n")

    found = judge_readings(read_files([path]), COREOS, None)

    assert found.missing[0].package is None
    assert "calls oc, not there\n" in found.render()


@pytest.mark.parametrize(
    "command", ["/opt/vendor/bin/tool", "/etc/kubernetes/run", "./relative", "bin/relative"]
)
def test_programs_outside_of_the_image_folders_are_not_judged(command: str, tmp_path: Path) -> None:
    path = written(tmp_path, unit=f"[Service]\nExecStart={command}\n", script="#!/bin/sh\n")

    assert judge_readings(read_files([path]), COREOS, None).missing == ()


def test_each_file_is_judged_for_itself(tmp_path: Path) -> None:
    first = written(tmp_path, "a.ign", unit=APPROVER, script="#!/bin/sh\n")
    second = written(tmp_path, "b.ign", unit=APPROVER, script="#!/bin/sh\n")
    has_tell = Config(
        units=(Unit(name="c.service", contents="[Service]\nExecStart=tell\n"),)
    ).to_document()
    third = tmp_path / "c.ign"
    third.write_text(render(has_tell))

    found = judge_readings(read_files([first, second, third]), COREOS, NODE)

    assert [(Path(miss.call.origin).name, miss.call.command) for miss in found.missing] == [
        ("a.ign", "oc"), ("b.ign", "oc"), ("c.ign", "tell"),
    ]  # fmt: skip
    assert "3 calls by 3 callers" in found.render()


def test_what_was_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pointer.ign"
    path.write_text(
        '{"ignition": {"version": "3.2.0", "config":'
        ' {"merge": [{"source": "https://api-int.example:22623/config/worker"}]}}}'
    )

    found = judge_readings(read_files([path]), COREOS, NODE)

    assert found.exit_status == 0
    assert f"not read: {path}: the config at https://api-int.example:22623/config/worker" in (
        found.render()
    )


def test_lines_that_cannot_be_parsed_are_named_with_the_reason(tmp_path: Path) -> None:
    path = written(tmp_path, unit="[Service]\n", script="#!/bin/sh\nif then fi ) (\n")

    (unread,) = judge_readings(read_files([path]), COREOS, NODE).unread

    assert unread == f"{path}: /usr/local/bin/user line 2 (syntax error)"


def test_configs_can_be_read_before_there_is_a_bootimage(tmp_path: Path) -> None:
    path = written(tmp_path, unit=APPROVER, script=REPORTER)

    readings = read_files([path])
    path.unlink()

    assert judge_readings(readings, COREOS, NODE).exit_status == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), (b"\xff\xfe", "it is no text"), (b"variant: fcos", "is not JSON")],
)
def test_files_that_are_no_configs_are_refused(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.ign"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InputError, match=problem):
        judge_readings(read_files([path]), COREOS, None)
