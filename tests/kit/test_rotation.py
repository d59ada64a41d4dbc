"""A secret key leaves: everything under it is encrypted anew first, while others write."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import LargeBinary, MetaData, text
from sqlalchemy.exc import DBAPIError

from reselling_service.database import Base as ResellingBase
from selling_service.database import TENANT_SETTING
from selling_service.database import Base as SellingBase
from selling_service.settings import SellingSettings
from shared.kit import fingerprints, rotation
from shared.kit.columns import Encrypted, Hashed
from shared.kit.fingerprints import WrongSecretKeys
from shared.kit.ids import new_id
from shared.kit.rotation import (
    UnknownColumns,
    count_secrets,
    encrypted_tables,
    load_models,
    rotate_secrets,
)
from shared.kit.runtime import Runtime
from shared.kit.vault import Vault, VaultError
from tests.kit.superuser import as_superuser

OLD, NEW = Vault.new_key(), Vault.new_key()
# Whose endpoint it is doesn't matter here: the foreign key is dropped.
ENDPOINT = """
INSERT INTO webhook_endpoints
    (id, partner_id, installation_id, url, secret, old_secret, state, created_at)
VALUES (:id, :id, :id, 'https://example.com', :secret, :old_secret, 'active', clock_timestamp())
"""
SECRETS = "SELECT id, secret, old_secret FROM webhook_endpoints ORDER BY id"


@pytest.fixture(scope="module", autouse=True)
def all_models() -> None:
    load_models("selling_service")
    load_models("reselling_service")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    # A logger that has spoken keeps where it spoke to, so a new one takes its place.
    monkeypatch.setattr(fingerprints, "_log", structlog.get_logger())
    with structlog.testing.capture_logs() as lines:
        yield lines


@asynccontextmanager
async def running(url: str, *keys: str) -> AsyncIterator[Runtime[SellingSettings]]:
    """Run a process with these keys, newest first."""
    settings = SellingSettings(
        database_url=SecretStr(url), secret_keys=[SecretStr(key) for key in keys], pool_size=3
    )
    runtime = Runtime(settings, tenant_setting=TENANT_SETTING)
    async with runtime.running():
        yield runtime


async def plant(runtime: Runtime[SellingSettings], numbers: Sequence[int]) -> None:
    """Add endpoints with a secret; every second has an old one, too."""
    rows = [
        {
            "id": new_id(),
            "secret": runtime.vault.encrypt_text(f"secret {number}"),
            "old_secret": runtime.vault.encrypt_text(f"old {number}") if number % 2 else None,
        }
        for number in numbers
    ]
    async with runtime.staff.write() as session:
        await session.execute(text(ENDPOINT), rows)


def planted(numbers: Sequence[int]) -> list[tuple[str, str | None]]:
    return [(f"secret {number}", f"old {number}" if number % 2 else None) for number in numbers]


async def read(runtime: Runtime[SellingSettings]) -> list[tuple[str, str | None]]:
    """Decrypt all of them again."""
    async with runtime.staff.read() as session:
        rows = (await session.execute(text(SECRETS))).all()
    open_ = runtime.vault.decrypt_text
    return [(open_(row.secret), row.old_secret and open_(row.old_secret)) for row in rows]


@pytest.fixture
async def url(selling_database_url: str) -> str:
    drop = "ALTER TABLE webhook_endpoints DROP CONSTRAINT "
    foreign = "fk_webhook_endpoints_partner_id_installation_id_installations"
    await as_superuser(
        selling_database_url,
        drop + foreign,
        drop + "uq_webhook_endpoints_partner_id_installation_id_url",
    )
    return selling_database_url


async def test_everything_is_readable_without_the_old_key_afterwards(url: str) -> None:
    async with running(url, OLD) as before:
        await plant(before, range(7))
        fingerprint = before.vault.fingerprint(b"an order")
    async with running(url, NEW, OLD) as both:
        assert (await count_secrets(both.staff, SellingBase.metadata)).older == 11
        assert await rotate_secrets(both.staff, SellingBase.metadata) == 8
        assert (await count_secrets(both.staff, SellingBase.metadata)).older == 0
        assert await rotate_secrets(both.staff, SellingBase.metadata) == 0
    async with running(url, NEW) as after:
        assert await read(after) == planted(range(7))
        assert after.vault.fingerprint(b"an order") == fingerprint
    old = Vault([OLD])
    for row in await as_superuser(url, SECRETS):
        with pytest.raises(VaultError):
            old.decrypt(row.secret)


async def test_fingerprints_are_the_same_on_whatever_end_a_key_is_added(url: str) -> None:
    found = set()
    for keys in ((OLD,), (OLD, NEW), (NEW, OLD)):
        async with running(url, *keys) as process:
            found.add(process.vault.fingerprint(b"an order"))
    assert found == {Vault([OLD]).fingerprint(b"an order")}


async def test_processes_that_start_together_keep_one_key(url: str) -> None:
    async def start() -> bytes:
        async with running(url, OLD) as process:
            return process.vault.fingerprint(b"x")

    assert len(set(await asyncio.gather(*(start() for _ in range(5))))) == 1


async def test_a_key_that_left_too_early_keeps_a_process_from_starting(url: str) -> None:
    async with running(url, OLD):
        pass
    with pytest.raises(WrongSecretKeys, match="Put the one that was taken out"):
        async with running(url, NEW):
            pass


async def test_a_row_that_somebody_holds_is_left_to_the_next_pass_and_nobody_waits(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PASSES", 1)
    async with running(url, OLD) as before:
        await plant(before, range(3))
    async with running(url, NEW, OLD) as both:
        hold = "SELECT id FROM webhook_endpoints ORDER BY id LIMIT 1 FOR UPDATE"
        async with both.staff.write() as holder, asyncio.timeout(20):
            await holder.execute(text(hold))
            assert await rotate_secrets(both.staff, SellingBase.metadata) == 3
        assert (await count_secrets(both.staff, SellingBase.metadata)).older == 1
        assert await rotate_secrets(both.staff, SellingBase.metadata) == 1
        assert await read(both) == planted(range(3))


async def test_a_rotation_that_was_broken_off_goes_on_where_it_was(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    async with running(url, OLD) as before:
        await plant(before, range(9))
    renew, calls = rotation._rotate_rows, 0

    async def fail_the_third_time(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ConnectionResetError
        return await renew(*arguments)

    async with running(url, NEW, OLD) as both:
        monkeypatch.setattr(rotation, "_rotate_rows", fail_the_third_time)
        with pytest.raises(ConnectionResetError):
            await rotate_secrets(both.staff, SellingBase.metadata)
        monkeypatch.setattr(rotation, "_rotate_rows", renew)
        assert await rotate_secrets(both.staff, SellingBase.metadata) == 6
        assert await read(both) == planted(range(9))
        assert (await count_secrets(both.staff, SellingBase.metadata)).older == 0


async def test_what_changes_meanwhile_is_not_overwritten(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(url, OLD) as before:
        await plant(before, range(2))
    renew = rotation._rotate_rows
    async with running(url, NEW, OLD) as both:

        async def change_first(*arguments: Any) -> int:
            newer = both.vault.encrypt_text("newer")
            async with both.staff.write() as session:
                change = text("UPDATE webhook_endpoints SET secret = :newer")
                await session.execute(change, {"newer": newer})
            monkeypatch.setattr(rotation, "_rotate_rows", renew)
            return await renew(*arguments)

        monkeypatch.setattr(rotation, "_rotate_rows", change_first)
        await rotate_secrets(both.staff, SellingBase.metadata)
        assert await read(both) == [("newer", None), ("newer", "old 1")]


async def test_what_no_key_opens_is_counted_and_left_alone(url: str) -> None:
    async with running(url, OLD) as before:
        await plant(before, range(2))
        lost = {"lost": Vault([Vault.new_key()]).encrypt_text("lost")}
        async with before.staff.write() as session:
            await session.execute(text("UPDATE webhook_endpoints SET secret = :lost"), lost)
    async with running(url, NEW, OLD) as both:
        await rotate_secrets(both.staff, SellingBase.metadata)
        counts = await count_secrets(both.staff, SellingBase.metadata)
        assert (counts.older, counts.unreadable) == (0, 2)
        assert counts.columns["webhook_endpoints.secret"].unreadable == 2
        found = await as_superuser(url, SECRETS)
    assert {row.secret for row in found} == {lost["lost"]}


async def test_a_process_says_that_older_keys_are_there_and_whether_they_may_go(
    url: str, log: list[Any]
) -> None:
    async with running(url, OLD):
        assert [line for line in log if line["event"].startswith("secrets.")] == []
    async with running(url, NEW, OLD) as both:
        await rotate_secrets(both.staff, SellingBase.metadata)
    async with running(url, NEW, OLD):
        pass
    told = [line for line in log if line["event"] == "secrets.several_keys"]
    assert [(line["keys"], line["rotated"]) for line in told] == [(2, False), (2, True)]
    assert OLD not in str(log)


async def test_what_was_emptied_is_no_secret(url: str) -> None:
    async with running(url, OLD) as before:
        await plant(before, range(3))
        async with before.staff.write() as session:
            await session.execute(text("UPDATE webhook_endpoints SET secret = ''"))
    async with running(url, NEW, OLD) as both:
        await rotate_secrets(both.staff, SellingBase.metadata)
        counts = await count_secrets(both.staff, SellingBase.metadata)
    assert counts.columns["webhook_endpoints.secret"].values == 0
    assert counts.columns["webhook_endpoints.old_secret"].values == 1
    assert (counts.older, counts.unreadable) == (0, 0)


@pytest.mark.parametrize("base", [SellingBase, ResellingBase])
def test_every_column_of_bytes_is_declared_encrypted_or_a_hash(base: Any) -> None:
    metadata: MetaData = base.metadata
    undeclared = [
        str(column)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and not isinstance(column.type, Encrypted | Hashed)
    ]
    assert undeclared == []
    tables = list(encrypted_tables(metadata))
    assert tables[-1].name == "fingerprint_key"
    assert all(table.primary_key.columns for table in tables)


async def test_bytes_that_this_release_does_not_know_stop_the_rotation(url: str) -> None:
    await as_superuser(url, "ALTER TABLE partners ADD COLUMN passport bytea")
    async with running(url, OLD) as process:
        with pytest.raises(UnknownColumns, match=r"partners\.passport"):
            await rotate_secrets(process.staff, SellingBase.metadata)


async def test_only_the_staffs_login_reads_the_key_of_the_fingerprints(url: str) -> None:
    async with running(url, OLD) as process:
        with pytest.raises(DBAPIError, match="permission denied"):
            async with process.app.read() as session:
                await session.execute(text("SELECT key FROM fingerprint_key"))
