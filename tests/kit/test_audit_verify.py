"""Whoever holds the database can pass its guards; the walk along the chain tells what was done."""

from datetime import UTC, datetime

import pytest

from shared.kit.people import chain
from shared.kit.people.chain import START, Broken, Head, read_head, verify_chain
from tests.kit.audit_book import redact, rows, write
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import House
from tests.kit.superuser import as_superuser

__all__ = ["house", "service"]

UNGUARDED = "SET LOCAL session_replication_role = replica"
# What is done, in SQL; then the entry at which the walk must stop, and why.
TAMPERED = {
    "an actor is another": (
        "UPDATE audit_entries SET actor_kind = 'cli' WHERE number = 3",
        (3, "it was changed"),
    ),
    "its time is another": (
        "UPDATE audit_entries SET at = at + interval '1 microsecond' WHERE number = 2",
        (2, "it was changed"),
    ),
    "its content is another": (
        "UPDATE audit_entries SET after = '[7]' WHERE number = 4",
        (4, "its content was changed"),
    ),
    "its content is another, and so is the hash of it": (
        """UPDATE audit_entries SET after = '[7]' WHERE number = 4;
        UPDATE audit_entries SET content_hash = audit_content_hash(salt, before, after)
        WHERE number = 4""",
        (4, "it was changed"),
    ),
    "one is hashed anew, those after it are not": (
        """UPDATE audit_entries SET action = 'nothing' WHERE number = 2;
        UPDATE audit_entries e SET hash = audit_entry_hash(e, number, previous_hash)
        WHERE number = 2""",
        (3, "it doesn't follow the entry before it"),
    ),
    "its content is gone": (
        "UPDATE audit_entries SET after = NULL WHERE number = 4",
        (4, "its content was changed"),
    ),
    "its content is gone as if redacted": (
        """UPDATE audit_entries
        SET after = NULL, salt = NULL, redacted_at = at, redacted_by = id WHERE number = 4""",
        (4, "its content is gone and no redaction of it is recorded"),
    ),
    "one in the middle is gone": (
        "DELETE FROM audit_entries WHERE number = 3",
        (3, "the entry is missing"),
    ),
    "the first is gone": (
        "DELETE FROM audit_entries WHERE number = 1",
        (1, "the entry is missing"),
    ),
    "the last is gone": (
        "DELETE FROM audit_entries WHERE number = 5",
        (5, "the entry is missing"),
    ),
    "two changed places": (
        """UPDATE audit_entries SET number = 9 WHERE number = 2;
        UPDATE audit_entries SET number = 2 WHERE number = 3;
        UPDATE audit_entries SET number = 3 WHERE number = 9""",
        (2, "it doesn't follow the entry before it"),
    ),
    "the end is cut off, and the number of the head": (
        "DELETE FROM audit_entries WHERE number > 3; UPDATE audit_head SET number = 3",
        (3, "the entry isn't the one that the head of the chain names"),
    ),
    "one stands behind the head": (
        """UPDATE audit_head SET number = 4, hash = e.hash
        FROM audit_entries e WHERE e.number = 4""",
        (5, "the head says 4, the last entry is 5"),
    ),
    "one stands outside": (
        """INSERT INTO audit_entries (id, at, actor_kind, action, object_type, object_id,
            traceparent, salt, content_hash)
        SELECT gen_random_uuid(), at, 'cli', '', '', '', '', salt, content_hash
        FROM audit_entries WHERE number = 1""",
        (6, "1 entries stand outside the chain"),
    ),
    "the head is gone": ("DELETE FROM audit_head", (0, "the head of the chain is missing")),
}
KEEP = """CREATE TABLE kept AS SELECT * FROM audit_entries;
    CREATE TABLE kept_head AS SELECT * FROM audit_head"""
PUT_BACK = """DELETE FROM audit_entries; DELETE FROM audit_head;
    INSERT INTO audit_entries SELECT * FROM kept; INSERT INTO audit_head SELECT * FROM kept_head"""
BEGIN_ANEW = """DELETE FROM audit_entries;
    UPDATE audit_head SET number = 0, hash = decode(repeat('00', 32), 'hex')"""
BORROW_A_REDACTION = """UPDATE audit_entries e
    SET after = NULL, salt = NULL, redacted_at = r.at, redacted_by = r.id
    FROM audit_entries r WHERE e.number = 2 AND r.number = 3"""


async def tamper(url: str, statements: str) -> None:
    """Do it past all guards, as whoever holds the server can."""
    await as_superuser(url, UNGUARDED, *statements.split(";"))


async def verify(house: House, known: Head = START) -> Head:
    return await verify_chain(house.runtime.staff, house.people, known=known)


async def head_of(house: House) -> Head:
    async with house.runtime.staff.read() as session:
        return await read_head(session, house.people)


async def fill(house: House) -> None:
    """Add five entries with all kinds of values."""
    await write(house, "thing.empty")
    await write(house, count=1, nothing=None, yes=True, text='ä "quoted" \\ 漢 \u2028')
    await write(
        house, amount=12345678901234567890, part=0.1, exact=1e30, nested={"b": [1], "a": {}}
    )
    await write(house, at=datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC), zero=-0.0)
    await write(house, "thing.last", text="x" * 10_000)


async def test_a_chain_that_nobody_touched_holds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await verify(house) == START
    await fill(house)
    monkeypatch.setattr(chain, "PAGE", 2)
    assert (await verify(house)).number == 5
    assert await verify(house) == await head_of(house)


async def test_a_chain_holds_with_redactions_in_it(house: House) -> None:
    entries = [await write(house, name=name) for name in ("Anna", "Berta", "Cara")]
    assert await redact(house, entries[:2]) == 2
    await redact(house, entries[2:])
    assert (await verify(house)).number == 5


async def test_the_walk_says_what_was_touched_first(house: House, service: tuple[str, str]) -> None:
    await fill(house)
    await tamper(service[1], KEEP)
    for case, (statements, expected) in TAMPERED.items():
        await tamper(service[1], statements)
        with pytest.raises(Broken) as broken:
            await verify(house)
        assert (broken.value.number, broken.value.why) == expected, case
        await tamper(service[1], PUT_BACK)
    assert (await verify(house)).number == 5


async def test_a_redaction_of_one_entry_does_not_excuse_another(
    house: House, service: tuple[str, str]
) -> None:
    first, _second = await write(house, name="Anna"), await write(house, name="Berta")
    await redact(house, [first])
    await tamper(service[1], BORROW_A_REDACTION)
    with pytest.raises(Broken, match="entry 2: its content is gone and no redaction"):
        await verify(house)


async def test_a_chain_made_anew_is_told_by_a_head_kept_elsewhere(
    house: House, service: tuple[str, str]
) -> None:
    await write(house, name="Anna")
    kept = await head_of(house)
    await write(house, name="Berta")
    assert (await verify(house, Head.parse(f" {kept}\n"))).number == 2
    await tamper(service[1], BEGIN_ANEW)
    with pytest.raises(Broken, match="entry 1: the chain ended at 1 once, entries are gone"):
        await verify(house, kept)
    for name in ("Cara", "Dora", "Emma"):
        await write(house, name=name)
    assert (await verify(house)).number == 3
    with pytest.raises(Broken, match="entry 1: the entry isn't the one of the head that was kept"):
        await verify(house, kept)


@pytest.mark.parametrize("words", ["", "1", "1:ab", f"-1:{'0' * 64}", f"x:{'0' * 64}"])
def test_what_is_no_head_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="a head is"):
        Head.parse(words)


async def test_writers_go_on_while_the_chain_is_walked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "PAGE", 1)
    page = chain._page

    async def page_and_write(*arguments: object, **options: object) -> object:
        await write(house)
        return await page(*arguments, **options)  # type: ignore[arg-type]

    for _ in range(3):
        await write(house)
    monkeypatch.setattr(chain, "_page", page_and_write)
    assert (await verify(house)).number == 3
    assert len(await rows(house)) == 6
