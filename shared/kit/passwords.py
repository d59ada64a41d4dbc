"""Hashes and checks passwords of people with argon2id, in a thread: it takes 0.1 s."""

import asyncio

from pwdlib import PasswordHash

_HASHER = PasswordHash.recommended()
# Checked where there is no such login, so that the answer takes as long as with one.
_DECOY = _HASHER.hash("no such login")


async def hash_password(password: str) -> str:
    """The encoded argon2id hash."""
    return await asyncio.to_thread(_HASHER.hash, password)


async def verify_password(password: str, encoded: str | None) -> bool:
    """Whether it fits; None as hash takes the same time and is always false."""
    fits = await asyncio.to_thread(_HASHER.verify, password, encoded or _DECOY)
    return fits and encoded is not None
