"""The doctor tells how it stands with the secret keys, by the one value that is rotated last."""

import pytest

from local_stack.doctor import Finding, examine_secret_keys
from selling_service.database import Base
from shared.kit.rotation import load_models, rotate_secrets
from shared.kit.vault import Vault
from tests.kit.test_rotation import running

OLD, NEW = Vault.new_key(), Vault.new_key()


@pytest.fixture
async def url(selling_database_url: str) -> str:
    """Return a database that was used with the old key."""
    load_models("selling_service")
    async with running(selling_database_url, OLD):
        pass
    return selling_database_url


async def finding(url: str, *keys: str) -> Finding:
    async with running(url, OLD, NEW) as process, process.staff.engine.connect() as connection:
        return await examine_secret_keys("selling", connection, ",".join(keys))


async def test_one_key_that_fits_is_well(url: str) -> None:
    found = await finding(url, OLD)
    assert (found.well, found.text) == (True, "1, in use")


async def test_a_key_of_another_database_is_not(url: str) -> None:
    found = await finding(url, NEW)
    assert (found.well, found.text) == (False, "the database was used with another")
    assert "SELLING_SECRET_KEYS" in found.remedy


async def test_a_rotation_that_is_not_done_is_said_until_it_is(url: str) -> None:
    before = await finding(url, NEW, OLD)
    assert (before.well, before.text) == (False, "2, older ones are still needed")
    assert before.remedy == "python -m selling_service.cli secrets rotate"
    async with running(url, NEW, OLD) as both:
        await rotate_secrets(both.staff, Base.metadata)
    after = await finding(url, NEW, OLD)
    assert after.well
    assert "`python -m selling_service.cli secrets status` says when the older may go" in after.text
