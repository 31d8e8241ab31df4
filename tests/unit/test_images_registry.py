from __future__ import annotations

import datetime
import ipaddress
import json
from pathlib import Path

from cryptography import x509

from harness.images.registry import configuration
from harness.pki.certificates import issue


def test_the_registry_listens_on_the_loopback_alone() -> None:
    settings = json.loads(configuration(Path("/run/x: y"), 5001))

    assert settings["http"]["addr"] == "127.0.0.1:5001"
    assert settings["http"]["tls"]["key"] == "/run/x: y/server.key"
    assert "debug" not in settings["http"]
    assert set(settings) == {"version", "log", "storage", "http"}


def test_the_certificate_fits_its_hosts_and_drifting_clocks() -> None:
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
