"""Lets all engines of a test process compile each SQL statement once, and not once each.

SQLAlchemy keeps compiled statements per engine, since dialects may differ. Each test has an engine
of its own, all dialects of a process are alike, and half of a short test's time went into it.
"""

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.util import LRUCache

MOST_STATEMENTS = 3000


def compile_once() -> None:
    """Do it from now on. Touches what SQLAlchemy calls private: without it, tests are only slow."""
    cache = LRUCache[object, object](MOST_STATEMENTS)
    Engine._compiled_cache = property(  # type: ignore[assignment]
        lambda _engine: cache, lambda _engine, _own: None
    )
    # Dialects are part of the key, also in the caches that mappers have.
    PGDialect_asyncpg.__eq__ = lambda self, other: type(other) is type(self)  # type: ignore[method-assign]
    PGDialect_asyncpg.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
