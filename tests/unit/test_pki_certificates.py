"""An authority of one run and what it signs: at which hosts, how long, and for which end."""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from cryptography import x509
from tls_ends import is_accepted_as_client, is_accepted_as_server

from harness.pki.certificates import Authority, CertificateRequest, issue


def test_certificate_is_valid_for_its_hosts_and_drifting_clocks() -> None:
    issued = issue(("10.0.2.2", "127.0.0.1"), ("localhost",))

    server = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    hosts = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(address) for address in hosts.get_values_for_type(x509.IPAddress)]
    assert addresses == [str(ipaddress.ip_address(a)) for a in ("10.0.2.2", "127.0.0.1")]
    assert hosts.get_values_for_type(x509.DNSName) == ["localhost"]
    lifetime = server.not_valid_after_utc - server.not_valid_before_utc
    assert lifetime == datetime.timedelta(days=8)
    assert server.not_valid_before_utc < datetime.datetime.now(datetime.UTC)


def test_the_certificate_is_signed_by_its_ca_which_is_new_each_time() -> None:
    first, second = issue(("127.0.0.1",), ()), issue(("127.0.0.1",), ())

    server = x509.load_pem_x509_certificate(first.certificate_pem.encode())
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(first.ca_pem.encode()))
    assert first.ca_pem != second.ca_pem
    assert first.key_pem.reveal() not in repr(first)


@pytest.mark.parametrize("is_server", [True, False])
@pytest.mark.parametrize("is_client", [True, False])
def test_certificate_is_accepted_only_at_its_own_ends(is_server: bool, is_client: bool) -> None:
    request = CertificateRequest(
        name="x", addresses=("127.0.0.1",), is_server=is_server, is_client=is_client
    )

    signed = Authority.new("CA").sign(request)

    assert (is_accepted_as_server(signed), is_accepted_as_client(signed)) == (is_server, is_client)


def test_an_issued_certificate_is_a_servers() -> None:
    issued = issue(("127.0.0.1",), ())

    assert is_accepted_as_server(issued)
    assert not is_accepted_as_client(issued)
