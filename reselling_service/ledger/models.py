"""Tables of the clients' money, and the books on them; made for a client when first needed."""

from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base
from shared.kit.bookkeeping import BalanceColumns, Books, EntryColumns, HoldColumns

TOP_UP = "top_up"


class Balance(BalanceColumns, Base):
    """A client's balance."""

    __tablename__ = "balances"

    tenant_id: Mapped[UUID] = mapped_column("client_id", primary_key=True)


class Hold(HoldColumns, Base):
    """Money of a command that isn't done yet."""

    __tablename__ = "holds"

    tenant_id: Mapped[UUID] = mapped_column("client_id", index=True)


class Entry(EntryColumns, Base):
    """One side of a money transaction."""

    __tablename__ = "entries"

    tenant_id: Mapped[UUID] = mapped_column("client_id", index=True)


# A button clicked twice sends one reference: the same money is never added again.
Index(
    "uq_entries_top_up",
    Entry.tenant_id,
    Entry.reference,
    unique=True,
    postgresql_where=text("kind = 'top_up' AND book = 'balance'"),
)


BOOKS = Books(balances=Balance, holds=Hold, entries=Entry)
