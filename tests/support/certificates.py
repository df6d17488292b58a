"""Certificates to sign with, issued by an authority of the test's own (package cryptography)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "RSA-1024": lambda: rsa.generate_private_key(65537, 1024),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
}
USES = {
    "e-mail": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
}


def write_certificate(
    folder: Path,
    *,
    kind: str = "P-256",
    use: str = "e-mail",
    days: int = 30,
    passphrase: bytes | None = None,
    self_signed: bool = False,
) -> tuple[Path, Path]:
    """Writes the certificate of Anna, of Studio Anna, and her key; returns both paths."""
    authority = ec.generate_private_key(ec.SECP256R1())
    key = KEYS[kind]()
    issuer = (key, "Anna") if self_signed else (authority, "Test authority")
    chain = [_certificate("Anna", key, *issuer, days=days, use=use)]
    if not self_signed:
        chain.append(_certificate("Test authority", authority, authority, "Test authority"))
    certificate, secret = folder / "anna.pem", folder / "anna.key.pem"
    certificate.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    hidden = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
    return certificate, secret


def _certificate(
    subject: str, key: Any, issuer_key: Any, issuer: str, *, days: int = 30, use: str = ""
) -> x509.Certificate:
    authority = not use
    ends = datetime.now(timezone.utc) + timedelta(days=days)
    names = dict.fromkeys(("digital_signature", "content_commitment"), not authority)
    names |= dict.fromkeys(("key_cert_sign", "crl_sign"), authority)
    rest = ("key_encipherment", "data_encipherment", "key_agreement")
    usage = x509.KeyUsage(
        **names, **dict.fromkeys((*rest, "encipher_only", "decipher_only"), False)
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=60))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
        )
    )
    if use:
        builder = builder.add_extension(x509.ExtendedKeyUsage([USES[use]]), False)
    edwards = isinstance(issuer_key, ed25519.Ed25519PrivateKey)
    return builder.sign(issuer_key, None if edwards else SHA256())


def _name(person: str) -> x509.Name:
    named = ((NameOID.COMMON_NAME, person), (NameOID.ORGANIZATION_NAME, f"Studio {person}"))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in named])
