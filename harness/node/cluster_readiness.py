"""How ready a node is in its cluster: levels above those of `readiness`, checked in the guest.

Each queries the API with the guest's own client and credentials: kubelet's on a node that joined,
the administrator's on a bootstrap machine.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from harness.guest.bootkube import ADMIN_KUBECONFIG
from harness.guest.joining import NODE_KUBECONFIG, OS_ID_LABEL
from harness.model import os_release
from harness.model.clock import Deadline, NotYet
from harness.model.errors import ProductError
from harness.model.foreign import json_value
from harness.model.readyz import why_not_ready
from harness.node.kubelet_answers import KubeletService
from harness.node.readiness import Level, ask, reach
from harness.node.ssh import Shell

_KUBECONFIGS = (ADMIN_KUBECONFIG, NODE_KUBECONFIG)
_ASK_API_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeObject:
    """A Node of the API: whether it is Ready and why not, and its labels."""

    name: str
    ready: str
    reason: str
    labels: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        """Whether its condition Ready is True."""
        return self.ready == "True"

    def __str__(self) -> str:
        return f"node {self.name}: Ready is {self.ready}" + (f", {self.reason}" * bool(self.reason))


def parse_node(text: str) -> NodeObject:
    """Return the Node that `oc get node NAME --output=json` prints.

    Raises:
        ValueError: this is not such output.
    """
    try:
        document = json_value(text)
        metadata = document["metadata"]
        conditions = document.get("status", {}).get("conditions") or ()
        ready: dict[str, object] = next((c for c in conditions if c["type"] == "Ready"), {})
        return NodeObject(
            name=str(metadata["name"]), ready=str(ready.get("status", "unknown")),
            reason=" ".join(str(ready[key]) for key in ("reason", "message") if ready.get(key)),
            labels={str(k): str(v) for k, v in (metadata.get("labels") or {}).items()},
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"not a Node: {text[:200]!r}") from exc


def reach_api(shell: Shell, deadline: Deadline) -> str:
    """Wait until the API says that it is ready, to an authenticated client.

    Raises:
        ProductError: it did not, or kubelet cannot become ready any more.
    """

    def check(_service: KubeletService) -> str:
        said = _ask_api(shell, "get --raw '/readyz?verbose'", deadline)
        if "readyz check passed" not in said:
            raise NotYet(f"the API is not ready: {why_not_ready(said)}")
        return "the API says readyz check passed"

    return reach("the API to be ready", check, shell, deadline)


def reach_node_ready(shell: Shell, deadline: Deadline) -> str:
    """Wait until the machine's Node has the condition Ready.

    Raises:
        ProductError: it did not get it, or kubelet cannot any more.
    """

    def check(_service: KubeletService) -> str:
        node = _node(shell, deadline)
        if not node.is_ready:
            raise NotYet(str(node))
        return str(node)

    return reach("the Node to be Ready", check, shell, deadline)


def reach_os_id_label(shell: Shell, deadline: Deadline) -> str:
    """Wait until the Node's label for the operating system is the ID of its os-release.

    Source: enhancement:416, where the ID changes from rhcos to rhel.

    Raises:
        ProductError: the label differs, or does not come.
    """

    def check(_service: KubeletService) -> str:
        text = ask(shell, "cat /etc/os-release", deadline, sudo=False).stdout
        wanted = os_release.parse(text).get("ID")
        label = _node(shell, deadline).labels.get(OS_ID_LABEL)
        if label is None:
            raise NotYet(f"the Node has no label {OS_ID_LABEL}")
        if label != wanted:
            # kubelet sets it once, when it registers.
            problem = f"{OS_ID_LABEL}={label}, but os-release has ID={wanted}"
            raise ProductError("Node", problem)
        return f"the Node has {OS_ID_LABEL}={label}, as os-release"

    return reach(f"the Node's label {OS_ID_LABEL}", check, shell, deadline)


CLUSTER_LEVELS = (
    Level(name="api-readyz", title="the API is ready", reach=reach_api),
    Level(name="node-ready", title="the Node is Ready", reach=reach_node_ready),
    Level(name="os-id-label", title="the Node names its operating system", reach=reach_os_id_label),
)
"""From the lowest to the highest, above `readiness.LEVELS`; a bootstrap machine has no Node."""


def _node(shell: Shell, deadline: Deadline) -> NodeObject:
    name = ask(shell, "uname --nodename", deadline, sudo=False).stdout.strip().lower()
    text = _ask_api(shell, f"get node {shlex.quote(name)} --output=json", deadline)
    try:
        return parse_node(text)
    except ValueError as exc:
        raise NotYet(f"oc gives no Node that can be read: {exc}") from exc


def _ask_api(shell: Shell, words: str, deadline: Deadline) -> str:
    find = f"for f in {' '.join(_KUBECONFIGS)}; do if test -e $f; then echo $f; fi; done"
    found = ask(shell, find, deadline).stdout.split()
    if not found:
        problem = f"no kubeconfig; looked for {', '.join(_KUBECONFIGS)}"
        raise ProductError("node", problem)
    limit = f"--request-timeout={_ASK_API_S}s"
    return ask(shell, f"oc --kubeconfig={found[0]} {limit} {words}", deadline).stdout
