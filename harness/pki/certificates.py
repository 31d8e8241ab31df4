"""Certificate authorities for one run, and the TLS certificates that they sign."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.model.drawn import draw, is_drawing
from harness.model.secret import Secret

# Guest clocks drift, and a restored guest starts in the past.
_VALID_BEFORE = datetime.timedelta(days=1)
_VALID_AFTER = datetime.timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """PEM texts: the CA to trust, the certificate, and its key."""

    ca_pem: str
    certificate_pem: str
    key_pem: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """What a certificate is for: its name, its hosts, and its ends of a connection."""

    name: str
    groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_server: bool = False
    is_client: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority with its key, in memory only."""

    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def new(cls, name: str) -> Authority:
        """Return a new authority called `name`."""
        key = new_key(name)
        subject = _name(name)
        builder = _begin(subject, subject, key.public_key(), is_ca=True)
        return cls(certificate=_signed(builder, key), _key=key)

    @property
    def ca_pem(self) -> str:
        """The certificate that others have to trust."""
        return _pem(self.certificate)

    def sign(self, request: CertificateRequest) -> Certificate:
        """Return a new certificate for `request`, with a new key."""
        key = new_key(f"{request.name}, signed by {self.certificate.subject.rfc4514_string()}")
        subject = _name(request.name, request.groups)
        builder = (
            _begin(subject, self.certificate.subject, key.public_key(), is_ca=False)
            .add_extension(x509.ExtendedKeyUsage(_uses(request)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if hosts := _hosts(request):
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return Certificate(
            ca_pem=self.ca_pem,
            certificate_pem=_pem(_signed(builder, self._key)),
            key_pem=private_pem(key),
        )


def issue(addresses: tuple[str, ...], names: tuple[str, ...]) -> Certificate:
    """Return a new server certificate for IP `addresses` and DNS `names`, and its new CA.

    The key of the CA is dropped at once: it cannot sign another one.
    """
    request = CertificateRequest(name="server", addresses=addresses, names=names, is_server=True)
    return Authority.new("pytest-node-image CA of one run").sign(request)


def new_key(owner: str) -> ec.EllipticCurvePrivateKey:
    """Return a new private key; `owner` names it among those of a play."""

    def make() -> str:
        return private_pem(ec.generate_private_key(ec.SECP256R1())).reveal()

    key = load_pem_private_key(draw(f"P-256 key of {owner}", make).encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"not a key of an elliptic curve: {type(key).__name__}")
    return key


def private_pem(key: ec.EllipticCurvePrivateKey) -> Secret:
    """Return a private key as PEM text, not encrypted."""
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _hosts(request: CertificateRequest) -> list[x509.GeneralName]:
    return [
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in request.addresses),
        *(x509.DNSName(name) for name in request.names),
    ]


def _uses(request: CertificateRequest) -> list[x509.ObjectIdentifier]:
    ends = (
        (request.is_server, ExtendedKeyUsageOID.SERVER_AUTH),
        (request.is_client, ExtendedKeyUsageOID.CLIENT_AUTH),
    )
    return [use for is_wanted, use in ends if is_wanted]


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, is_ca: bool
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID_BEFORE)
        .not_valid_after(now + _VALID_AFTER)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_key_usage(is_ca=is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a signed certificate: a new one, or one drawn before that says the same."""
    fresh = builder.sign(key, hashes.SHA256())
    if not is_drawing():
        return fresh
    drawn = draw(f"certificate {_facts(fresh)}", lambda: _pem(fresh))
    return x509.load_pem_x509_certificate(drawn.encode())


def _facts(certificate: x509.Certificate) -> str:
    """Return a digest of what a certificate says, without its serial number and its times."""
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    names = (certificate.issuer, certificate.subject)
    said = (
        [name.public_bytes() for name in names],
        public,
        [*certificate.extensions],
        certificate.not_valid_after_utc - certificate.not_valid_before_utc,
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _name(text: str, groups: tuple[str, ...] = ()) -> x509.Name:
    organizations = (x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups)
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
