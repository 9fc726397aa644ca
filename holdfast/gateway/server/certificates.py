"""Certificates: one for development, made here, and when any certificate ends.

The development authority signs a certificate for this machine's names; a client that trusts the authority's file can
verify the connection. Both are kept and used again until the certificate has less than a month left. Keys are readable
by their owner alone.
"""

import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 397  # What browsers accept at most.
RENEWAL_DAYS = 30


class DevelopmentCertificate(NamedTuple):
    certificate: Path
    key: Path
    authority: Path  # For clients to trust, for example `SSL_CERT_FILE=…` or `curl --cacert …`.


def development_certificate(directory: Path, hosts: Iterable[str], now_s: float) -> DevelopmentCertificate:
    """A certificate for localhost and `hosts` (names or addresses), from `directory` or made there. OSError passes."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = DevelopmentCertificate(directory / "server.pem", directory / "server.key", directory / "authority.pem")
    names = sorted({"localhost", "127.0.0.1", "::1", *hosts})
    if not _is_usable(files, names, now_s):
        _make(files, names, datetime.fromtimestamp(now_s, UTC))
    return files


def expires_ts_s(certificate: Path) -> int:
    """When the certificate (the first of a PEM file) ends, in seconds since 1970. ValueError when it is none."""
    return int(x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp())


def _is_usable(files: DevelopmentCertificate, names: list[str], now_s: float) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        sought = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    ends_s = certificate.not_valid_after_utc.timestamp()
    return (
        files.key.exists()
        and files.authority.exists()
        and ends_s - now_s > RENEWAL_DAYS * 86_400
        and list(sought) == [_general_name(name) for name in names]
    )


def _make(files: DevelopmentCertificate, names: list[str], now: datetime) -> None:
    """The authority's key is not kept: nobody can sign another certificate with it."""
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Holdfast development authority")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    authority = (
        _builder(issuer, issuer, authority_key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Holdfast development server")])
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    server = (
        _builder(subject, issuer, server_key, now, CERTIFICATE_DAYS)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(files.key, key)
    _write(files.authority, authority.public_bytes(serialization.Encoding.PEM))
    _write(files.certificate, server.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # A client's clock may be a little behind.
        .not_valid_after(now + timedelta(days=days))
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
