"""The levels above static pods, on the scripted guest of `test_readiness`."""

from __future__ import annotations

import json

import pytest
from machine_fakes import FakeClock
from test_readiness import Answer, FakeShell

from harness.model.clock import Deadline
from harness.model.errors import ProductError
from harness.node.cluster_readiness import CLUSTER_LEVELS, parse_node
from harness.node.ssh import Result

LEVELS = {level.name: level for level in CLUSTER_LEVELS}
OS_RELEASE = 'ID="rhel"\nVERSION_ID="9.6"\n'
PASSED = "[+]ping ok\nreadyz check passed\n"


def node(ready: str = "True", os_id: str | None = "rhel") -> str:
    label = {} if os_id is None else {"node.openshift.io/os_id": os_id}
    condition = {"type": "Ready", "status": ready, "reason": "KubeletReady", "message": "posting"}
    return json.dumps(
        {
            "metadata": {"name": "w-0", "labels": label},
            "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, condition]},
        }
    )


def reach(level: str, **scripts: list[Answer]) -> tuple[str, FakeShell]:
    shell = FakeShell(
        {
            "test -e": scripts.get("found", ["/etc/kubernetes/kubeconfig\n"]),
            "readyz": scripts.get("readyz", [PASSED]),
            "get node": scripts.get("node", [node()]),
            "uname": ["W-0\n"],
            "os-release": [OS_RELEASE],
        }
    )
    return LEVELS[level].reach(shell, Deadline.after(30.0, FakeClock())), shell


def test_levels_are_named_from_the_lowest() -> None:
    assert list(LEVELS) == ["api-readyz", "node-ready", "os-id-label"]


def test_the_api_is_asked_with_the_credentials_of_the_guest() -> None:
    evidence, shell = reach("api-readyz")

    assert evidence == "the API says readyz check passed"
    assert any("oc --kubeconfig=/etc/kubernetes/kubeconfig" in words for words in shell.asked)


def test_the_api_that_comes_late_is_waited_for() -> None:
    refused = Result(status=1, stdout="", stderr="connection to the server refused")

    evidence, _ = reach("api-readyz", readyz=[refused, "[-]etcd failed\n", PASSED])

    assert "passed" in evidence


def test_an_api_that_never_gets_ready_is_reported_with_its_last_reason() -> None:
    refused = Result(status=1, stdout="", stderr="connection to the server refused")

    with pytest.raises(ProductError, match="connection to the server refused"):
        reach("api-readyz", readyz=[refused])


def test_the_api_that_answers_and_is_not_ready_says_why() -> None:
    with pytest.raises(ProductError, match=r"the API is not ready: .*etcd failed"):
        reach("api-readyz", readyz=["[-]etcd failed\n"])


def test_a_guest_without_credentials_is_given_up_at_once() -> None:
    with pytest.raises(ProductError, match=r"no kubeconfig; looked for /opt/openshift"):
        reach("api-readyz", found=["\n"])


def test_a_node_is_asked_for_by_its_host_name_until_it_is_ready() -> None:
    evidence, shell = reach("node-ready", node=[node(ready="False"), node()])

    assert evidence == "node w-0: Ready is True, KubeletReady posting"
    assert any("get node w-0 --output=json" in words for words in shell.asked)


def test_a_node_that_is_not_ready_says_why() -> None:
    with pytest.raises(ProductError, match="Ready is Unknown, KubeletReady posting"):
        reach("node-ready", node=[node(ready="Unknown")])


def test_a_node_that_cannot_be_read_is_waited_for() -> None:
    evidence, _ = reach("node-ready", node=["{}", node()])

    assert "Ready is True" in evidence


def test_the_label_is_the_id_of_os_release() -> None:
    evidence, _ = reach("os-id-label")

    assert evidence == "the Node has node.openshift.io/os_id=rhel, as os-release"


def test_another_label_fails_without_waiting() -> None:
    message = "node.openshift.io/os_id=rhcos, but os-release has ID=rhel"

    with pytest.raises(ProductError, match=message):
        reach("os-id-label", node=[node(os_id="rhcos"), node()])


def test_a_label_that_is_missing_is_waited_for() -> None:
    evidence, _ = reach("os-id-label", node=[node(os_id=None), node()])

    assert "=rhel" in evidence


def test_a_reason_without_a_message_is_reported_alone() -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "NoNetwork", "message": ""}]

    found = parse_node(
        json.dumps({"metadata": {"name": "a"}, "status": {"conditions": conditions}})
    )

    assert (str(found), found.reason) == ("node a: Ready is False, NoNetwork", "NoNetwork")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"metadata": {}}'])
def test_what_is_not_a_node_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a Node|Expecting"):
        parse_node(text)
