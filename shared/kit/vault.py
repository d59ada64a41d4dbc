"""Encrypts what must lie unreadable, and fingerprints what must only be compared."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class VaultError(Exception):
    """A secret can't be read with the keys at hand."""


class Vault:
    """Fernet keys (urlsafe base64 of 32 bytes), newest first; older ones still decrypt."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            message = "at least one secret key is needed"
            raise ValueError(message)
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        # The oldest key signs fingerprints: adding a newer one must not change them.
        self._mac_key = hashlib.sha256(
            b"fingerprint:" + base64.urlsafe_b64decode(keys[-1])
        ).digest()

    def encrypt(self, plain: bytes) -> bytes:
        """Ciphertext under the newest key."""
        return self._fernet.encrypt(plain)

    def decrypt(self, cipher: bytes) -> bytes:
        """Raises VaultError where no key fits."""
        try:
            return self._fernet.decrypt(cipher)
        except InvalidToken as error:
            message = "no key fits this secret"
            raise VaultError(message) from error

    def encrypt_text(self, plain: str) -> bytes:
        """Ciphertext of UTF-8."""
        return self.encrypt(plain.encode())

    def decrypt_text(self, cipher: bytes) -> str:
        """The text again; raises VaultError."""
        return self.decrypt(cipher).decode()

    def fingerprint(self, *parts: bytes) -> bytes:
        """HMAC-SHA256 over the parts, each with its length so that borders can't move."""
        mac = hmac.new(self._mac_key, digestmod=hashlib.sha256)
        for part in parts:
            mac.update(len(part).to_bytes(8, "big"))
            mac.update(part)
        return mac.digest()

    @staticmethod
    def new_key() -> str:
        """A fresh key for the settings."""
        return Fernet.generate_key().decode()
