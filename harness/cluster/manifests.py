"""Arguments and static pods of etcd and the API server.

The pods of a bootstrap machine and the processes of a hosted control plane have the same arguments,
so that nodes meet the same API: RBAC, and no rights for unknown clients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.guest_network import LOOPBACK
from harness.pki.control_plane import SERVICE_NETWORK

API_PORT = 6443
MCS_PORT = 22623
ETCD_PORT = 2379
NAMESPACE = "kube-system"
TLS_IN_GUEST = "/opt/openshift/tls"
"""Where a bootstrap machine keeps the files of `Pki`. Source: openshift/installer, bootkube.sh."""
DATA_IN_GUEST = "/var/lib/etcd"
MCS_CONFIGS = "/etc/mcs/bootstrap"
MCS_TLS = "/etc/ssl/mcs"
"""Where a bootstrap machine keeps what its machine-config server reads.

Source: openshift/machine-config-operator manifests/bootstrap-pod-v2.yaml.
"""

_ETCD_PEER_OFFSET = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where one control plane listens and keeps its files.

    `advertised` is the API server's address for clients inside the cluster.
    """

    tls: str
    data: str
    listen: str
    advertised: str
    api_port: int = API_PORT
    etcd_port: int = ETCD_PORT
    etcd_peer_port: int = ETCD_PORT + _ETCD_PEER_OFFSET

    @property
    def etcd_url(self) -> str:
        """The URL of etcd for the API server beside it."""
        return f"https://{LOOPBACK}:{self.etcd_port}"


def etcd_arguments(at: Layout) -> tuple[str, ...]:
    """Return the arguments of a single etcd that loses its data with the machine.

    Source: etcd 3.4, Documentation/op-guide/configuration.md
    """
    # A single member has no peer, but opens the port; clients need a key.
    peer = f"https://{LOOPBACK}:{at.etcd_peer_port}"
    return (
        "--name=bootstrap", f"--data-dir={at.data}", "--logger=zap",
        f"--listen-client-urls={at.etcd_url}", f"--advertise-client-urls={at.etcd_url}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=bootstrap={peer}",
        f"--cert-file={at.tls}/etcd-server.crt", f"--key-file={at.tls}/etcd-server.key",
        "--client-cert-auth", f"--trusted-ca-file={at.tls}/etcd-ca.crt",
        f"--peer-cert-file={at.tls}/etcd-server.crt", f"--peer-key-file={at.tls}/etcd-server.key",
        "--peer-client-cert-auth", f"--peer-trusted-ca-file={at.tls}/etcd-ca.crt",
        # No data has to survive a power cut, and a disk in emulation is slow to sync.
        "--unsafe-no-fsync",
    )  # fmt: skip


def apiserver_arguments(at: Layout) -> tuple[str, ...]:
    """Return the arguments of the API server.

    Unknown clients get health and version only, as on the real bootstrap machine. What serves many
    clients, or APIs that no node asks for, is off: it costs a third of the start, which an emulated
    guest does at a twentieth of the host's speed.
    Source: cluster-kube-apiserver-operator, bindata/bootkube/config; Kubernetes 1.20 to 1.3x know
    each of these.
    """
    tls = at.tls
    return (
        f"--bind-address={at.listen}", f"--secure-port={at.api_port}",
        f"--advertise-address={at.advertised}", "--endpoint-reconciler-type=none",
        "--authorization-mode=Node,RBAC", "--anonymous-auth=true",
        "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        f"--client-ca-file={tls}/ca.crt",
        f"--tls-cert-file={tls}/apiserver.crt", f"--tls-private-key-file={tls}/apiserver.key",
        f"--etcd-servers={at.etcd_url}", f"--etcd-cafile={tls}/etcd-ca.crt",
        f"--etcd-certfile={tls}/etcd-client.crt", f"--etcd-keyfile={tls}/etcd-client.key",
        f"--kubelet-client-certificate={tls}/kubelet-client.crt",
        f"--kubelet-client-key={tls}/kubelet-client.key",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={tls}/service-account.pub",
        f"--service-account-signing-key-file={tls}/service-account.key",
        "--profiling=false", "--runtime-config=api/beta=false", "--watch-cache=false",
        "--enable-priority-and-fairness=false",
    )  # fmt: skip


def guest_layout(advertised: str) -> Layout:
    """Return the layout of a bootstrap machine's control plane, reached at `advertised`."""
    return Layout(tls=TLS_IN_GUEST, data=DATA_IN_GUEST, listen="0.0.0.0", advertised=advertised)  # noqa: S104 - other machines join it


def etcd_pod(image: str, at: Layout) -> str:
    """Return the manifest of etcd's static pod, as JSON."""
    return _pod("etcd", image, ("/usr/bin/etcd", *etcd_arguments(at)), (at.tls, at.data))


def apiserver_pod(image: str, at: Layout) -> str:
    """Return the manifest of the API server's static pod, as JSON."""
    command = ("/usr/bin/kube-apiserver", *apiserver_arguments(at))
    return _pod("kube-apiserver", image, command, (at.tls,))


def machine_config_server_pod(image: str) -> str:
    """Return the manifest of the machine-config server's static pod, as JSON."""
    command = (
        "/usr/bin/machine-config-server", f"--configs={MCS_CONFIGS}",
        f"--cert={MCS_TLS}/tls.crt", f"--key={MCS_TLS}/tls.key", f"--listen=:{MCS_PORT}",
    )  # fmt: skip
    return _pod("machine-config-server", image, command, (MCS_CONFIGS, MCS_TLS))


def _pod(name: str, image: str, command: Sequence[str], folders: Sequence[str]) -> str:
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "volumeMounts": [{"name": _volume(path), "mountPath": path} for path in folders],
        # Under enforcing SELinux a container may not read the host's keys otherwise.
        "securityContext": {"privileged": True},
    }
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"k8s-app": name}},
        "spec": {
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "containers": [container],
            "volumes": [
                {"name": _volume(path), "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
                for path in folders
            ],
        },
    }
    return json.dumps(document, indent=1) + "\n"


def _volume(path: str) -> str:
    return path.strip("/").replace("/", "-")
