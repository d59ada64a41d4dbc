"""Balance and statement as the partner reads them."""

from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from selling_service.accounts.models import Account
from selling_service.ledger.models import BOOKS
from selling_service.services.models import OperationRow, ServiceRow
from shared.contract.basics import Scope
from shared.kit.bookkeeping import Posting
from shared.kit.ids import new_id
from shared.kit.people import Role
from tests.selling.catalog.shop import PartnerCaller, Shop


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def top_up(shop: Shop, partner: PartnerCaller, amount: int) -> None:
    finance = await shop.as_staff(Role.FINANCE)
    body = {"reference": str(new_id()), "amount": amount, "text": "Bank"}
    answer = await finance.post(f"/partners/{partner.id}/top-ups", json=body)
    assert answer.status_code == 201


async def charge(shop: Shop, partner: PartnerCaller, amount: int, kind: str) -> None:
    async with shop.runtime.app.write(tenant=partner.id) as session:
        posting = Posting(kind=kind, text="VPS 1")
        await BOOKS.charge(session, owner=partner.id, amount=amount, posting=posting)


async def test_balance_shows_what_is_held(shop: Shop) -> None:
    partner = await shop.new_partner()
    assert (await partner.http.get("/balance")).json()["available"]["amount"] == 0
    await top_up(shop, partner, 1000)
    async with shop.runtime.app.write(tenant=partner.id) as session:
        posting = Posting(kind="order", text="VPS 1", reference=new_id())
        await BOOKS.hold(session, owner=partner.id, amount=300, posting=posting)
    body = (await partner.http.get("/balance")).json()
    assert {name: value["amount"] for name, value in body.items()} == {
        "balance": 1000,
        "held": 300,
        "credit_limit": 0,
        "available": 700,
    }


async def test_statement_follows_the_balance_line_by_line(shop: Shop) -> None:
    partner, other = await shop.new_partner("A"), await shop.new_partner("B")
    await top_up(shop, partner, 1000)
    await top_up(shop, other, 7)
    await charge(shop, partner, 300, "order")
    await charge(shop, partner, 200, "renew")
    page = (await partner.http.get("/statement")).json()
    lines = [
        (line["kind"], line["amount"]["amount"], line["balance_after"]["amount"])
        for line in page["items"]
    ]
    assert lines == [("top_up", 1000, 1000), ("order", -300, 700), ("renew", -200, 500)]
    assert page["next"] is None
    assert {line["service_ref"] for line in page["items"]} == {None}


async def test_statement_pages_in_the_order_of_booking_whatever_the_ids(shop: Shop) -> None:
    partner = await shop.new_partner()
    for amount in range(1, 8):
        await top_up(shop, partner, amount)
    # Machines whose clocks differ make ids that don't sort as they were booked.
    async with shop.runtime.staff.write() as session:
        await session.execute(text("SET LOCAL ROLE tandem_owner"))
        await session.execute(
            text("UPDATE entries SET id = md5(number || book)::uuid WHERE book = 'balance'")
        )
    found: list[int] = []
    page = (await partner.http.get("/statement?limit=3")).json()
    while True:
        found += [line["amount"]["amount"] for line in page["items"]]
        if page["next"] is None:
            break
        page = (await partner.http.get(f"/statement?limit=3&after={page['next']}")).json()
    assert found == list(range(1, 8))


async def test_statement_of_a_span_is_half_open(shop: Shop) -> None:
    partner = await shop.new_partner()
    for hour in range(1, 5):
        shop.clock.time = datetime(2026, 3, 1, 12 + hour, tzinfo=UTC)
        await top_up(shop, partner, hour)

    async def amounts(**span: str) -> list[int]:
        answer = await partner.http.get("/statement", params=span)
        assert answer.status_code == 200, answer.text
        return [line["amount"]["amount"] for line in answer.json()["items"]]

    two, four = "2026-03-01T14:00:00Z", "2026-03-01T16:00:00Z"
    assert await amounts(**{"from": two}) == [2, 3, 4]
    assert await amounts(to=four) == [1, 2, 3]
    assert await amounts(**{"from": two, "to": four}) == [2, 3]
    assert await amounts(**{"from": "2026-03-01T17:00:00+03:00", "to": four}) == [2, 3]
    assert await amounts(**{"from": four, "to": two}) == []


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "from=2026-03-01T00:00:00",
        "to=0001-01-01T00:00:00%2B14:00",
        "to=9999-12-31T23:59:59-14:00",
        "from=%00",
        "limit=0",
        "limit=201",
    ],
)
async def test_wrong_spans_are_refused(shop: Shop, query: str) -> None:
    partner = await shop.new_partner()
    answer = await partner.http.get(f"/statement?{query}")
    assert code(answer) == (422, "invalid_request")


async def test_cursor_of_another_partner_is_refused(shop: Shop) -> None:
    first, second = await shop.new_partner("A"), await shop.new_partner("B")
    for partner in (first, second):
        for _ in range(2):
            await top_up(shop, partner, 5)
    cursor = (await first.http.get("/statement?limit=1")).json()["next"]
    assert (await first.http.get(f"/statement?after={cursor}")).status_code == 200
    for wrong in (cursor, "a%00b", "x"):
        answer = await second.http.get(f"/statement?after={wrong}")
        assert code(answer) == (400, "cursor_invalid")


async def test_line_of_a_service_carries_the_names_that_the_partner_knows(shop: Shop) -> None:
    partner = await shop.new_partner()
    await top_up(shop, partner, 1000)
    service_id, service_ref, operation_id = await _service(shop, partner.id)
    async with shop.runtime.app.write(tenant=partner.id) as session:
        posting = Posting(kind="order", text="VPS 1", reference=operation_id, service_id=service_id)
        await BOOKS.charge(session, owner=partner.id, amount=300, posting=posting)
    line = (await partner.http.get("/statement")).json()["items"][1]
    assert (line["service_ref"], line["operation_id"]) == (str(service_ref), str(operation_id))
    assert str(service_id) not in str(line)


async def test_scope_is_needed(shop: Shop) -> None:
    partner = await shop.new_partner(scopes=[Scope.SERVICES_READ, Scope.SERVICES_ORDER])
    for path in ("/balance", "/statement"):
        assert code(await partner.http.get(path)) == (403, "insufficient_scope")


async def _service(shop: Shop, partner_id: UUID) -> tuple[UUID, UUID, UUID]:
    """Plant rows of the room above, of which the ledger reads the names only."""
    made = await shop.stock_shelves()
    place = (await shop.query("SELECT id FROM data_centers"))[0].id
    installation = (await shop.query("SELECT id FROM installations"))[0].id
    now, service_ref, client_ref = shop.clock.now(), new_id(), new_id()
    account = Account(
        id=new_id(),
        partner_id=partner_id,
        installation_id=installation,
        client_ref=client_ref,
        created_at=now,
    )
    service = ServiceRow(
        id=new_id(),
        partner_id=partner_id,
        installation_id=installation,
        account_id=account.id,
        service_ref=service_ref,
        client_ref=client_ref,
        tariff_id=UUID(made["id"]),
        tariff_version_id=UUID(made["versions"][0]["id"]),
        tariff_version=1,
        data_center_id=place,
        period="month",
        state="ordered",
        vcpu=1,
        ram_mib=1,
        disk_gib=1,
        ipv4=0,
        addresses=[],
        os="debian-12",
        image="debian-12",
        hostname=b"",
        order_fingerprint=b"",
        created_at=now,
    )
    operation = _operation(service)
    async with shop.runtime.staff.write() as session:
        for row in (account, service, operation):
            session.add(row)
            await session.flush()
    return service.id, service_ref, operation.id


def _operation(service: ServiceRow) -> OperationRow:
    return OperationRow(
        id=new_id(),
        partner_id=service.partner_id,
        service_id=service.id,
        service_ref=service.service_ref,
        kind="order",
        actor="partner",
        state="queued",
        parameters={},
        created_at=service.created_at,
    )
