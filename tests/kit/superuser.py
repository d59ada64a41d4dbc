"""What somebody does who holds the database itself: no role, no walls."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def as_superuser(url: str, *statements: str) -> list[Any]:
    """Run these in one transaction; the rows of the last, where it has any."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            for statement in statements[:-1]:
                await connection.execute(text(statement))
            result = await connection.execute(text(statements[-1]))
            return list(result.all()) if result.returns_rows else []
    finally:
        await engine.dispose()
