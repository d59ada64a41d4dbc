"""What monitoring sees of a desk: how much needs a person, by kind and state."""

from collections.abc import Awaitable, Callable, Iterable

import structlog
from prometheus_client import Gauge

from shared.kit.db import DATABASE_AWAY, Database, ReadSession

_log = structlog.get_logger(__name__)
_ITEMS = Gauge("tandem_desk_items", "Things that need a person", ["kind", "state"])

Count = Callable[[ReadSession], Awaitable[Iterable[tuple[str, str, int]]]]


def desk_gauges(database: Database, count: Count) -> Callable[[], Awaitable[None]]:
    """A function that counts anew; where the database is away, the figures are absent."""

    async def refresh() -> None:
        _ITEMS.clear()
        try:
            async with database.read() as session:
                found = list(await count(session))
        except DATABASE_AWAY as error:
            _log.warning("desk.uncounted", error=type(error).__name__)
            return
        for kind, state, number in found:
            _ITEMS.labels(kind, state).set(number)

    return refresh
