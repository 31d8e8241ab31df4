"""The certificates of a control plane: who signed what, for whom, and where secrets show."""

from __future__ import annotations

import base64
import ipaddress
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from tls_ends import is_accepted_as_client, is_accepted_as_server

from harness.model.secret import Secret
from harness.pki.certificates import Certificate
from harness.pki.control_plane import Pki, make_pki


@pytest.fixture(scope="module")
def pki() -> Pki:
    return make_pki(("192.168.66.2",), ("api-int.cluster.test",))


def certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def client_of(kubeconfig: Secret) -> x509.Certificate:
    user = json.loads(kubeconfig.reveal())["users"][0]["user"]
    return certificate(base64.b64decode(user["client-certificate-data"]).decode())


def names_of(subject: x509.Name) -> tuple[list[str], list[str]]:
    return (
        [str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)],
        [str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)],
    )


def test_api_server_is_valid_for_guests_and_host(pki: Pki) -> None:
    found = certificate(pki.api_server.certificate_pem)
    hosts = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    addresses = {str(one) for one in hosts.get_values_for_type(x509.IPAddress)}
    assert {"127.0.0.1", "10.0.2.2", "192.168.66.2"} <= addresses
    assert ipaddress.ip_address("172.30.0.1") in hosts.get_values_for_type(x509.IPAddress)
    assert {"kubernetes.default.svc", "api-int.cluster.test"} <= set(
        hosts.get_values_for_type(x509.DNSName)
    )


def test_etcd_trusts_an_authority_of_its_own(pki: Pki) -> None:
    cluster, etcd = certificate(pki.ca_pem), certificate(pki.etcd_ca_pem)

    for pair in (pki.etcd_server, pki.etcd_client):
        certificate(pair.certificate_pem).verify_directly_issued_by(etcd)
    for pair in (pki.api_server, pki.kubelet_client):
        certificate(pair.certificate_pem).verify_directly_issued_by(cluster)
    with pytest.raises(ValueError, match="Issuer"):
        certificate(pki.kubelet_client.certificate_pem).verify_directly_issued_by(etcd)


@pytest.mark.parametrize(
    ("pair", "is_server", "is_client"),
    [
        ("api_server", True, False),
        ("etcd_server", True, True),
        ("etcd_client", False, True),
        ("kubelet_client", False, True),
    ],
)
def test_certificate_is_valid_for_its_own_end_only(
    pair: str, is_server: bool, is_client: bool, pki: Pki
) -> None:
    signed: Certificate = getattr(pki, pair)

    assert (is_accepted_as_server(signed), is_accepted_as_client(signed)) == (is_server, is_client)


def test_users_of_kubeconfigs_are_clients_alone(pki: Pki) -> None:
    for text in (pki.admin_kubeconfig("https://x"), pki.node_kubeconfig("https://x", "w-0")):
        user = json.loads(text.reveal())["users"][0]["user"]
        signed = Certificate(
            ca_pem=pki.ca_pem,
            certificate_pem=base64.b64decode(user["client-certificate-data"]).decode(),
            key_pem=Secret(base64.b64decode(user["client-key-data"]).decode()),
        )

        assert (is_accepted_as_server(signed), is_accepted_as_client(signed)) == (False, True)


def test_only_the_administrator_is_in_the_group_of_masters(pki: Pki) -> None:
    url = "https://10.0.2.2:6443"

    admin, node = client_of(pki.admin_kubeconfig(url)), client_of(pki.node_kubeconfig(url, "w-0"))

    assert names_of(admin.subject) == (["node-image-harness"], ["system:masters"])
    assert names_of(node.subject) == (["system:node:w-0"], ["system:nodes"])
    to_kubelets = certificate(pki.kubelet_client.certificate_pem)
    assert names_of(to_kubelets.subject) == (["kube-apiserver"], ["kube-master"])


def test_kubeconfig_names_the_cluster_and_its_authority(pki: Pki) -> None:
    document = json.loads(pki.node_kubeconfig("https://10.0.2.2:1", "w-0").reveal())
    cluster = document["clusters"][0]["cluster"]

    assert cluster["server"] == "https://10.0.2.2:1"
    assert base64.b64decode(cluster["certificate-authority-data"]).decode() == pki.ca_pem


def test_keys_of_files_fit_and_no_repr_shows_one(pki: Pki) -> None:
    files = pki.files()

    assert (files["ca.crt"], files["etcd-ca.crt"]) == (pki.ca_pem, pki.etcd_ca_pem)
    for name, contents in files.items():
        assert isinstance(contents, Secret) == name.endswith(".key"), name
    for name in ("apiserver", "etcd-server", "etcd-client", "kubelet-client"):
        key, public = files[f"{name}.key"], files[f"{name}.crt"]
        assert isinstance(key, Secret)
        private = load_pem_private_key(key.reveal().encode(), None)
        assert private.public_key() == certificate(str(public)).public_key()
    assert "PRIVATE KEY" not in repr(pki)
    assert "_key" not in repr(pki.authority)
