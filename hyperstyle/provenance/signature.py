"""C2PA manifests: a signed statement in the file that it is AI-edited. Optional; needs c2pa-python and cryptography.

The certificate is made on this machine, for this run of the program, and nobody vouches for it: checkers report a valid
manifest from an untrusted signer. It shows that the file was not changed since it was saved, not who saved it. Nothing
is fetched or sent, no key is kept, and no thumbnail of the picture goes into the manifest.

Source: C2PA Technical Specification 2.2, "Actions" and "Trust model".
"""

from __future__ import annotations

import datetime
import io
import json
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

from hyperstyle.errors import ExtraMissing
from hyperstyle.version import VERSION

PACKAGES = "c2pa-python cryptography"
ORGANISATION = "HyperStyle (self-signed)"
VALID_DAYS = 365
_making = threading.Lock()


@dataclass(frozen=True)
class Credentials:
    """What signs.

    Attributes:
        chain: Certificates in PEM, the signer's own first.
        key: Its private key in PEM.
    """

    chain: bytes
    key: bytes


def signing_credentials() -> Credentials:
    """The certificate and key of this run of the program, made when first asked for.

    Raises:
        ExtraMissing: A package that signing needs is not installed.
    """
    with _making:
        return _make_credentials()


def sign(content: bytes, mime: str, source_type: str, credentials: Credentials) -> bytes:
    """Add a signed manifest to a picture.

    Args:
        content: The encoded picture.
        mime: Its type, for example "image/png".
        source_type: Address of IPTC's digital source type.
        credentials: From `signing_credentials`.

    Returns:
        The picture with the manifest in it; its pixels are those of `content`.
    """
    c2pa, _ = _packages()
    manifest = {
        "claim_generator_info": [{"name": "HyperStyle", "version": VERSION}],
        "format": mime,
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": source_type}]},
            }
        ],
    }
    settings = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"ocsp_fetch": False}}
    signed = io.BytesIO()
    info = c2pa.C2paSignerInfo(b"es256", credentials.chain, credentials.key, None)  # None: no time stamp server
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(json.dumps(manifest), context) as builder,
    ):
        builder.sign(signer, mime, io.BytesIO(content), signed)
    return signed.getvalue()


def _packages() -> tuple[Any, Any]:
    try:
        import c2pa
        from cryptography import x509
    except ImportError:
        raise ExtraMissing(
            f"Signing needs packages that are not installed; run `pip install {PACKAGES}` or leave signing out."
        ) from None
    return c2pa, x509


@cache
def _make_credentials() -> Credentials:
    """Make an authority and a signer under it: the specification does not let an authority sign pictures itself."""
    _, x509 = _packages()
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(common_name: str) -> Any:
        parts = {NameOID.COMMON_NAME: common_name, NameOID.ORGANIZATION_NAME: ORGANISATION}
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts.items()])

    authority_key, signer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority, signer = named("HyperStyle on this machine"), named("This run of HyperStyle")
    now = datetime.datetime.now(datetime.timezone.utc)
    off = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )

    def certificate(subject: Any, key: Any, extensions: list[tuple[Any, bool]]) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
            .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed: bytes = builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return signed

    own = certificate(
        signer,
        signer_key,
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.KeyUsage(digital_signature=True, **off), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False),
        ],
    )
    above = certificate(
        authority,
        authority_key,
        [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (x509.KeyUsage(digital_signature=True, **{**off, "key_cert_sign": True, "crl_sign": True}), True),
        ],
    )
    key = signer_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Credentials(own + above, key)
