"""Keeps the key of the fingerprints in the database, encrypted: so it outlives the secret keys.

A fingerprint can't be made anew, since what was fingerprinted isn't kept, and some are compared for
ever. Therefore their key stays when secret keys go, and is only encrypted anew. It begins as what
earlier releases made from the oldest secret key.
"""

import structlog
from sqlalchemy import Boolean, CheckConstraint, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from shared.kit.columns import Encrypted
from shared.kit.vault import Vault, VaultError

_log = structlog.get_logger(__name__)
_READ = text("SELECT key FROM fingerprint_key")
_KEEP = text(
    "INSERT INTO fingerprint_key (one, key) VALUES (true, :key) ON CONFLICT (one) DO NOTHING"
)


class WrongSecretKeys(Exception):
    """The secret keys of the settings aren't those of this database."""


class FingerprintKeyColumns:
    """The key of the fingerprints: one row, made by the first process that starts."""

    __tablename__ = "fingerprint_key"

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    key: Mapped[bytes] = mapped_column(Encrypted)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        return (CheckConstraint("one", name="one"),)


async def learn_fingerprint_key(engine: AsyncEngine, vault: Vault) -> None:
    """Let the vault use the key that is kept; keep one where there is none.

    `engine` is the staff's. Raises WrongSecretKeys.
    """
    async with engine.begin() as connection:
        cipher = await connection.scalar(_READ)
        if cipher is None:
            await connection.execute(_KEEP, {"key": vault.encrypt(vault.first_fingerprint_key())})
            cipher = await connection.scalar(_READ)
    try:
        vault.use_fingerprint_key(vault.decrypt(cipher))
    except VaultError as error:
        raise WrongSecretKeys(
            "This database was used with other secret keys. Put the one that was taken out of"
            " …_SECRET_KEYS back to their end, run `secrets rotate`, and take it out when `secrets"
            " status` says that nothing is left under it."
        ) from error
    if vault.keys > 1:
        pending = vault.renew(cipher) is not None
        advice = (
            "run `secrets rotate`" if pending else "`secrets status` tells when old ones may go"
        )
        _log.warning("secrets.several_keys", keys=vault.keys, rotated=not pending, advice=advice)
