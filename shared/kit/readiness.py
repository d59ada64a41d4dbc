"""Looks whether a service can work: its database, its migrations, its workers' heartbeat."""

from pathlib import Path

import structlog
from alembic.script import ScriptDirectory
from sqlalchemy import text

from shared.kit.db import DATABASE_AWAY, Database
from shared.kit.web import ReadyCheck

_log = structlog.get_logger(__name__)
_LOOK = text("""
SELECT (SELECT array_agg(version_num ORDER BY version_num) FROM alembic_version) AS versions,
       EXISTS (SELECT FROM workers
               WHERE seen_at > clock_timestamp() - :seconds * interval '1 second') AS worker
""")
SEEN_WITHIN_SECONDS = 10


def ready_check(database: Database, *, migrations: Path) -> ReadyCheck:
    """What `/readyz` asks: `database`, `migrations` (at their newest), `worker` (seen lately)."""
    heads = sorted(ScriptDirectory(str(migrations)).get_heads())

    async def ready() -> dict[str, bool]:
        try:
            async with database.read() as session:
                found = (await session.execute(_LOOK, {"seconds": SEEN_WITHIN_SECONDS})).one()
        except DATABASE_AWAY as error:
            _log.warning("readiness.database_away", error=type(error).__name__)
            return {"database": False, "migrations": False, "worker": False}
        return {"database": True, "migrations": found.versions == heads, "worker": found.worker}

    return ready
