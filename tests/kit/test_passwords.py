"""What a guess costs who has stolen the hashes, and that no login tells who is there."""

import argon2
import pytest
from pwdlib import PasswordHash

from shared.kit import passwords


def test_hash_costs_at_least_what_rfc_9106_wants_where_memory_is_scarce(
    product_hasher: PasswordHash,
) -> None:
    found = argon2.extract_parameters(product_hasher.hash("correct horse battery"))
    assert found.type is argon2.Type.ID
    assert (found.memory_cost >= 64 * 1024, found.time_cost >= 3) == (True, True)
    assert found.salt_len >= 16


async def test_unknown_login_is_checked_against_a_hash_of_the_same_cost(
    product_hasher: PasswordHash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", product_hasher)
    checked: list[str] = []
    inner = product_hasher.verify_and_update

    def watched(password: str, encoded: str) -> tuple[bool, str | None]:
        checked.append(encoded)
        return inner(password, encoded)

    monkeypatch.setattr(product_hasher, "verify_and_update", watched)
    kept = await passwords.hash_password("correct horse battery")
    assert await passwords.verify_password("correct horse battery", kept)
    assert not await passwords.verify_password("no such login", None)
    known, unknown = map(argon2.extract_parameters, checked)
    assert known == unknown
