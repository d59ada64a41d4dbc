"""Tables of partners, their installations and their keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import TENANT_SETTING, Base
from shared.kit import rls
from shared.kit.columns import Hashed


class Partner(Base):
    """A reseller as the provider sees it. `state`: active, no_new_orders, blocked."""

    __tablename__ = "partners"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'no_new_orders', 'blocked')", name="state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    state: Mapped[str] = mapped_column(Text, default="active")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Installation(Base):
    """One reselling installation of a partner; several may share the partner's account."""

    __tablename__ = "installations"
    __table_args__ = (UniqueConstraint("partner_id", "name"), UniqueConstraint("partner_id", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"))
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PartnerKey(Base):
    """A bearer key. The secret is kept as a hash; `revoked_at` and `expires_at` end it.

    With `client_certificate` (SHA-256, hex) it is good only where that one is shown.
    """

    __tablename__ = "partner_keys"
    __table_args__ = (
        ForeignKeyConstraint(
            ["partner_id", "installation_id"], ["installations.partner_id", "installations.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"), index=True)
    installation_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[bytes] = mapped_column(Hashed)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    allowed_networks: Mapped[list[str]] = mapped_column(ARRAY(Text))
    client_certificate: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def guard_partners() -> list[str]:
    """SQL for the migration that makes these tables, after its grants.

    The partners' login reads its own partner and its installations. Keys it can't read at all: a
    key is looked up before there is a principal, by a function that answers for one id only.
    """
    return [
        *rls.protect("partners", column="id", setting=TENANT_SETTING),
        f"REVOKE ALL ON partners, installations, partner_keys FROM {rls.APP_ROLE}",
        f"GRANT SELECT ON partners, installations TO {rls.APP_ROLE}",
        """
        CREATE FUNCTION partner_key_lookup(wanted uuid) RETURNS TABLE (
            key_id uuid, partner_id uuid, installation_id uuid, secret_hash bytea, scopes text[],
            allowed_networks text[], expires_at timestamptz, revoked_at timestamptz,
            state text, name text, client_certificate text
        ) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
            SELECT k.id, k.partner_id, k.installation_id, k.secret_hash, k.scopes,
                   k.allowed_networks, k.expires_at, k.revoked_at, p.state, p.name,
                   k.client_certificate
            FROM public.partner_keys k JOIN public.partners p ON p.id = k.partner_id
            WHERE k.id = wanted
        $$
        """,
        "REVOKE ALL ON FUNCTION partner_key_lookup(uuid) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION partner_key_lookup(uuid) TO {rls.APP_ROLE}, {rls.STAFF_ROLE}",
    ]
