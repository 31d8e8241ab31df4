"""TLS handshakes in memory: which end of a connection a certificate is accepted at."""

from __future__ import annotations

import ssl
import tempfile
from contextlib import suppress
from functools import cache

from harness.pki.certificates import Certificate, issue

TURNS = 3


def is_accepted_as_server(certificate: Certificate) -> bool:
    return _is_agreed(_presenting(ssl.PROTOCOL_TLS_SERVER, certificate), _trusting(certificate))


def is_accepted_as_client(certificate: Certificate) -> bool:
    server = _presenting(ssl.PROTOCOL_TLS_SERVER, _any_server())
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_X509_STRICT
    server.load_verify_locations(cadata=certificate.ca_pem)
    client = _presenting(ssl.PROTOCOL_TLS_CLIENT, certificate)
    client.check_hostname = False
    client.load_verify_locations(cadata=_any_server().ca_pem)
    return _is_agreed(server, client)


@cache
def _any_server() -> Certificate:
    return issue(("127.0.0.1",), ())


def _presenting(protocol: int, certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(certificate.certificate_pem + certificate.key_pem.reveal())
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _trusting(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=certificate.ca_pem)
    return context


def _is_agreed(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """Return whether both ends finish the handshake; False if one refuses the other's purpose."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    try:
        for end in ends * TURNS:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLCertVerificationError as exc:
        if "purpose" not in exc.verify_message:
            raise
        return False
    return all(end.version() for end in ends)
