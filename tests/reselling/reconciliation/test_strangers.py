"""A service of which only the seller knows: the desk adopts it, ends it, or leaves it."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from reselling_service.clients.models import Client
from reselling_service.ledger.models import BOOKS
from reselling_service.reconciliation.actions.deciding import END_STRANGER_JOB
from reselling_service.services.models import ClientRef, Service
from shared.kit.people import Role
from shared.kit.reconciling.keeping import DECISION_TAKES
from tests.reselling.house import code_of
from tests.reselling.reconciliation.counterpart import Line
from tests.reselling.reconciliation.pair import Pair
from tests.reselling.sellers.fake import problem
from tests.reselling.services.shop import PRICE, SETUP, add_client, execute

GRACE = timedelta(days=3, minutes=1)


async def adopted(pair: Pair, stranger: Line) -> Service:
    async with pair.shop.runtime.staff.read() as session:
        ref = UUID(stranger["service_ref"])
        return (await session.scalars(select(Service).where(Service.service_ref == ref))).one()


async def test_nothing_differs_where_both_sides_know_the_same(pair: Pair) -> None:
    await pair.built()
    await pair.compare()
    assert await pair.found() == []
    report = await pair.house.owner.get("/staff/v1/reconciliation/report")
    counts = report["run"]["counts"]
    assert (counts["services"], counts["charges"], counts.get("listed", 0)) == (1, 1, 0)


async def test_stranger_is_adopted_for_its_client_at_our_price(pair: Pair) -> None:
    stranger = await pair.stranger(hostname="found.example.com")
    pair.seller.charge(UUID(stranger["service_ref"]), kind="renewal")
    before = await pair.shop.available()
    row = await pair.differs("unknown_here")
    assert (row["safe"], row["ways"]) == (False, ["adopt", "undo", "ignore"])
    row = await pair.decided(row, "adopt", state="gone", client_id=str(pair.shop.client_id))
    service = await adopted(pair, stranger)
    assert row["refs"]["service"] == str(service.id)
    assert row["refs"]["client"] == str(pair.shop.client_id)
    assert (service.client_id, service.name) == (pair.shop.client_id, "found.example.com")
    assert (service.wanted_life, service.heard_state, service.price) == ("active", "active", PRICE)
    assert (await pair.entries())[-2:] == [("order", -PRICE - SETUP), ("renewal", -PRICE)]
    assert before - await pair.shop.available() == PRICE + SETUP + PRICE
    assert sorted(await pair.charges(service.service_ref)) == [("order", 801), ("renewal", 700)]
    (entry,) = await pair.audit(row)
    assert entry["after"]["charge"] is True
    assert await pair.shop.commands(service) == []
    await pair.compare()
    assert await pair.found() == []


async def test_stranger_is_adopted_without_a_charge(pair: Pair) -> None:
    stranger = await pair.stranger()
    before = await pair.entries()
    row = await pair.differs("unknown_here")
    body = {"client_id": str(pair.shop.client_id), "charge": False}
    row = await pair.decided(row, "adopt", state="gone", **body)
    assert await pair.entries() == before
    assert await pair.charges(UUID(stranger["service_ref"])) == [("order", 801)]
    (entry,) = await pair.audit(row)
    assert entry["after"]["charge"] is False
    await pair.compare()
    assert await pair.found() == []


async def test_stranger_is_adopted_as_it_stands(pair: Pair) -> None:
    suspension = {"actor": "client", "reason": "requested", "since": "2026-01-01T00:00:00Z"}
    stranger = await pair.stranger(
        state="suspended", power="stopped", wanted_power="stopped", suspensions=[suspension]
    )
    row = await pair.differs("unknown_here")
    await pair.decided(row, "adopt", state="gone", client_id=str(pair.shop.client_id))
    service = await adopted(pair, stranger)
    assert await pair.shop.causes(service) == {"client"}
    assert service.wanted_power == "stopped"
    assert await pair.shop.agrees(service)


async def test_adoption_needs_a_client_of_ours(pair: Pair) -> None:
    await pair.stranger()
    row = await pair.differs("unknown_here")
    await pair.refused(row, "adopt", "client_needed")
    await pair.refused(row, "adopt", "not_found", client_id=str(uuid4()))
    await execute(pair.shop, "UPDATE clients SET erased_at = created_at")
    await pair.refused(row, "adopt", "not_found", client_id=str(pair.shop.client_id))


async def test_stranger_of_one_client_is_never_adopted_for_another(pair: Pair) -> None:
    stranger = await pair.stranger()
    async with pair.shop.runtime.staff.write() as session:
        other = await add_client(session, money=10_000, name="Ben")
        (known,) = await session.scalars(
            select(ClientRef.client_ref).where(ClientRef.client_id == pair.shop.client_id)
        )
    stranger["client_ref"] = str(known)
    row = await pair.differs("unknown_here")
    detail = await pair.refused(row, "adopt", "not_decidable", client_id=str(other))
    assert str(pair.shop.client_id) in detail
    await pair.decided(row, "adopt", state="gone", client_id=str(pair.shop.client_id))


async def test_adoption_that_the_balance_does_not_cover_leaves_nothing(pair: Pair) -> None:
    await pair.stranger()
    row = await pair.differs("unknown_here")
    async with pair.shop.runtime.staff.write() as session:
        poor = await add_client(session, money=PRICE + SETUP - 1, name="Pia")
    await pair.refused(row, "adopt", "insufficient_balance", client_id=str(poor))
    async with pair.shop.runtime.staff.read() as session:
        assert (await BOOKS.balance(session, owner=poor)).balance == PRICE + SETUP - 1
        assert (await session.scalars(select(Client.name).where(Client.id == poor))).one() == "Pia"


async def test_adoption_needs_the_tariff_and_the_seller(pair: Pair) -> None:
    stranger = await pair.stranger()
    body = {"client_id": str(pair.shop.client_id)}
    row = await pair.differs("unknown_here")
    tariff_id, stranger["tariff_id"] = stranger["tariff_id"], str(uuid4())
    await pair.refused(row, "adopt", "tariff_not_imported", **body)
    stranger["tariff_id"] = tariff_id
    key, pair.seller.key = pair.seller.key, "another"
    await pair.refused(row, "adopt", "seller_key_refused", **body)
    pair.seller.key = key
    del pair.seller.services[stranger["service_ref"]]
    detail = await pair.refused(row, "adopt", "not_decidable", **body)
    assert "knows nothing of it" in detail


async def test_two_who_adopt_at_once_charge_once(pair: Pair) -> None:
    stranger = await pair.stranger()
    before = await pair.shop.available()
    row = await pair.differs("unknown_here")
    client_id = str(pair.shop.client_id)
    tries = (pair.decide(row, "adopt", client_id=client_id) for _ in range(4))
    answers = await asyncio.gather(*tries)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert before - await pair.shop.available() == PRICE + SETUP
    assert (await adopted(pair, stranger)).heard_revision == stranger["revision"]
    assert len(await pair.audit(row)) == 1


async def test_stranger_is_ended_by_the_desk_when_the_grace_is_over(pair: Pair) -> None:
    stranger = await pair.stranger()
    row = await pair.differs("unknown_here")
    detail = await pair.refused(row, "undo", "not_decidable")
    assert "nothing is deleted before" in detail
    await pair.age(GRACE)
    await pair.decided(row, "undo", state="decided")
    await pair.refused(row, "adopt", "not_decidable", client_id=str(pair.shop.client_id))
    await pair.work(END_STRANGER_JOB)
    (sent,) = pair.seller.sent(f"/services/{stranger['service_ref']}/terminate")
    assert b'"now"' in sent[1]
    stranger |= {"state": "terminated", "power": "stopped", "revision": stranger["revision"] + 1}
    await pair.compare()
    assert await pair.found() == []
    assert await pair.kinds(state="gone") == ["unknown_here"]
    # It stays in the seller's inventory, and is no news.
    await pair.compare()
    assert await pair.found() == []


async def test_end_that_the_seller_refuses_comes_back_to_the_desk_and_is_sent_anew(
    pair: Pair,
) -> None:
    stranger = await pair.stranger()
    path = f"/services/{stranger['service_ref']}/terminate"
    pair.seller.final[path] = problem("wrong_state")
    row = await pair.differs("unknown_here")
    await pair.age(GRACE)
    await pair.decided(row, "undo", state="decided")
    await pair.work(END_STRANGER_JOB)
    await pair.compare()
    assert await pair.found() == []
    await pair.age(DECISION_TAKES)
    await pair.compare()
    (again,) = await pair.found()
    assert (again["id"], again["decision"], again["reason"]) == (row["id"], None, None)
    assert (await pair.decide(again, "undo")).status_code == 200
    del pair.seller.final[path]
    await pair.work(END_STRANGER_JOB)
    first, second = [headers["idempotency-key"] for headers, _ in pair.seller.sent(path)]
    assert first != second
    assert pair.seller.effects[second] == 1


async def test_stranger_that_was_adopted_meanwhile_is_not_ended(pair: Pair) -> None:
    stranger = await pair.stranger()
    row = await pair.differs("unknown_here")
    await pair.age(GRACE)
    await pair.decided(row, "undo", state="decided")
    await execute(
        pair.shop,
        "UPDATE services SET service_ref = :ref",
        ref=UUID(stranger["service_ref"]),
    )
    await pair.work(END_STRANGER_JOB)
    assert pair.seller.sent(f"/services/{stranger['service_ref']}/terminate") == []


async def test_ignored_stranger_stays_in_its_list_and_may_still_be_adopted(pair: Pair) -> None:
    await pair.stranger()
    row = await pair.differs("unknown_here")
    before = await pair.entries()
    assert (await pair.decide(row, "ignore")).status_code == 200
    await pair.age(DECISION_TAKES)
    await pair.compare()
    assert await pair.found() == []
    (ignored,) = await pair.found(state="ignored")
    assert (ignored["id"], ignored["decision"]) == (row["id"], "ignore")
    assert await pair.entries() == before
    answer = await pair.decide(row, "adopt", client_id=str(pair.shop.client_id))
    assert answer.json()["state"] == "gone"
    actions = {entry["action"] for entry in await pair.audit(row)}
    assert actions == {"difference.ignore", "difference.adopt"}


@pytest.mark.parametrize("role", [Role.FINANCE, Role.READ_ONLY])
async def test_only_operators_decide(pair: Pair, role: Role) -> None:
    await pair.stranger()
    row = await pair.differs("unknown_here")
    person = await pair.house.staff(role)
    for way in ("adopt", "undo", "ignore"):
        answer = await pair.decide(row, way, by=person)
        assert code_of(answer) == (403, "role_required")
    assert await pair.row(row) == row
    operator = await pair.house.staff(Role.OPERATOR)
    assert (await pair.decide(row, "ignore", by=operator)).status_code == 200


async def test_difference_of_nobody_is_not_found(pair: Pair) -> None:
    for way in ("adopt", "undo", "ignore"):
        assert code_of(await pair.decide({"id": str(uuid4())}, way)) == (404, "not_found")
