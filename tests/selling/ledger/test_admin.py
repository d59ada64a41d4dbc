"""The partners' money over HTTP, as staff keep it."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from selling_service.ledger.models import BOOKS
from selling_service.ledger.rules import ByHand
from shared.kit.bookkeeping import MOST, Posting
from shared.kit.ids import new_id
from shared.kit.people import Role
from tests.selling.catalog.shop import Shop

DEBT_JOBS = "SELECT payload, tenant_id, dedupe_key FROM jobs WHERE kind = 'partner_debt'"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def money(amount: object, reference: UUID | None = None, words: str = "Bank") -> dict[str, Any]:
    return {"reference": str(reference or new_id()), "amount": amount, "text": words}


async def figures(shop: Shop, partner_id: UUID) -> dict[str, int]:
    finance = await shop.as_staff(Role.FINANCE)
    body = (await finance.get(f"/partners/{partner_id}/balance")).json()
    assert {value["currency"] for value in body.values()} == {"EUR"}
    return {name: value["amount"] for name, value in body.items()}


async def test_new_partner_has_zeros(shop: Shop) -> None:
    partner = await shop.new_partner()
    expected = {"balance": 0, "held": 0, "credit_limit": 0, "available": 0}
    assert await figures(shop, partner.id) == expected


async def test_top_up_is_booked_audited_and_looked_at_for_debt(shop: Shop) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    body = money(1000)
    answer = await finance.post(f"/partners/{partner.id}/top-ups", json=body)
    assert answer.status_code == 201
    line = answer.json()
    assert (line["kind"], line["text"]) == ("top_up", "Bank")
    assert line["amount"] == line["balance_after"] == {"amount": 1000, "currency": "EUR"}
    assert (await figures(shop, partner.id))["available"] == 1000
    key = f"partner_debt:{partner.id}"
    assert await shop.query(DEBT_JOBS) == [({"partner_id": str(partner.id)}, partner.id, key)]
    audited = await shop.query(
        "SELECT object_id, after FROM audit_entries WHERE action = 'balance.top_up'"
    )
    assert audited == [
        (str(partner.id), {"amount": 1000, "reference": body["reference"], "text": "Bank"})
    ]


async def test_doubled_click_is_booked_once_and_answered_the_same(shop: Shop) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    body = money(1000)
    path = f"/partners/{partner.id}/top-ups"
    answers = await asyncio.gather(*[finance.post(path, json=body) for _ in range(5)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert (await figures(shop, partner.id))["balance"] == 1000
    audited = "SELECT count(*) FROM audit_entries WHERE action = 'balance.top_up'"
    assert await shop.query(audited) == [(1,)]


@pytest.mark.parametrize(
    ("verb", "amount", "words"),
    [("top-ups", 999, "Bank"), ("top-ups", 1000, "Cash"), ("pay-outs", 1000, "Bank")],
)
async def test_reference_with_another_content_is_refused(
    shop: Shop, verb: str, amount: int, words: str
) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    reference = new_id()
    await finance.post(f"/partners/{partner.id}/top-ups", json=money(1000, reference))
    answer = await finance.post(
        f"/partners/{partner.id}/{verb}", json=money(amount, reference, words)
    )
    assert code(answer) == (409, "reference_used")
    assert (await figures(shop, partner.id))["balance"] == 1000


async def test_reference_counts_per_partner(shop: Shop) -> None:
    finance = await shop.as_staff(Role.FINANCE)
    reference = new_id()
    for name in ("A", "B"):
        partner = await shop.new_partner(name)
        await finance.post(f"/partners/{partner.id}/top-ups", json=money(5, reference))
        assert (await figures(shop, partner.id))["balance"] == 5


async def test_database_itself_refuses_a_doubled_reference(shop: Shop) -> None:
    partner = await shop.new_partner()
    posting = Posting(kind=ByHand.TOP_UP, text="", reference=new_id())
    async with shop.runtime.staff.write() as session:
        await BOOKS.top_up(session, owner=partner.id, amount=1, posting=posting)
    with pytest.raises(IntegrityError, match="uq_entries_by_hand"):
        async with shop.runtime.staff.write() as session:
            await BOOKS.top_up(session, owner=partner.id, amount=1, posting=posting)


async def test_pay_out_takes_what_is_available_and_no_more(shop: Shop) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    await finance.post(f"/partners/{partner.id}/top-ups", json=money(1000))
    path = f"/partners/{partner.id}/pay-outs"
    assert code(await finance.post(path, json=money(1001))) == (402, "insufficient_balance")
    answer = await finance.post(path, json=money(1000))
    assert answer.json()["amount"]["amount"] == -1000
    assert (await figures(shop, partner.id))["balance"] == 0


async def test_correction_has_its_own_sign_and_goes_against_revenue(shop: Shop) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    path = f"/partners/{partner.id}/corrections"
    assert (await finance.post(path, json=money(300))).status_code == 201
    assert (await finance.post(path, json=money(-100))).status_code == 201
    assert code(await finance.post(path, json=money(-201))) == (402, "insufficient_balance")
    books = "SELECT book, sum(amount) FROM entries GROUP BY book ORDER BY book"
    assert await shop.query(books) == [("balance", 200), ("revenue", -200)]


async def test_credit_limit_is_spendable_and_audited(shop: Shop) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    path = f"/partners/{partner.id}/credit-limit"
    for _ in range(2):
        answer = await finance.put(path, json={"credit_limit": 500})
        assert answer.json()["available"]["amount"] == 500
    audited = "SELECT before, after FROM audit_entries WHERE action = 'balance.credit_limit'"
    assert await shop.query(audited) == [({"credit_limit": 0}, {"credit_limit": 500})]
    assert len(await shop.query(DEBT_JOBS)) == 1
    async with shop.runtime.app.write(tenant=partner.id) as session:
        posting = Posting(kind="renew", text="")
        await BOOKS.charge(session, owner=partner.id, amount=500, posting=posting)
    await finance.put(path, json={"credit_limit": 0})
    expected = {"balance": -500, "held": 0, "credit_limit": 0, "available": -500}
    assert await figures(shop, partner.id) == expected


@pytest.mark.parametrize("amount", [0, -1, MOST + 1, 2**63 - 1, 1.5, "NaN", None])
async def test_wrong_amounts_are_refused(shop: Shop, amount: object) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    for verb in ("top-ups", "pay-outs"):
        answer = await finance.post(f"/partners/{partner.id}/{verb}", json=money(amount))
        assert code(answer) == (422, "invalid_request")


@pytest.mark.parametrize("amount", [2**63, 10**40])
async def test_amounts_beyond_64_bits_are_not_even_read(shop: Shop, amount: int) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    answer = await finance.post(f"/partners/{partner.id}/top-ups", json=money(amount))
    assert code(answer) == (400, "malformed_request")
    assert (await figures(shop, partner.id))["balance"] == 0


@pytest.mark.parametrize("limit", [-1, MOST + 1, 2**63 - 1, None])
async def test_wrong_credit_limits_are_refused(shop: Shop, limit: object) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    answer = await finance.put(f"/partners/{partner.id}/credit-limit", json={"credit_limit": limit})
    assert code(answer) == (422, "invalid_request")


async def test_largest_figures_are_answered_and_one_more_is_refused(shop: Shop) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    path = f"/partners/{partner.id}"
    assert (await finance.post(f"{path}/top-ups", json=money(MOST))).status_code == 201
    assert code(await finance.post(f"{path}/top-ups", json=money(1))) == (422, "invalid_request")
    answer = await finance.put(f"{path}/credit-limit", json={"credit_limit": MOST})
    assert answer.json()["available"]["amount"] == 2 * MOST


@pytest.mark.parametrize("words", ["a\x00b", "a\nb", " ", "x" * 201])
async def test_wrong_words_are_refused(shop: Shop, words: str) -> None:
    partner = await shop.new_partner()
    finance = await shop.as_staff(Role.FINANCE)
    answer = await finance.post(f"/partners/{partner.id}/top-ups", json=money(1, words=words))
    assert code(answer) == (422, "invalid_request")


async def test_unknown_partner_is_not_found(shop: Shop) -> None:
    finance = await shop.as_staff(Role.FINANCE)
    path = f"/partners/{new_id()}"
    answers = [
        await finance.get(f"{path}/balance"),
        await finance.get(f"{path}/statement"),
        await finance.post(f"{path}/top-ups", json=money(1)),
        await finance.put(f"{path}/credit-limit", json={"credit_limit": 1}),
    ]
    assert {code(answer) for answer in answers} == {(404, "not_found")}


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.READ_ONLY])
async def test_other_roles_read_and_book_nothing(shop: Shop, role: Role) -> None:
    partner = await shop.new_partner()
    person = await shop.as_staff(role)
    path = f"/partners/{partner.id}"
    assert (await person.get(f"{path}/balance")).status_code == 200
    assert (await person.get(f"{path}/statement")).status_code == 200
    answers = [
        await person.post(f"{path}/top-ups", json=money(1)),
        await person.post(f"{path}/pay-outs", json=money(1)),
        await person.post(f"{path}/corrections", json=money(1)),
        await person.put(f"{path}/credit-limit", json={"credit_limit": 1}),
    ]
    assert {code(answer) for answer in answers} == {(403, "role_required")}


async def test_role_of_the_api_sees_no_money_without_a_partner(shop: Shop) -> None:
    partner = await shop.new_partner()
    async with shop.runtime.app.write(tenant=partner.id) as session:
        posting = Posting(kind="any", text="")
        await BOOKS.top_up(session, owner=partner.id, amount=5, posting=posting)
        await BOOKS.hold(session, owner=partner.id, amount=5, posting=posting)
    async with shop.runtime.app.read() as session:
        for table in ("balances", "holds", "entries"):
            rows = await session.execute(text(f"SELECT 1 FROM {table}"))  # noqa: S608
            assert rows.all() == []
