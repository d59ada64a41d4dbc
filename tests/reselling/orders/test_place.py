"""An order is one transaction: everything of it is there, or nothing."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from passlib.hash import sha512_crypt  # type: ignore[import-untyped]
from sqlalchemy import func, select

from reselling_service.commands.models import Command
from reselling_service.orders.actions import Click, place_order
from reselling_service.orders.models import Order
from reselling_service.orders.queries import find_by_request
from reselling_service.services.models import ClientRef, Service
from shared.contract.basics import Period
from shared.contract.services import OrderRequest
from shared.kit.db import WriteSession
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError
from tests.reselling.services.shop import BY_CLIENT, MONEY, PRICE, SETUP, Shop, execute

SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlaXNwaWVsYmVpc3BpZWxiZWlzcGllbGJlaXNw"


async def counted(shop: Shop) -> dict[str, int]:
    async with shop.runtime.staff.read() as session:
        return {
            table.__tablename__: await session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Service, Command, Order)
        }


async def sent_body(shop: Shop, service: Service) -> dict[str, Any]:
    (command,) = await shop.open_commands(service)
    async with shop.runtime.staff.read() as session:
        found: dict[str, Any] = json.loads(session.vault.decrypt(command.body))
        return found


async def test_order_holds_the_money_and_sends_one_command(shop: Shop) -> None:
    service = await shop.order()

    (command,) = await shop.open_commands(service)
    assert (command.kind, command.state, command.asked_by) == ("order", "queued", "client")
    assert await shop.holds() == [(PRICE + SETUP, "open")]
    assert await shop.available() == MONEY - PRICE - SETUP
    assert command.hold_id is not None
    assert (service.wanted_life, service.heard_state) == ("active", None)


async def test_what_the_seller_gets_names_no_client_and_caps_its_price(shop: Shop) -> None:
    service = await shop.order(shop.new_order(ssh_keys=[f"{SSH_KEY} ann@example.com"]))

    body = await sent_body(shop, service)
    request = OrderRequest.model_validate(body)
    assert request.service_ref == service.service_ref
    assert request.client_ref == service.client_ref != shop.client_id
    assert request.max_price.amount == 701 + 100
    assert request.options.ssh_keys == [SSH_KEY]
    assert "ann" not in json.dumps(body)


async def test_password_travels_as_a_hash_that_fits(shop: Shop) -> None:
    service = await shop.order(shop.new_order(password="correct horse battery"))

    sent = OrderRequest.model_validate(await sent_body(shop, service)).options.password_hash
    assert sent is not None
    assert sent.startswith("$6$")
    assert sha512_crypt.verify("correct horse battery", sent)


async def test_services_of_one_client_share_their_name_at_the_seller(shop: Shop) -> None:
    first, second = await asyncio.gather(shop.order(), shop.order())

    assert first.client_ref == second.client_ref
    assert first.service_ref != second.service_ref
    async with shop.runtime.staff.read() as session:
        assert len((await session.scalars(select(ClientRef))).all()) == 1


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE tariffs SET enabled = false", "tariff_unavailable"),
        ("UPDATE tariffs SET withdrawn = true", "tariff_unavailable"),
        ("UPDATE tariffs SET currency = 'USD'", "tariff_unavailable"),
        ("DELETE FROM tariff_prices", "period_not_offered"),
        ("UPDATE tariffs SET os_templates = '{alpine}'", "unknown_os"),
        ("UPDATE sellers SET enabled = false", "seller_disabled"),
        ("UPDATE balances SET held = balance - 1199", "insufficient_balance"),
    ],
)
async def test_refusal_comes_before_anything_is_created(
    shop: Shop, statement: str, code: str
) -> None:
    await execute(shop, statement)
    before = await shop.available()

    with pytest.raises(ProblemError) as caught:
        await shop.order()

    assert caught.value.type.code == code
    assert await counted(shop) == {"services": 0, "commands": 0, "orders": 0}
    assert (await shop.available(), await shop.holds()) == (before, [])


async def test_what_the_sellers_platform_cant_do_is_refused_here(shop: Shop) -> None:
    able = """UPDATE tariffs SET upstream =
        upstream || jsonb_build_object('capabilities', jsonb_build_array('ssh_keys'))"""
    await execute(shop, able)
    with pytest.raises(ProblemError, match="can't be given: password, user_data") as caught:
        await shop.order(shop.new_order(user_data="#cloud-config", password="long enough 1"))
    assert caught.value.type.code == "not_supported"
    assert await counted(shop) == {"services": 0, "commands": 0, "orders": 0}
    await shop.order()


async def test_seller_that_tells_no_capabilities_is_asked_for_everything(shop: Shop) -> None:
    await execute(shop, "UPDATE tariffs SET upstream = upstream - 'capabilities'")
    await shop.order(shop.new_order(user_data="#cloud-config"))


async def test_unknown_tariff_is_unavailable(shop: Shop) -> None:
    new = shop.new_order().model_copy(update={"tariff_id": uuid4()})
    with pytest.raises(ProblemError, match="tariff_unavailable"):
        await shop.order(new)


async def test_other_period_is_not_offered(shop: Shop) -> None:
    new = shop.new_order().model_copy(update={"period": Period.YEAR})
    with pytest.raises(ProblemError, match="period_not_offered"):
        await shop.order(new)


async def test_twins_at_once_are_one_order(shop: Shop) -> None:
    click = Click(key="click-1", fingerprint=b"same")
    services = await asyncio.gather(*(shop.order(click=click) for _ in range(6)))

    assert len({service.id for service in services}) == 1
    assert await counted(shop) == {"services": 1, "commands": 1, "orders": 1}
    assert await shop.holds() == [(PRICE + SETUP, "open")]


async def test_same_key_with_other_words_is_refused(shop: Shop) -> None:
    await shop.order(click=Click(key="click-1", fingerprint=b"one"))
    with pytest.raises(ProblemError, match="idempotency_key_reused"):
        await shop.order(click=Click(key="click-1", fingerprint=b"two"))
    assert await counted(shop) == {"services": 1, "commands": 1, "orders": 1}


async def test_two_orders_at_once_never_spend_the_same_money(shop: Shop) -> None:
    await execute(shop, "UPDATE balances SET balance = :enough", enough=PRICE + SETUP)
    found = await asyncio.gather(shop.order(), shop.order(), return_exceptions=True)

    refused = [item for item in found if isinstance(item, ProblemError)]
    assert [item.type.code for item in refused] == ["insufficient_balance"]
    assert await counted(shop) == {"services": 1, "commands": 1, "orders": 1}


async def test_order_that_rolls_back_leaves_neither_money_nor_job(shop: Shop) -> None:
    async def act(session: WriteSession) -> None:
        await place_order(session, shop.client_id, shop.new_order(), asker=BY_CLIENT, click=None)
        message = "the process dies here"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError):
        await shop.as_client(act)
    assert await counted(shop) == {"services": 0, "commands": 0, "orders": 0}
    assert await shop.available() == MONEY


async def test_refused_order_gives_the_money_back_and_says_why(shop: Shop) -> None:
    service = await shop.order()
    (command,) = await shop.open_commands(service)

    await shop.refuse(command, "out_of_stock")

    service = await shop.service(service.id)
    assert (service.wanted_life, service.order_problem) == ("cancelled", "out_of_stock")
    assert await shop.holds() == [(PRICE + SETUP, "released")]
    assert await shop.available() == MONEY
    assert await shop.agrees(service)


async def test_failed_order_gives_the_money_back_by_event(shop: Shop) -> None:
    service = await shop.order()
    voice = shop.voice(service)
    (command,) = await shop.open_commands(service)

    event = voice.says(
        "operation.failed", command=command, end="failed", problem="platform_full", state="failed"
    )
    await shop.hear(event)
    await shop.hear(event)

    service = await shop.service(service.id)
    assert (service.wanted_life, service.order_problem) == ("cancelled", "platform_full")
    assert await shop.available() == MONEY
    assert await shop.agrees(service)


async def test_activation_captures_the_money_once(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.hear(voice.says("service.renamed"))

    assert await shop.holds() == [(PRICE + SETUP, "captured")]
    assert await shop.available() == MONEY - PRICE - SETUP
    assert await shop.agrees(service)


async def test_request_of_another_client_is_another_without_policies_too(shop: Shop) -> None:
    """Two clients may send the same key. Asked as staff's login, which no policy binds."""
    await shop.order()
    async with shop.runtime.staff.write() as session:
        order = (await session.scalars(select(Order))).one()
        order.request_key, order.fingerprint = "click", b"x"
        await session.flush()
        assert await find_by_request(session, ClientId(order.client_id), key="click") is order
        assert await find_by_request(session, ClientId(uuid4()), key="click") is None
