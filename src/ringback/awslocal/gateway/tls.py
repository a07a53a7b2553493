"""A certificate of this machine's own, so that ``https://{domainName}/{stage}`` works here too.

Functions commonly make the address of ``@connections`` so, out of the event. They take the
certificate where their environment says: ``AWS_CA_BUNDLE`` for boto3 and the AWS CLI,
``NODE_EXTRA_CA_CERTS`` for Node.js.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "*.localhost")
ADDRESSES = ("127.0.0.1", "::1")
VALID = timedelta(days=30)
"""From a start to the last day it may run."""
EARLIER = timedelta(hours=1)
"""For clocks that differ."""


def certify(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server speaks TLS with, and the file that its clients are to trust. The key never
    lies in a file for longer than it takes to read it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ringback aws local")])
    now = datetime.now(UTC)
    sans: list[x509.GeneralName] = [x509.DNSName(each) for each in NAMES]
    sans += [x509.IPAddress(ipaddress.ip_address(each)) for each in ADDRESSES]
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    trusted, secret = folder / "gateway.pem", folder / "gateway.key"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(trusted, secret)
    finally:
        secret.unlink()
    # Nothing but HTTP/1.1 is spoken: clients that would rather have HTTP/2 are told.
    context.set_alpn_protocols(["http/1.1"])
    return context, trusted
