"""All certificates and keys of one control plane, made for one run.

It has two authorities as a real one: a client of the API is not a client of etcd.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness.model.guest_network import HOST_IN_GUEST, LOOPBACK
from harness.model.secret import Secret
from harness.pki.certificates import (
    Authority,
    Certificate,
    CertificateRequest,
    new_key,
    private_pem,
)

SERVICE_NETWORK = "172.30.0.0/16"
"""Source: openshift/installer, pkg/types/defaults/installconfig.go."""

_KUBERNETES_SERVICE = "172.30.0.1"
_API_NAMES = (
    "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountKey:
    """The API server's key pair to sign and check tokens of service accounts."""

    private_pem: Secret
    public_pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    """The certificates of one control plane. `authority` signs clients of the API."""

    authority: Authority
    etcd_ca_pem: str
    api_server: Certificate
    etcd_server: Certificate
    etcd_client: Certificate
    kubelet_client: Certificate
    service_account: ServiceAccountKey

    @property
    def ca_pem(self) -> str:
        """The CA of the API server and of its clients."""
        return self.authority.ca_pem

    def files(self) -> Mapping[str, str | Secret]:
        """Return all files that etcd and the API server read, by name."""
        return {
            "ca.crt": self.ca_pem,
            "etcd-ca.crt": self.etcd_ca_pem,
            **_pair("apiserver", self.api_server),
            **_pair("etcd-server", self.etcd_server),
            **_pair("etcd-client", self.etcd_client),
            **_pair("kubelet-client", self.kubelet_client),
            "service-account.key": self.service_account.private_pem,
            "service-account.pub": self.service_account.public_pem,
        }

    def admin_kubeconfig(self, url: str) -> Secret:
        """Return the kubeconfig of a cluster administrator, for the harness and the bootstrap."""
        return self._kubeconfig(url, "node-image-harness", "system:masters")

    def node_kubeconfig(self, url: str, node_name: str) -> Secret:
        """Return the kubeconfig of one node's kubelet, with the rights of the Node authorizer.

        A real kubelet requests its certificate with a bootstrap token and waits for an approval;
        here it has one from the start.
        """
        return self._kubeconfig(url, f"system:node:{node_name}", "system:nodes")

    def _kubeconfig(self, url: str, user: str, group: str) -> Secret:
        client = self.authority.sign(CertificateRequest(name=user, groups=(group,), is_client=True))
        return kubeconfig(url, client)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An API server at the `url` by which nodes reach it."""

    pki: Pki
    url: str

    @property
    def ca_pem(self) -> str:
        """The CA that clients have to trust."""
        return self.pki.ca_pem

    def kubeconfig_of_node(self, name: str) -> Secret:
        """Return a new kubeconfig for the kubelet of node `name`."""
        return self.pki.node_kubeconfig(self.url, name)


def make_pki(addresses: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> Pki:
    """Return new certificates for an API server at IP `addresses` and DNS `names`.

    It is also valid for the loopback, for the host's address in guests, and for its names in a
    cluster.
    """
    authority = Authority.new("pytest-node-image cluster CA of one run")
    etcd = Authority.new("pytest-node-image etcd CA of one run")
    api_server = CertificateRequest(
        name="kube-apiserver", is_server=True,
        addresses=(LOOPBACK, HOST_IN_GUEST, _KUBERNETES_SERVICE, *addresses),
        names=(*_API_NAMES, *names),
    )  # fmt: skip
    # For clients and for etcd's own gateway, which is a client with the same certificate.
    etcd_server = CertificateRequest(
        name="etcd", addresses=(LOOPBACK,), names=("localhost",), is_server=True, is_client=True
    )
    to_kubelets = CertificateRequest(name="kube-apiserver", groups=("kube-master",), is_client=True)
    return Pki(
        authority=authority,
        etcd_ca_pem=etcd.ca_pem,
        api_server=authority.sign(api_server),
        etcd_server=etcd.sign(etcd_server),
        etcd_client=etcd.sign(CertificateRequest(name="kube-apiserver", is_client=True)),
        kubelet_client=authority.sign(to_kubelets),
        service_account=_service_account_key(),
    )


def kubeconfig(url: str, client: Certificate) -> Secret:
    """Return a kubeconfig for the API at `url`: YAML in the form of JSON.

    Source: Kubernetes, staging/src/k8s.io/client-go/tools/clientcmd/api/v1/types.go.
    """
    cluster = {"server": url, "certificate-authority-data": _base64(client.ca_pem)}
    user = {
        "client-certificate-data": _base64(client.certificate_pem),
        "client-key-data": _base64(client.key_pem.reveal()),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "context",
    }
    return Secret(json.dumps(document, indent=1) + "\n")


def _service_account_key() -> ServiceAccountKey:
    key = new_key("service accounts")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return ServiceAccountKey(private_pem=private_pem(key), public_pem=public.decode())


def _pair(name: str, certificate: Certificate) -> dict[str, str | Secret]:
    return {f"{name}.crt": certificate.certificate_pem, f"{name}.key": certificate.key_pem}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
