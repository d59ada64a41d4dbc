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
    """What `/readyz` asks: `database`, `migrations` (at their newest), `worker` (seen lately).

    Tables that a later release has moved on are fine: its migrations work with the code before it,
    which goes on until it is replaced.
    """
    scripts = ScriptDirectory(str(migrations))
    heads = sorted(scripts.get_heads())
    older = {script.revision for script in scripts.walk_revisions()} - {*heads}

    def fits(versions: list[str] | None) -> bool:
        return versions == heads or (bool(versions) and older.isdisjoint(versions or ()))

    async def ready() -> dict[str, bool]:
        try:
            async with database.read() as session:
                found = (await session.execute(_LOOK, {"seconds": SEEN_WITHIN_SECONDS})).one()
        except DATABASE_AWAY as error:
            _log.warning("readiness.database_away", error=type(error).__name__)
            return {"database": False, "migrations": False, "worker": False}
        return {"database": True, "migrations": fits(found.versions), "worker": found.worker}

    return ready
