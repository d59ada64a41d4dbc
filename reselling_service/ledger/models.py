"""Tables of the clients' money."""

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base
from shared.kit.bookkeeping import BalanceColumns, Books, EntryColumns, HoldColumns


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


BOOKS = Books(balances=Balance, holds=Hold, entries=Entry)
