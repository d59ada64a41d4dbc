"""Every SELECT on the clients' money. Of a client it knows the id, and whether there is one."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, column, exists, select, table

from reselling_service.ledger.models import TOP_UP, Balance, Entry, Hold
from shared.kit.bookkeeping import Book
from shared.kit.db import ReadSession, WriteSession
from shared.kit.principals import ClientId

# The room of clients stands beside this one and can't be imported. Only the id is looked at.
_CLIENTS = table("clients", column("client_id"), column("erased_at"))


async def client_exists(session: ReadSession, client_id: ClientId) -> bool:
    """Whether there is such a client, or was."""
    wanted = _CLIENTS.c.client_id == client_id
    return bool(await session.scalar(select(exists().where(wanted))))


async def client_is_erased(session: ReadSession, client_id: ClientId) -> bool:
    """Whether nobody knows any more who this client was."""
    wanted = (_CLIENTS.c.client_id == client_id, _CLIENTS.c.erased_at.is_not(None))
    return bool(await session.scalar(select(exists().where(*wanted))))


async def lock_balance(session: WriteSession, client_id: ClientId) -> None:
    """Keep the client's balance still until the transaction ends."""
    statement = select(Balance.tenant_id).where(Balance.tenant_id == client_id)
    await session.execute(statement.with_for_update())


async def find_top_up(
    session: ReadSession, client_id: ClientId, *, reference: UUID
) -> Entry | None:
    """The entry of a top-up, if there was one under this reference."""
    return (await session.scalars(_top_up(client_id, reference))).one_or_none()


async def get_top_up(session: ReadSession, client_id: ClientId, *, reference: UUID) -> Entry:
    """The entry of a top-up that was made."""
    return (await session.scalars(_top_up(client_id, reference))).one()


def _top_up(client_id: ClientId, reference: UUID) -> Select[Entry]:
    return select(Entry).where(
        Entry.tenant_id == client_id,
        Entry.reference == reference,
        Entry.kind == TOP_UP,
        Entry.book == Book.BALANCE,
    )


async def list_statement(
    session: ReadSession, client_id: ClientId, *, after: UUID | None, limit: int
) -> Sequence[Entry]:
    """Up to `limit + 1` movements of the client's balance, in the order of their commits."""
    mine = (Entry.tenant_id == client_id, Entry.book == Book.BALANCE)
    statement = select(Entry).where(*mine)
    if after is not None:
        last = select(Entry.number).where(*mine, Entry.id == after).scalar_subquery()
        statement = statement.where(Entry.number > last)
    return (await session.scalars(statement.order_by(Entry.number).limit(limit + 1))).all()


async def list_holds(
    session: ReadSession,
    client_id: ClientId | None,
    *,
    state: str | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Hold]:
    """Up to `limit + 1` holds of one client or of all (staff only), oldest first."""
    wanted: list[ColumnElement[bool]] = []
    if client_id is not None:
        wanted.append(Hold.tenant_id == client_id)
    if state is not None:
        wanted.append(Hold.state == state)
    if after is not None:
        wanted.append(Hold.id > after)
    statement = select(Hold).where(*wanted).order_by(Hold.id).limit(limit + 1)
    return (await session.scalars(statement)).all()
