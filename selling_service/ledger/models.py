"""Tables of the partners' money, and the books on them; made for a partner when first needed."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base
from selling_service.ledger.rules import ByHand
from shared.kit.bookkeeping import BalanceColumns, Books, EntryColumns, HoldColumns


class Balance(BalanceColumns, Base):
    """What the provider owes a partner, or the partner owes within its credit limit."""

    __tablename__ = "balances"

    tenant_id: Mapped[UUID] = mapped_column(
        "partner_id", ForeignKey("partners.id"), primary_key=True
    )


class Hold(HoldColumns, Base):
    """Money of an order that isn't active yet."""

    __tablename__ = "holds"

    tenant_id: Mapped[UUID] = mapped_column("partner_id", ForeignKey("partners.id"), index=True)


class Entry(EntryColumns, Base):
    """One side of a money transaction."""

    __tablename__ = "entries"

    tenant_id: Mapped[UUID] = mapped_column("partner_id", ForeignKey("partners.id"), index=True)


# An operation names its hold together with the partner, so that it can't be another one's.
Index("uq_holds_partner_id_id", Hold.tenant_id, Hold.id, unique=True)

# What staff book by hand has a reference of theirs: a doubled click is not a doubled top-up.
Index(
    "uq_entries_by_hand",
    Entry.tenant_id,
    Entry.reference,
    unique=True,
    postgresql_where=text(f"book = 'balance' AND kind IN {tuple(str(kind) for kind in ByHand)}"),
)

# A service's charges are compared with what its partner knows of.
Index(
    "ix_entries_service",
    Entry.tenant_id,
    Entry.service_id,
    postgresql_where=text("book = 'balance'"),
)

BOOKS = Books(balances=Balance, holds=Hold, entries=Entry)
