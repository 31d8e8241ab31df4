"""Ignition pieces for a kubelet that joins a cluster, as the machine config of a node has them.

Unlike a real node it has its client certificate from the start, and its pods have the host's
network only, since no network operator writes a CNI configuration.

Source: openshift/machine-config-operator, templates/{master,worker}/01-*-kubelet and _base.
"""

from __future__ import annotations

import json

from harness.guest.kubelet import UNIT, config_file, probe_file, unit_text
from harness.model.ignition import Config, File, Unit
from harness.pki.control_plane import Api

NODE_KUBECONFIG = "/etc/kubernetes/kubeconfig"
"""Where a joining node keeps kubelet's kubeconfig."""
OS_ID_LABEL = "node.openshift.io/os_id"
"""The label with the ID of os-release. Source: enhancement:416."""

_CA = "/etc/kubernetes/kubelet-ca.crt"
# The MCO configures cri-o to look here.
_CNI_FOLDER = "/etc/kubernetes/cni/net.d"
_CNI_NAME = "node-image-harness"
# As in the MCO's unit: the label needs the ID.
_OS_RELEASE = "/etc/os-release"


def joining_kubelet(api: Api, node_name: str, pause_image: str) -> Config:
    """Run kubelet as node `node_name` of the cluster of `api`, with a static pod of `pause_image`.

    It replaces `standalone_kubelet`, and sets the machine's host name to `node_name`.
    """
    kubeconfig = api.kubeconfig_of_node(node_name)
    arguments = (f"--kubeconfig={NODE_KUBECONFIG}", f"--node-labels={OS_ID_LABEL}=${{ID}}")
    return Config(
        files=(
            config_file(_WITH_API),
            probe_file(pause_image),
            File(path=NODE_KUBECONFIG, contents=kubeconfig, mode=0o600, overwrite=True),
            File(path=_CA, contents=api.ca_pem, overwrite=True),
            File(path="/etc/hostname", contents=f"{node_name}\n", overwrite=True),
            _host_network(),
        ),
        units=(Unit(name=UNIT, contents=unit_text(arguments, _OS_RELEASE), enabled=True),),
    )


_WITH_API = {
    "authentication": {
        "x509": {"clientCAFile": _CA},
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
    },
    "authorization": {"mode": "Webhook"},
}


def _host_network() -> File:
    """Return a CNI configuration with a loopback only, with which the runtime becomes ready."""
    document = {
        "cniVersion": "0.4.0",
        "name": _CNI_NAME,
        "plugins": [{"type": "loopback"}],
    }
    text = json.dumps(document, indent=2) + "\n"
    return File(path=f"{_CNI_FOLDER}/50-{_CNI_NAME}.conflist", contents=text, overwrite=True)
