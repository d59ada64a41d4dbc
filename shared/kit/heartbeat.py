"""Asks for the heartbeat of the worker on this very host, as a container's health check does.

`python -m shared.kit.heartbeat SELLING_APP_DATABASE_URL` names the variable with the URL that the
worker works with: only its own login sees from which address it is connected. Exits 0 or 1.
It runs every few seconds, and so imports little.
"""

import asyncio
import os
import sys

import asyncpg

ANSWER_SECONDS = 5.0
SEEN_WITHIN_SECONDS = 10.0
# The connection that writes a worker's heartbeat also holds the lock with its number.
_LOOK = """
SELECT EXISTS (
    SELECT FROM workers
    JOIN pg_locks ON locktype = 'advisory' AND objid = worker::bigint
    JOIN pg_stat_activity USING (pid)
    WHERE seen_at > clock_timestamp() - $1 * interval '1 second'
      AND client_addr IS NOT DISTINCT FROM inet_client_addr()
)
"""


async def is_beating(url: str) -> bool:
    """Whether a worker that is connected from our own address was seen lately."""
    connection = await asyncpg.connect(
        url.replace("+asyncpg", "", 1), timeout=ANSWER_SECONDS, command_timeout=ANSWER_SECONDS
    )
    try:
        found: bool = await connection.fetchval(_LOOK, SEEN_WITHIN_SECONDS)
    finally:
        await connection.close()
    return found


def main(arguments: list[str]) -> None:
    """Exit 0 where it beats."""
    if len(arguments) != 1:
        sys.exit("usage: python -m shared.kit.heartbeat NAME_OF_THE_VARIABLE_WITH_THE_URL")
    if not asyncio.run(is_beating(os.environ[arguments[0]])):
        sys.exit("no heartbeat")


if __name__ == "__main__":
    main(sys.argv[1:])
