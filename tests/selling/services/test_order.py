"""Orders: accepted once, built once, charged once; refused before anything is made."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from selling_service.provisioning.platform import NotFound, Power
from tests.selling.services.house import Caller, House, open_house, vm_of, wait_until

FIRST_CHARGE = 1080  # (1000 + 200 set-up) less 10 percent


async def test_order_becomes_an_active_service_with_a_running_vm(
    house: House, partner: Caller
) -> None:
    body = house.order()
    answer = await partner.send("/services", body)
    assert answer.status_code == 202, answer.text
    held = await house.balance(partner.id)
    assert (held.balance, held.held) == (1_000_000, FIRST_CHARGE)
    await house.settle(partner.id)

    service = await partner.service(body["service_ref"])
    assert (service["state"], service["power"]) == ("active", "running")
    assert service["activated_at"] == "2026-03-01T12:00:00Z"
    assert service["paid_until"] == "2026-04-01T12:00:00Z"
    assert len(service["facts"]["ipv4"]) == 1
    assert service["renewal_price"] == {"amount": 900, "currency": "EUR"}
    charged = await house.balance(partner.id)
    assert (charged.balance, charged.held) == (1_000_000 - FIRST_CHARGE, 0)
    assert (await vm_of(house, partner, body["service_ref"])).power is Power.RUNNING
    operation = await partner.operation(answer)
    assert (operation["state"], operation["progress"]) == ("succeeded", 100)
    cost = {"amount": FIRST_CHARGE, "currency": "EUR"}
    assert operation["result"] == {"running": True, "blockers": [], "charged": cost}
    assert await house.events(partner.id) == [
        (1, "operation.accepted"),
        (2, "service.activated"),
    ]


async def test_repeated_command_gets_the_first_answer_and_nothing_more(
    house: House, partner: Caller
) -> None:
    body, key = house.order(), uuid4()
    first = await partner.send("/services", body, key=key)
    again = await partner.send("/services", body, key=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert await house.count("services") == await house.count("operations") == 1
    assert (await house.balance(partner.id)).held == FIRST_CHARGE


async def test_concurrent_twins_make_one_service(house: House, partner: Caller) -> None:
    body, key = house.order(), uuid4()
    answers = await asyncio.gather(*(partner.send("/services", body, key=key) for _ in range(8)))
    codes = sorted({answer.status_code for answer in answers})
    assert codes in ([202], [202, 409])
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert all(item["code"] == "in_progress" and item["outcome"] is None for item in refused)
    assert await house.count("services") == await house.count("holds") == 1


async def test_same_order_under_two_keys_at_once_is_one_service(
    house: House, partner: Caller
) -> None:
    body = house.order()
    answers = await asyncio.gather(*(partner.send("/services", body) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await house.count("services") == await house.count("holds") == 1


async def test_another_order_with_the_same_service_ref_is_refused(
    house: House, partner: Caller
) -> None:
    body = house.order()
    await partner.send("/services", body)
    other = await partner.send("/services", body | {"period": "year"})
    assert (other.status_code, other.json()["code"]) == (409, "service_ref_taken")


async def test_key_with_another_body_is_422_and_says_nothing_final(
    house: House, partner: Caller
) -> None:
    body, key = house.order(), uuid4()
    await partner.send("/services", body, key=key)
    other = await partner.send("/services", house.order(), key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["outcome"] is None


@pytest.mark.parametrize("key", [None, "", "not-a-uuid"])
async def test_order_without_a_usable_key_is_400(
    house: House, partner: Caller, key: str | None
) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await partner.http.post("/services", json=house.order(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert await house.count("services") == 0


REFUSALS = [
    ({"tariff_id": str(uuid4())}, 409, "tariff_unavailable"),
    ({"tariff_version": 2}, 409, "tariff_unavailable"),
    ({"period": "day"}, 422, "period_not_offered"),
    ({"options": {"os": "plan9"}}, 422, "unknown_os"),
    ({"max_price": {"amount": FIRST_CHARGE - 1, "currency": "EUR"}}, 409, "price_above_max"),
    ({"max_price": {"amount": 10**9, "currency": "USD"}}, 409, "price_above_max"),
]


@pytest.mark.parametrize(("change", "status", "code"), REFUSALS)
async def test_refused_order_leaves_nothing_and_frees_its_reference(
    house: House, partner: Caller, change: dict[str, object], status: int, code: str
) -> None:
    key, ref = uuid4(), str(uuid4())
    body = house.order(service_ref=ref, **change)
    answer = await partner.send("/services", body, key=key)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["outcome"] == "refused"
    again = await partner.send("/services", body, key=key)
    assert (again.status_code, again.json()) == (status, answer.json())
    for table in ("services", "operations", "holds", "accounts", "events", "jobs"):
        assert await house.count(table) == 0
    assert await house.count("platforms", "vms_used = 0") == 1
    assert (await partner.send("/services", house.order(service_ref=ref))).status_code == 202


async def test_withdrawn_tariff_is_refused(house: House, partner: Caller) -> None:
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE tariffs SET withdrawn = true"))
    answer = await partner.send("/services", house.order())
    assert answer.json()["code"] == "tariff_unavailable"


async def test_tariff_of_another_partner_is_refused(house: House, partner: Caller) -> None:
    async with house.runtime.staff.write() as session:
        await session.execute(text("DELETE FROM offers"))
    answer = await partner.send("/services", house.order())
    assert answer.json()["code"] == "tariff_unavailable"


async def test_last_one_in_stock_is_sold_once(house: House, partner: Caller) -> None:
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE tariffs SET stock = 1"))
    answers = await asyncio.gather(*(partner.send("/services", house.order()) for _ in range(5)))
    codes = [answer.json().get("code") for answer in answers]
    assert sorted(codes, key=str) == [None, *["out_of_stock"] * 4]
    assert await house.count("services") == 1


async def test_full_data_center_refuses_before_any_money_moves(
    house: House, partner: Caller
) -> None:
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE platforms SET ram_mib = 512"))
    assert (await partner.send("/services", house.order())).status_code == 202
    answer = await partner.send("/services", house.order())
    assert answer.json()["code"] == "no_capacity"
    assert (await house.balance(partner.id)).held == FIRST_CHARGE


async def test_balance_is_not_overdrawn_by_orders_at_once(house: House) -> None:
    partner = await house.new_partner(money=FIRST_CHARGE * 3)
    answers = await asyncio.gather(*(partner.send("/services", house.order()) for _ in range(8)))
    codes = [answer.json().get("code") for answer in answers]
    assert sorted(codes, key=str) == [None] * 3 + ["insufficient_balance"] * 5
    assert (await house.balance(partner.id)).held == FIRST_CHARGE * 3


async def test_platform_full_after_all_fails_and_refunds(house: House, partner: Caller) -> None:
    await house.platform.set_behaviour(Behaviour(faults={"create_vm": Fault(kind=FaultKind.FULL)}))
    body = house.order()
    answer = await partner.send("/services", body)
    await house.settle(partner.id)
    service = await partner.service(body["service_ref"])
    assert service["state"] == "failed"
    operation = await partner.operation(answer)
    assert (operation["state"], operation["problem"]["code"]) == ("failed", "platform_full")
    balance = await house.balance(partner.id)
    assert (balance.balance, balance.held) == (1_000_000, 0)
    assert await house.count("platforms", "vms_used = 0 AND ram_mib_used = 0") == 1
    burned = await partner.send("/services", body)
    assert burned.json()["state"] == "failed"


@pytest.mark.parametrize(
    "kind", [FaultKind.UNAVAILABLE, FaultKind.ANSWER_LOST, FaultKind.HALF_DONE]
)
async def test_platform_that_stumbles_gets_the_same_order_again(
    house: House, partner: Caller, kind: FaultKind
) -> None:
    await house.platform.set_behaviour(Behaviour(faults={"create_vm": Fault(kind=kind, times=2)}))
    body = house.order()
    answer = await partner.send("/services", body)

    async def done() -> bool:
        # The back-off is measured by the clock of business.
        house.clock.advance(seconds=1)
        found = await partner.operation(answer)
        return bool(found["state"] == "succeeded")

    async with house.working():
        await wait_until(done)
    found = await partner.operation(answer)
    assert found["attempts"] == 3
    assert await house.count("simulated_vms", "built AND NOT deleted") == 1
    assert (await house.balance(partner.id)).balance == 1_000_000 - FIRST_CHARGE
    types = [type_ for _, type_ in await house.events(partner.id)]
    assert types == ["operation.accepted", "operation.waiting", "service.activated"]


async def test_two_services_of_one_client_share_one_platform_user(
    house: House, partner: Caller
) -> None:
    client = str(uuid4())
    for _ in range(3):
        await partner.send("/services", house.order(client_ref=client))
    await house.settle(partner.id)
    assert await house.count("accounts") == await house.count("simulated_users") == 1
    assert await house.count("simulated_vms") == 3


async def test_partners_see_only_their_own(house: House, partner: Caller) -> None:
    other = await house.new_partner()
    body = house.order()
    answer = await partner.send("/services", body)
    await house.settle(partner.id)
    for path in (
        f"/services/{body['service_ref']}",
        f"/operations/{answer.json()['id']}",
        f"/commands/{answer.json()['command_id']}",
        f"/accounts/{body['client_ref']}",
    ):
        assert (await partner.http.get(path)).status_code == 200
        foreign, absent = await other.http.get(path), await other.http.get(f"{path[:-4]}0000")
        assert foreign.status_code == absent.status_code == 404
        assert foreign.json()["detail"] == absent.json()["detail"]
    assert (await other.http.get("/services")).json() == {"items": [], "next": None}
    assert (await other.http.get("/inventory")).json()["items"] == []
    suspended = await other.send(f"/services/{body['service_ref']}/suspend", {})
    assert suspended.status_code == 404
    vm = await vm_of(house, partner, body["service_ref"])
    with pytest.raises(NotFound):
        await house.platform.get_vm(owner_id=UUID(int=1), vm_id=vm.vm_id)


async def test_hostname_and_secrets_lie_encrypted(house: House, partner: Caller) -> None:
    crypt = "$6$saltsalt$" + "x" * 86
    options = {
        "hostname": "secret-host.example.com",
        "password_hash": crypt,
        "user_data": "#cloud-config planted-user-data",
    }
    body = house.order(options=options)
    await partner.send("/services", body)
    dump = await _dump(house)
    await house.settle(partner.id)
    dump += await _dump(house)
    for secret in ("secret-host", crypt, "planted-user-data"):
        assert secret not in dump
    assert await house.count("services", "content IS NULL") == 1
    assert (await partner.service(body["service_ref"]))["hostname"] == "secret-host.example.com"


async def _dump(house: House) -> str:
    lines = []
    async with house.runtime.staff.read() as session:
        for table in ("services", "operations", "received_commands", "events", "jobs"):
            rows = await session.execute(text(f"SELECT t::text FROM {table} t"))  # noqa: S608
            lines += [row[0] for row in rows]
    return "\n".join(lines)


async def test_edition_that_may_not_be_resold_refuses_orders_only(
    selling_database_url: str,
) -> None:
    async with open_house(selling_database_url, edition="hosting") as house:
        partner = await house.new_partner()
        answer = await partner.send("/services", house.order())
        assert (answer.status_code, answer.json()["code"]) == (409, "edition_not_supported")
        assert answer.json()["outcome"] == "refused"
        assert (await partner.http.get("/services")).status_code == 200
        account = await partner.http.put(f"/accounts/{uuid4()}")
        assert (account.status_code, account.json()["code"]) == (409, "edition_not_supported")


async def test_blocked_partner_may_only_read_suspend_and_terminate(house: House) -> None:
    partner = await house.new_partner()
    body = house.order()
    await partner.send("/services", body)
    await house.settle(partner.id)
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE partners SET state = 'blocked'"))
    refused = await partner.send("/services", house.order())
    assert (refused.status_code, refused.json()["code"]) == (403, "partner_blocked")
    assert refused.json()["outcome"] is None
    path = f"/services/{body['service_ref']}"
    assert (await partner.send(f"{path}/stop", {})).status_code == 403
    assert (await partner.http.get(path)).status_code == 200
    assert (await partner.send(f"{path}/suspend", {})).status_code == 202
    assert (await partner.send(f"{path}/terminate", {})).status_code == 202
