"""Makes and checks bearer secrets: API keys (`prefix_<id>_<secret>`) and session tokens."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made. `token` is shown once; only `secret_hash` is kept."""

    id: UUID
    token: str = field(repr=False)
    secret_hash: bytes


def hash_secret(secret: str) -> bytes:
    """SHA-256: the secrets here have 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def make_key(prefix: str) -> NewKey:
    """A new key, e.g. with prefix `tps`: `tps_<32 hex digits>_<43 characters>`."""
    key_id = new_id()
    secret = secrets.token_urlsafe(32)
    return NewKey(
        id=key_id, token=f"{prefix}_{key_id.hex}_{secret}", secret_hash=hash_secret(secret)
    )


def split_key(token: str, *, prefix: str) -> tuple[UUID, str] | None:
    """The id and the secret of a key, or None where it isn't one."""
    head, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    if head != prefix or not secret:
        return None
    try:
        return UUID(hex=key_id), secret
    except ValueError:
        return None


def secret_matches(secret: str, secret_hash: bytes) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(hash_secret(secret), secret_hash)


def make_session_token() -> tuple[str, bytes]:
    """A token for a login session, and the hash under which it is kept."""
    token = secrets.token_urlsafe(32)
    return token, hash_secret(token)
