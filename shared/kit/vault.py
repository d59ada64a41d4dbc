"""Encrypts what must lie unreadable, and fingerprints what must only be compared."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class VaultError(Exception):
    """A secret can't be read with the keys at hand."""


class Vault:
    """Fernet keys (urlsafe base64 of 32 bytes), newest first; older ones still decrypt.

    Fingerprints are made with a key of their own, which no rotation changes: where
    `own_fingerprint_key`, the one that `use_fingerprint_key` will tell, else what the oldest of the
    keys gives.
    """

    def __init__(self, keys: Sequence[str], *, own_fingerprint_key: bool = False) -> None:
        if not keys:
            message = "at least one secret key is needed"
            raise ValueError(message)
        fernets = [Fernet(key) for key in keys]
        self._newest, self._all = fernets[0], MultiFernet(fernets)
        self.keys = len(fernets)
        self._oldest = keys[-1]
        self._mac_key = None if own_fingerprint_key else self.first_fingerprint_key()

    def __repr__(self) -> str:
        return f"<Vault of {self.keys}>"

    def encrypt(self, plain: bytes) -> bytes:
        """Ciphertext under the newest key."""
        return self._newest.encrypt(plain)

    def decrypt(self, cipher: bytes) -> bytes:
        """Raises VaultError where no key fits."""
        try:
            return self._all.decrypt(cipher)
        except InvalidToken as error:
            message = "no key fits this secret"
            raise VaultError(message) from error

    def encrypt_text(self, plain: str) -> bytes:
        """Ciphertext of UTF-8."""
        return self.encrypt(plain.encode())

    def decrypt_text(self, cipher: bytes) -> str:
        """The text again; raises VaultError."""
        return self.decrypt(cipher).decode()

    def renew(self, cipher: bytes) -> bytes | None:
        """The same under the newest key; None where it is already. Raises VaultError."""
        try:
            self._newest.decrypt(cipher)
        except InvalidToken:
            return self.encrypt(self.decrypt(cipher))
        return None

    def first_fingerprint_key(self) -> bytes:
        """The key that fingerprints were made with before they had one of their own."""
        return hashlib.sha256(b"fingerprint:" + base64.urlsafe_b64decode(self._oldest)).digest()

    def use_fingerprint_key(self, key: bytes) -> None:
        """Make fingerprints with this one."""
        self._mac_key = key

    @property
    def ready(self) -> bool:
        """Whether fingerprints can be made."""
        return self._mac_key is not None

    def fingerprint(self, *parts: bytes) -> bytes:
        """HMAC-SHA256 over the parts, each with its length so that borders can't move."""
        if self._mac_key is None:
            message = "the key of the fingerprints wasn't read yet"
            raise VaultError(message)
        mac = hmac.new(self._mac_key, digestmod=hashlib.sha256)
        for part in parts:
            mac.update(len(part).to_bytes(8, "big"))
            mac.update(part)
        return mac.digest()

    @staticmethod
    def new_key() -> str:
        """A fresh key for the settings."""
        return Fernet.generate_key().decode()
