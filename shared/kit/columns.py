"""Kinds of columns whose bytes mean nothing to a reader: ciphertext, and hashes of what isn't kept.

Every column of bytes is one of these. What is `Encrypted` is what a rotation of the secret keys
encrypts anew, so that a column of another kind would be forgotten by it.
"""

from sqlalchemy import LargeBinary


class Encrypted(LargeBinary):
    """Written by `Vault.encrypt`, and nobody else."""


class Hashed(LargeBinary):
    """A hash or an HMAC: compared, never read. Also random salt, and what is hashed with it."""
