"""Digests of ranges of random ids, computed in PostgreSQL, so that a million rows stay there.

Ids are cut into ranges by their leading hexadecimal digits, two at a time: 256 ranges, and 256 in
each of those. A range's digest is the sum of 60 bits of the MD5 of each row's line: it needs no
order and no memory. Both services compute it by the same words, also on different PostgreSQL.
It finds mistakes and losses; against a seller that lies about its own rows no digest helps.
"""

from uuid import UUID

# How many digits a prefix may have. Two more are the ranges that are told.
PREFIX_LENGTHS = (0, 2, 4, 6)
# A range with more rows than this is cut again instead of being listed.
LIST_AT_MOST = 200
_DIGITS = 32


def bounds(prefix: str) -> tuple[UUID, UUID]:
    """The first and the last id that begins with these hexadecimal digits."""
    return UUID(prefix.ljust(_DIGITS, "0")), UUID(prefix.ljust(_DIGITS, "f"))


def digest_sql(lines: str) -> str:
    """A SELECT of prefix, count and digest per range, over a SELECT of `ref` and `line`.

    Parameter `width`: how many digits the told prefixes have, at most eight.
    """
    return f"""
        SELECT left(ref::text, :width) COLLATE "C" AS prefix, count(*) AS count,
            to_hex(mod(sum(('x' || left(md5(line), 15))::bit(60)::bigint),
                1152921504606846976)::bigint) AS digest
        FROM ({lines}) rows GROUP BY 1 ORDER BY 1
    """  # noqa: S608 - a SELECT of our own
