"""What kubelet's service and CRI tools print, read."""

from __future__ import annotations

import json

import pytest

from harness.model.errors import RigError
from harness.node.kubelet_answers import (
    parse_container_states,
    parse_cri_version,
    parse_sandbox_states,
    parse_service,
)

POD = "node-image-harness-probe"


def _show(**changed: str) -> str:
    values = {
        "Type": "notify", "NRestarts": "0", "ExecMainStatus": "0", "Result": "success",
        "MainPID": "812", "Id": "kubelet.service", "LoadState": "loaded",
        "ActiveState": "active", "SubState": "running",
        "ActiveEnterTimestampMonotonic": "60500000", "Uptime": "72.75 130.00",
    }  # fmt: skip
    return "".join(f"{key}={value}\n" for key, value in {**values, **changed}.items())


def test_service_is_read() -> None:
    service = parse_service(_show(NRestarts="2"))

    assert (service.kind, service.main_pid, service.unit.restarts) == ("notify", "812", 2)
    assert (service.is_running, service.active_s) == (True, 12.25)
    assert service.dead_end is None


def test_service_that_was_never_active_is_not_so_for_any_time() -> None:
    assert parse_service(_show(ActiveEnterTimestampMonotonic="0")).active_s == 0


@pytest.mark.parametrize("changed", [{"Uptime": ""}, {"ActiveEnterTimestampMonotonic": "n/a"}])
def test_times_that_are_none_are_refused(changed: dict[str, str]) -> None:
    with pytest.raises(RigError, match="unexpected output"):
        parse_service(_show(**changed))


def test_lines_beside_the_properties_and_values_with_signs_are_read_over() -> None:
    service = parse_service("a warning\n" + _show(Type="a=b"))

    assert service.kind == "a=b"


def test_show_of_another_unit_is_refused() -> None:
    with pytest.raises(RigError, match=r"crio\.service"):
        parse_service(_show(Id="crio.service"))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"LoadState": "not-found", "ActiveState": "inactive"}, "not-found", id="gone"),
        pytest.param({"LoadState": "masked"}, "masked", id="masked"),
        pytest.param(
            {"ActiveState": "failed", "Result": "start-limit-hit"}, "limit-hit", id="failed"
        ),
        pytest.param({"NRestarts": "4"}, "restarts again and again", id="crash-loop"),
        pytest.param({"Type": "simple"}, "Type=simple", id="no-notify"),
    ],
)
def test_state_that_cannot_become_good_is_a_dead_end(changed: dict[str, str], reason: str) -> None:
    assert reason in str(parse_service(_show(**changed)).dead_end)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"ActiveState": "inactive", "SubState": "dead"}, id="not-yet-started"),
        pytest.param({"ActiveState": "activating", "SubState": "start"}, id="starting"),
        pytest.param(
            {"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "3"},
            id="few-restarts",
        ),
    ],
)
def test_state_that_can_become_good_is_not_a_dead_end(changed: dict[str, str]) -> None:
    service = parse_service(_show(**changed))

    assert service.dead_end is None
    assert not service.is_running


def test_cri_version_is_read() -> None:
    text = "Version:  0.1.0\nRuntimeName:  cri-o\nRuntimeVersion:  1.32.4-2.rhaos4.19\n"

    assert parse_cri_version(text) == {
        "Version": "0.1.0", "RuntimeName": "cri-o", "RuntimeVersion": "1.32.4-2.rhaos4.19",
    }  # fmt: skip


def test_cri_version_may_have_a_colon_and_follow_a_warning() -> None:
    assert parse_cri_version("a warning\nRuntimeVersion:  1:2\n") == {"RuntimeVersion": "1:2"}


def test_sandboxes_of_the_pod_are_found_by_its_name_and_node() -> None:
    text = json.dumps(
        {
            "items": [
                {"metadata": {"name": f"{POD}-node0"}, "state": "SANDBOX_READY"},
                {"metadata": {"name": f"{POD}-node0"}, "state": "SANDBOX_NOTREADY"},
                {"metadata": {"name": "etcd-node0"}, "state": "SANDBOX_READY"},
            ]
        }
    )

    assert parse_sandbox_states(text, POD) == ("SANDBOX_READY", "SANDBOX_NOTREADY")


def test_containers_of_the_pod_are_found_by_their_label() -> None:
    text = json.dumps(
        {
            "containers": [
                {"labels": {"io.kubernetes.pod.name": f"{POD}-n"}, "state": "CONTAINER_RUNNING"},
                {"labels": {"io.kubernetes.pod.name": "other"}, "state": "CONTAINER_EXITED"},
                {"state": "CONTAINER_RUNNING"},
            ]
        }
    )

    assert parse_container_states(text, POD) == ("CONTAINER_RUNNING",)


@pytest.mark.parametrize("text", ['{"items": []}', '{"items": null}', "{}"])
def test_no_pods_give_no_states(text: str) -> None:
    assert parse_sandbox_states(text, POD) == ()


@pytest.mark.parametrize("text", ["", "time=... level=fatal", '{"items": 3}'])
def test_output_that_is_not_a_list_of_pods_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|not a list"):
        parse_sandbox_states(text, POD)
