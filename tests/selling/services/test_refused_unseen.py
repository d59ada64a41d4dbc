"""What isn't valid is refused under the command's key: never before the key was looked up."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.selling.services.house import Caller, House

NOBODY = UUID(int=7)
# Bytes that this release refuses, as an earlier one may have taken them.
STRANGE = b'{"reason": "unpaid", "colour": "red"}'


async def send(partner: Caller, path: str, content: bytes, key: UUID) -> Any:
    headers = {"Idempotency-Key": str(key), "Content-Type": "application/json"}
    return await partner.http.post(path, content=content, headers=headers)


async def accepted_by_an_earlier_release(house: House, path: str, content: bytes) -> None:
    """Let the last command have come with these bytes."""
    async with house.runtime.staff.write() as session:
        parts = (b"POST", f"/partner/v1{path}".encode(), content)
        newest = "SELECT max(received_at) FROM received_commands"
        await session.execute(
            text(
                "UPDATE received_commands SET fingerprint = :fingerprint"  # noqa: S608 (no input)
                f" WHERE received_at = ({newest})"
            ),
            {"fingerprint": session.vault.fingerprint(*parts)},
        )


async def test_lost_answer_of_an_accepted_command_comes_again_after_an_upgrade(
    house: House, partner: Caller
) -> None:
    body, key = house.order(), uuid4()
    await partner.send("/services", body)
    await house.settle(partner.id)
    house.clock.advance(minutes=1)
    path = f"/services/{body['service_ref']}/suspend"
    first = await partner.send(path, {"reason": "unpaid"}, key=key)
    await accepted_by_an_earlier_release(house, path, STRANGE)
    again = await send(partner, path, STRANGE, key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await send(partner, path, STRANGE.replace(b"red", b"blue"), key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["outcome"] is None


async def test_lost_answer_of_an_order_comes_again_after_an_upgrade(
    house: House, partner: Caller
) -> None:
    key = uuid4()
    first = await partner.send("/services", house.order(), key=key)
    await accepted_by_an_earlier_release(house, "/services", STRANGE)
    again = await send(partner, "/services", STRANGE, key)
    assert (again.status_code, again.content) == (202, first.content)
    assert (await house.balance(partner.id)).held > 0


@pytest.mark.parametrize("path", ["/services", f"/services/{NOBODY}/start", "/services/x/stop"])
async def test_unknown_command_that_is_not_valid_is_refused_for_ever(
    house: House, partner: Caller, path: str
) -> None:
    key = uuid4()
    first = await send(partner, path, STRANGE, key)
    assert (first.status_code, first.json()["code"]) == (422, "invalid_request")
    assert first.json()["outcome"] == "refused"
    record = (await partner.http.get(f"/commands/{key}")).json()
    assert (record["state"], record["problem"]) == ("refused", first.json())
    again = await send(partner, path, STRANGE, key)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    assert await house.count("received_commands") == 1


async def test_burned_command_stays_burned_also_where_it_is_not_valid(partner: Caller) -> None:
    key = uuid4()
    await partner.http.post(f"/commands/{key}/cancel")
    late = await send(partner, "/services", STRANGE, key)
    assert (late.status_code, late.json()["code"]) == (409, "command_cancelled")


async def test_body_that_cannot_be_read_says_nothing_of_the_command(
    house: House, partner: Caller
) -> None:
    key = uuid4()
    answer = await send(partner, "/services", b"{", key)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert answer.json()["outcome"] is None
    assert await house.count("received_commands") == 0


async def test_stranger_is_told_nothing_of_a_command(house: House, partner: Caller) -> None:
    partner.http.headers["Authorization"] = "Bearer tps_nobody"
    answer = await send(partner, "/services", STRANGE, uuid4())
    assert (answer.status_code, answer.json()["outcome"]) == (401, None)
    assert await house.count("received_commands") == 0
