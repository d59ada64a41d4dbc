"""What a client wants of a TLS server, and how it proves who it is itself.

Knows certificates and their fingerprints (SHA-256 of the whole certificate, as hex), and no HTTP.
"""

import hashlib
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

_HEX = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom to believe: PEM of an authority of one's own, a pin, or both; neither: the system's.

    With a pin alone the certificate is the identity: who signed it, its name and its dates aren't
    looked at. `certificate` (PEM, with its chain) and `key` (PEM) are shown to a server that asks.
    """

    authority: str | None = None
    pin: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)


SYSTEM = Trust()


class _Pinned(ssl.SSLObject):
    """A connection that ends before the first byte where the certificate isn't the pinned one."""

    def do_handshake(self) -> None:
        super().do_handshake()
        shown = self.getpeercert(binary_form=True) or b""
        if hashlib.sha256(shown).hexdigest() != getattr(self.context, "pin", None):
            message = "the certificate isn't the pinned one"
            raise ssl.SSLCertVerificationError(message)


class _Context(ssl.SSLContext):
    pin: str | None = None


def client_context(trust: Trust) -> ssl.SSLContext:
    """What connections that trust so are made with. Raises ValueError for PEM that can't be used.

    TLS 1.2 is the least.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.authority is not None:
        _load(lambda: context.load_verify_locations(cadata=trust.authority))
    elif trust.pin is None:
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if trust.pin is not None:
        context.pin = trust.pin
        context.sslobject_class = _Pinned
    if trust.certificate is not None and trust.key is not None:
        _show(context, trust.certificate, trust.key)
    return context


def read_pin(text: str) -> str:
    """A fingerprint as hex, with or without colons. Raises ValueError."""
    found = text.strip().replace(":", "").lower()
    if not _HEX.match(found):
        raise ValueError("a fingerprint is a SHA-256: 64 hexadecimal digits, colons may part them")
    return found


def read_certificates(pem: str) -> str:
    """The same PEM, where it holds certificates and nothing else. Raises ValueError."""
    found = x509.load_pem_x509_certificates(pem.encode("ascii"))
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in found)


def check_key(certificate: str, key: str) -> None:
    """Raise ValueError where the key can't be read, or isn't the certificate's."""
    try:
        private = load_pem_private_key(key.encode("ascii"), password=None)
    except TypeError:
        raise ValueError("the key is under a password; give it without") from None
    shown = x509.load_pem_x509_certificates(certificate.encode("ascii"))[0]
    if private.public_key() != shown.public_key():
        raise ValueError("the key isn't the certificate's")


def fingerprint(pem: str) -> str:
    """The SHA-256 of the first certificate, as hex."""
    first = x509.load_pem_x509_certificates(pem.encode("ascii"))[0]
    return hashlib.sha256(first.public_bytes(Encoding.DER)).hexdigest()


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """OpenSSL reads files only, so it gets one that lies in memory and has no name."""
    file = os.memfd_create("certificate")
    try:
        os.write(file, f"{certificate}\n{key}\n".encode("ascii"))
        _load(lambda: context.load_cert_chain(f"/proc/self/fd/{file}"))
    finally:
        os.close(file)


def _load(load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise ValueError(f"OpenSSL can't use it: {error.reason}") from error
