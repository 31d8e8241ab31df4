from __future__ import annotations

from dataclasses import replace
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
    units=frozenset({"sshd.service", "NetworkManager.service", "basic.target"}),
    files=frozenset({"/etc/passwd", "/etc/containers/registries.conf", "/etc/sysctl.d"}),
    os_release={"ID": "rhel", "VERSION_ID": "9.6", "OSTREE_VERSION": "9.6.20250203-0"},
)  # fmt: skip
NODE = Contents(
    files={
        "/usr/bin/oc": "openshift-clients",
        "/usr/bin/crictl": "cri-tools",
        "/usr/bin/kubelet": "openshift-kubelet",
        "/usr/bin/unpackaged": None,
        "/usr/bin/bash": "bash",
    },
    others={
        "/etc/containers/registries.conf": "containers-common",
        "/etc/kubernetes/kubelet.conf": "openshift-kubelet",
        "/usr/lib/systemd/system/crio.service": "cri-o",
        "/usr/lib/systemd/system/kubelet.service": "openshift-kubelet",
    },
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
/usr/local/bin/notify done
"""


def written(folder: Path, name: str = "user.ign", **parts: str) -> Path:
    """Write a config with one unit and one script, and a program of its own."""
    config = Config(
        units=(Unit(name="user.service", contents=parts["unit"], enabled=True),),
        files=(
            File(path="/usr/local/bin/user", contents=parts["script"], mode=0o755),
            File(path="/usr/local/bin/notify", contents="#!/bin/sh\n", mode=0o755),
        ),
    )
    path = folder / name
    path.write_text(render(config.to_document()))
    return path


@pytest.mark.parametrize(
    "download",
    [
        "curl -sSLo /usr/local/bin/oc https://mirror.example/oc",
        "curl --output=/usr/local/bin/oc https://mirror.example/oc",
        "wget -O /usr/local/bin/oc https://mirror.example/oc",
        "podman cp tools:/usr/bin/oc /usr/local/bin/oc",
    ],
)
def test_program_that_a_script_downloads_is_there(download: str, tmp_path: Path) -> None:
    script = f"#!/bin/bash\n{download}\nchmod 755 /usr/local/bin/oc\noc get nodes\n"
    path = written(tmp_path, unit="[Service]\n", script=script)

    assert " oc" not in judge_readings(read_files([path]), COREOS, NODE).render()


def test_a_unit_that_calls_oc_and_a_script_that_calls_crictl_are_found(tmp_path: Path) -> None:
    path = written(tmp_path, unit=APPROVER, script=REPORTER)

    found = judge_readings(read_files([path]), COREOS, NODE)

    assert found.exit_status == 1
    assert found.render().splitlines() == [
        f"{path}: user.service line 4, before the node layer: calls oc, brought later by"
        " openshift-clients (/usr/bin/oc)",
        f"{path}: /usr/local/bin/user line 4, before the node layer: calls crictl, brought later by"
        " cri-tools (/usr/bin/crictl)",
        "2 calls by 2 callers are not in the bootimage 9.6.20250203-0",
    ]


def test_a_config_that_only_calls_what_the_coreos_layer_has_is_clean(tmp_path: Path) -> None:
    unit = APPROVER.replace("oc get csr", "podman ps | jq -e .[0]")
    script = REPORTER.replace("crictl", "/sbin/ip --json; podman")

    found = judge_readings(read_files([written(tmp_path, unit=unit, script=script)]), COREOS, NODE)

    assert found.missing == ()
    assert found.exit_status == 0
    assert found.render() == (
        "all that is called is in the bootimage 9.6.20250203-0 or in the configs"
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
def test_what_the_node_image_has_of_it_is_named(command: str, ending: str, tmp_path: Path) -> None:
    path = written(tmp_path, unit=f"[Service]\nExecStart={command}\n", script="#!/bin/sh\n")

    line = judge_readings(read_files([path]), COREOS, NODE).render().splitlines()[0]

    where = f"{path}: user.service line 2, before the node layer"
    assert line == f"{where}: calls {command}, {ending}"


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
    calls_notify = Config(
        units=(Unit(name="c.service", contents="[Service]\nExecStart=notify\n"),)
    ).to_document()
    third = tmp_path / "c.ign"
    third.write_text(render(calls_notify))

    found = judge_readings(read_files([first, second, third]), COREOS, NODE)

    assert [(Path(miss.call.origin).name, miss.call.command) for miss in found.missing] == [
        ("a.ign", "oc"), ("b.ign", "oc"), ("c.ign", "notify"),
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
    [(None, "cannot be read"), (b"\xff\xfe", "not text"), (b"variant: fcos", "not JSON")],
)
def test_files_that_are_not_configs_are_refused(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.ign"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InputError, match=problem):
        judge_readings(read_files([path]), COREOS, None)


def needs(folder: Path, unit: str = "[Service]\n", script: str = "#!/bin/sh\n") -> list[str]:
    """Return what a unit and a script need beside programs, as the report has it."""
    found = judge_readings(read_files([written(folder, unit=unit, script=script)]), COREOS, NODE)
    lines = (line.partition("node layer: ")[2] for line in found.render().splitlines()[:-1])
    return [line for line in lines if not line.startswith("calls ")]


CRIO = "requires crio.service, brought later by cri-o (/usr/lib/systemd/system/crio.service)"
KUBELET = (
    "requires kubelet.service, brought later by openshift-kubelet"
    " (/usr/lib/systemd/system/kubelet.service)"
)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("[Unit]\nRequires=crio.service\n", [CRIO]),
        ("[Unit]\nBindsTo=sshd.service crio.service\n", [CRIO]),
        ("[Unit]\nRequisite=kubelet.service\n", [KUBELET]),
        ("[Service]\nExecStart=systemctl start kubelet.service crio\n", [KUBELET, CRIO]),
        ("[Service]\nExecStartPre=-/usr/bin/systemctl --no-block -q restart crio\n", [CRIO]),
        ("[Service]\nExecStart=/bin/sh -c 'systemctl enable --now kubelet'\n", [KUBELET]),
        ("[Service]\nExecStart=/bin/sh -c 'for u in crio kubelet; do systemctl start $$u; done'\n",
         [CRIO, KUBELET]),
        ("[Service]\nExecStart=/bin/bash -c 'u=(crio); service $${u[@]} start'\n", [CRIO]),
        ("[Unit]\nRequires=nosuch.service\n",
         ["requires nosuch.service, not in the node image either"]),
    ],
)  # fmt: skip
def test_units_of_the_node_layer_are_found(unit: str, expected: list[str], tmp_path: Path) -> None:
    assert needs(tmp_path, unit) == expected


@pytest.mark.parametrize(
    "unit",
    [
        "[Unit]\nWants=crio.service\nAfter=crio.service\n",
        "[Unit]\nRequires=sshd.service user.service -.mount tmp.mount x@%i.service\n",
        "[Service]\nExecStart=systemctl --user start crio\n",
        "[Service]\nExecStart=systemctl is-active crio\n",
        "[Service]\nExecStart=systemctl daemon-reload\n",
        "[Service]\nExecStart=/bin/sh -c 'systemctl is-enabled crio && systemctl restart crio'\n",
        "[Service]\nExecStart=systemctl start 'crio*'\n",
    ],
)
def test_units_that_may_be_absent_or_are_there_are_not_missing(unit: str, tmp_path: Path) -> None:
    assert needs(tmp_path, unit) == []


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("sed -i s,a,b, /etc/crio/crio.conf", "/etc/crio/crio.conf"),
        ("sudo sed -i s,a,b, /etc/crio/crio.conf.d/00-default", "/etc/crio/crio.conf.d/00-default"),
        ("cat <<E >/etc/crio/crio.conf.d/9.conf\nE", "/etc/crio/crio.conf.d/"),
        ("cp /tmp/a /etc/crio/a.conf", "/etc/crio/"),
        ('CONF=/etc/crio/crio.conf; sed -i s,a,b, "$CONF"', "/etc/crio/crio.conf"),
        ("D=/etc/crio; echo x >$D/a.conf", "/etc/crio/"),
        ("grep x /etc/kubernetes/kubelet.conf", "/etc/kubernetes/kubelet.conf"),
        ("jq . </etc/kubernetes/kubelet.conf", "/etc/kubernetes/kubelet.conf"),
        (". /usr/share/openvswitch/scripts/ovs-lib", "/usr/share/openvswitch/scripts/ovs-lib"),
        ("cat --show=/etc/crictl.yaml", "/etc/crictl.yaml"),
        ("cp /usr/bin/oc /tmp/oc", "/usr/bin/oc"),
    ],
)
def test_files_of_the_node_layer_are_found(script: str, path: str, tmp_path: Path) -> None:
    found = needs(tmp_path, script=f"#!/bin/sh\n{script}\n")

    assert any(f"uses {path}, brought later by " in line for line in found)


@pytest.mark.parametrize(
    "script",
    [
        "mkdir -p /etc/crio/crio.conf.d\necho a >/etc/crio/crio.conf.d/9.conf",
        "install -D -m 600 /tmp/a /etc/crio/a.conf; podman ps /etc/crio/a.conf",
        "echo a >/etc/sysctl.d/9.conf; podman ps /etc/passwd",
        "podman run -v /etc/crio:/etc/crio x; echo /etc/crio/crio.conf",
        "[ -f /etc/crio/crio.conf ] && podman ps && source /etc/crio/crio.conf",
        "bash /opt/vendor/tool; podman cp /etc/nosuch x",
        "rm -f /etc/crio/crio.conf",
    ],
)
def test_files_that_are_there_or_made_are_not_missing(script: str, tmp_path: Path) -> None:
    assert needs(tmp_path, script=f"#!/bin/bash\n{script}\n") == []


def test_an_environment_file_is_read_unless_it_may_be_absent(tmp_path: Path) -> None:
    kept = "EnvironmentFile=-/etc/kubernetes/kubelet.conf\n"

    assert needs(tmp_path, f"[Service]\n{kept}") == []
    assert needs(tmp_path, f"[Service]\n{kept.replace('-', '')}") == [
        "uses /etc/kubernetes/kubelet.conf, brought later by openshift-kubelet"
        " (/etc/kubernetes/kubelet.conf)"
    ]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("[Service]\nExecCondition=/usr/bin/grep -q ^ID=.*rhcos /etc/os-release\n",
         ["asks os-release for ID=rhcos, but the bootimage says ID=rhel"]),
        ("[Unit]\nConditionOSRelease=ID=rhcos\n",
         ["asks os-release for ID=rhcos, but the bootimage says ID=rhel"]),
        ("[Service]\nEnvironmentFile=/usr/lib/os-release\n"
         "ExecStart=/bin/sh -c 'echo $$OPENSHIFT_VERSION'\n",
         ["asks os-release for OPENSHIFT_VERSION, but the bootimage lacks it"]),
        ("[Service]\nExecStart=/bin/sh -c '. /etc/os-release; echo $$OSTREE_VERSION'\n",
         ["asks os-release for OSTREE_VERSION, but the bootimage says"
          " OSTREE_VERSION=9.6.20250203-0"]),
    ],
)  # fmt: skip
def test_questions_to_os_release_are_found(unit: str, expected: list[str], tmp_path: Path) -> None:
    assert needs(tmp_path, unit) == expected


def bootstrap(folder: Path, **user: str) -> Path:
    """Write a config whose overlay target pulls in the overlay, and a user's units."""
    texts = {
        "node-image-overlay.target": "[Unit]\nRequires=basic.target node-image-overlay.service\n"
        "Requires=node-image-finish.service",
        "node-image-overlay.service": "[Unit]\nRequires=node-image-pull.service\n"
        "After=node-image-pull.service\n[Service]\nExecStart=podman ps",
        "node-image-pull.service": "[Unit]\nWants=pulled.service\n[Service]\nExecStart=podman x",
        "node-image-finish.service": "[Unit]\nRequires=node-image-overlay.service\n"
        "After=node-image-overlay.service\n[Service]\n"
        "ExecStart=systemctl --no-block isolate user.target",
        "user.target": "[Unit]\nDescription=x",
        **user,
    }
    units = tuple(Unit(name=name, contents=f"{text}\n", enabled=True)
                  for name, text in texts.items())  # fmt: skip
    scripts = (
        File(path="/usr/local/bin/called", contents="#!/bin/sh\n. /usr/local/bin/lib\n"),
        File(path="/usr/local/bin/lib", contents="#!/bin/sh\noc\n"),
    )
    path = folder / "bootstrap.ign"
    path.write_text(render(Config(units=units, files=scripts).to_document()))
    return path


OC = "[Service]\nExecStart=oc"


@pytest.mark.parametrize(
    "user",
    [
        {"pulled.service": OC},
        {"a.service": f"{OC}\n[Install]\nWantedBy=basic.target"},
        {"a.service": f"{OC}\n[Install]\nRequiredBy=node-image-pull.service"},
        {"a.service": f"{OC}\n[Install]\nWantedBy=network.target"},
        {"a.timer": "[Install]\nWantedBy=timers.target", "a.service": OC},
        {"a.socket": "[Socket]\nService=b.service\n[Install]\nWantedBy=sockets.target",
         "b.service": OC},
        {"pulled.service": "[Service]\nExecStart=systemctl start b", "b.service": OC},
        {"a.service": f"{OC}\n[Install]\nWantedBy=default.target"},
        {"pulled.service": "[Unit]\nOnFailure=b.service", "b.service": OC},
        {"pulled.service": "[Service]\nExecStart=/usr/local/bin/called"},
        {"pulled.service": "[Service]\nExecStart=/bin/bash /usr/local/bin/lib"},
    ],
)  # fmt: skip
def test_what_the_overlay_target_pulls_in_runs_before(user: dict[str, str], tmp_path: Path) -> None:
    found = judge_readings(read_files([bootstrap(tmp_path, **user)]), COREOS, NODE)

    assert [miss.call.command for miss in found.missing if miss.call.is_before] == ["oc"]
    assert found.exit_status == 1
    assert ", before the node layer: calls oc" in found.render()


@pytest.mark.parametrize(
    "user",
    [
        {"a.service": f"{OC}\n[Install]\nWantedBy=multi-user.target"},
        {"a.service": f"{OC}\n[Install]\nWantedBy=user.target"},
        {"a.service": OC},
        {"pulled.service": f"[Unit]\nAfter=node-image-overlay.service\n{OC}"},
        {"b.service": "[Unit]\nAfter=node-image-overlay.service",
         "pulled.service": f"[Unit]\nAfter=b.service\n{OC}"},
        {"pulled.service": "[Unit]\nAfter=node-image-finish.service\n"
                           "[Service]\nExecStart=/usr/local/bin/called"},
    ],
)  # fmt: skip
def test_the_rest_of_a_bootstrap_runs_after(user: dict[str, str], tmp_path: Path) -> None:
    found = judge_readings(read_files([bootstrap(tmp_path, **user)]), COREOS, NODE)

    assert not [miss for miss in found.missing if miss.call.is_before]
    assert found.missing
    assert found.exit_status == 0
    assert ", after the node layer: calls oc" in found.render()
    assert "after the node layer do not count without --all" in found.render().splitlines()[-1]
    assert replace(found, counts_all=True).exit_status == 1


def test_on_a_machine_that_pivots_only_what_waits_for_the_pivot_runs_after(tmp_path: Path) -> None:
    units = {
        "machine-config-daemon-firstboot.service": "[Unit]\nBefore=kubelet.service\n[Service]\n"
        "ExecStart=podman ps",
        "kubelet.service": "[Service]\nExecStart=kubelet\n[Install]\nWantedBy=multi-user.target",
        "user.service": f"{OC}\n[Install]\nWantedBy=multi-user.target",
    }
    path = tmp_path / "master.ign"
    made = (Unit(name=name, contents=text, enabled=True) for name, text in units.items())
    path.write_text(render(Config(units=tuple(made)).to_document()))

    found = judge_readings(read_files([path]), COREOS, NODE).missing

    assert {miss.call.command: miss.call.is_before for miss in found} == {
        "kubelet": False, "oc": True,
    }  # fmt: skip
