"""What monitoring sees of a desk: how much needs a person, and how much is set aside."""

from collections.abc import Awaitable, Callable, Iterable

import structlog
from prometheus_client import Gauge

from shared.kit.db import DATABASE_AWAY, Database, ReadSession

_log = structlog.get_logger(__name__)
_ITEMS = Gauge("tandem_desk_items", "Things that need a person", ["kind", "state"])
_PARKED = Gauge("tandem_parked", "Services and accounts set aside for their books", ["kind"])
_PARKED_STATE = "parked"
_PARKABLE = ("service", "account")

Count = Callable[[ReadSession], Awaitable[Iterable[tuple[str, str, int]]]]


def desk_gauges(database: Database, count: Count) -> Callable[[], Awaitable[None]]:
    """A function that counts anew; where the database is away, the figures are absent."""

    async def refresh() -> None:
        _ITEMS.clear()
        _PARKED.clear()
        try:
            async with database.read() as session:
                found = list(await count(session))
        except DATABASE_AWAY as error:
            _log.warning("desk.uncounted", error=type(error).__name__)
            return
        for kind, state, number in found:
            _ITEMS.labels(kind, state).set(number)
        parked = {kind: number for kind, state, number in found if state == _PARKED_STATE}
        for kind in _PARKABLE:
            _PARKED.labels(kind).set(parked.get(kind, 0))

    return refresh
