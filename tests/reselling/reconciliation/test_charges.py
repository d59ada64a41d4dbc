"""Charges that only one side knows of, or of another amount: what the desk does with the money."""

import asyncio
from uuid import UUID

from reselling_service.commands.models import Command
from reselling_service.services import actions
from reselling_service.services.models import Service
from tests.reselling.house import JSON
from tests.reselling.reconciliation.counterpart import Line
from tests.reselling.reconciliation.pair import Pair
from tests.reselling.services.shop import PRICE, execute
from tests.reselling.services.voice import MONTH, Voice


async def renewed(pair: Pair, service: Service, voice: Voice) -> tuple[Command, Line]:
    """Renew a service and hear of it; the command, and the seller's charge for it."""
    await pair.shop.wish(service, actions.renew)
    (command,) = await pair.shop.open_commands(service)
    return command, await hear_renewal(pair, command, voice)


async def hear_renewal(pair: Pair, command: Command, voice: Voice) -> Line:
    """Hear that a renewal was carried out, and charged for."""
    ref = voice.service_ref
    pair.seller.knows(command.id, kind="renew", service_ref=ref)
    line = pair.seller.charge(ref, command_id=command.id)
    assert voice.paid_until is not None
    event = voice.says("service.renewed", command=command, paid_until=voice.paid_until + MONTH)
    assert event.operation is not None
    told = {"id": UUID(line["operation_id"]), "result": {"charged": line["amount"]}}
    operation = event.operation.model_copy(update=told)
    await pair.shop.hear(event.model_copy(update={"operation": operation}))
    pair.show(await pair.shop.service(command.service_id))
    return line


async def forgotten_renewal(pair: Pair) -> tuple[Service, Voice, Command, JSON]:
    """A renewal that the client has paid for, and that the seller has forgotten."""
    service, voice = await pair.built()
    command, line = await renewed(pair, service, voice)
    return service, voice, command, await forget_renewal(pair, voice, command, line)


async def forget_renewal(pair: Pair, voice: Voice, command: Command, line: Line) -> JSON:
    """Let the seller forget a renewal; the difference, once the earlier end was heard again."""
    pair.seller.charges.remove(line)
    del pair.seller.operations[str(command.id)]
    assert voice.paid_until is not None
    voice.paid_until -= MONTH
    told = voice.paid_until.isoformat()
    pair.seller.services[str(voice.service_ref)] |= {"paid_until": told, "revision": 1}
    voice.revision = 1
    await pair.compare()
    await pair.compare()
    (row,) = await pair.found()
    assert row["kind"] == "charge_unknown_there"
    return row


# ---------------------------------------------------------------------- charges unknown here


async def test_client_is_charged_at_our_price_for_what_the_seller_has_charged(pair: Pair) -> None:
    service, _voice = await pair.built()
    pair.seller.charge(service.service_ref, amount=700)
    before = await pair.shop.available()
    row = await pair.differs("charge_unknown_here")
    assert (row["safe"], row["ways"]) == (False, ["adopt", "ignore"])
    await pair.refused(row, "undo", "not_decidable")
    await pair.decided(row, "adopt", state="gone")
    assert before - await pair.shop.available() == PRICE
    assert (await pair.entries())[-1] == ("renewal", -PRICE)
    assert sorted(await pair.charges(service.service_ref)) == [("order", 801), ("renewal", 700)]
    assert await pair.shop.commands(service) == ["order"]
    await pair.compare()
    assert await pair.found() == []


async def test_charge_that_the_balance_does_not_cover_is_not_taken_over(pair: Pair) -> None:
    service, _voice = await pair.built()
    pair.seller.charge(service.service_ref)
    await pair.shop.top_up(PRICE - 1 - await pair.shop.available())
    row = await pair.differs("charge_unknown_here")
    await pair.refused(row, "adopt", "insufficient_balance")
    await pair.shop.top_up(1)
    await pair.decided(row, "adopt", state="gone")
    assert await pair.shop.available() == 0


async def test_client_whose_books_are_looked_at_is_not_charged(pair: Pair) -> None:
    service, _voice = await pair.built()
    pair.seller.charge(service.service_ref)
    row = await pair.differs("charge_unknown_here")
    await execute(
        pair.shop,
        "UPDATE balances SET parked_at = now(), parked_code = 'books', parked_detail = 'x'",
    )
    await pair.refused(row, "adopt", "parked")


async def test_two_who_charge_at_once_charge_once(pair: Pair) -> None:
    service, _voice = await pair.built()
    pair.seller.charge(service.service_ref)
    before = await pair.shop.available()
    row = await pair.differs("charge_unknown_here")
    answers = await asyncio.gather(*(pair.decide(row, "adopt") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert before - await pair.shop.available() == PRICE


async def test_charge_that_became_known_meanwhile_is_not_charged_again(pair: Pair) -> None:
    service, _voice = await pair.built()
    line = pair.seller.charge(service.service_ref)
    row = await pair.differs("charge_unknown_here")
    await execute(
        pair.shop,
        "INSERT INTO seller_charges SELECT seller_id, :operation, NULL, service_ref, 'renewal',"
        " 700, currency, at FROM seller_charges",
        operation=UUID(line["operation_id"]),
    )
    assert "known here by now" in await pair.refused(row, "adopt", "not_decidable")


async def test_charge_of_which_only_the_telling_was_lost_costs_the_client_nothing(
    pair: Pair,
) -> None:
    service, voice = await pair.built()
    command, _line = await renewed(pair, service, voice)
    await execute(pair.shop, "DELETE FROM seller_charges WHERE command_id = :id", id=command.id)
    before = await pair.entries()
    await pair.compare()
    assert await pair.found() == []
    assert await pair.kinds(state="gone") == ["charge_unknown_here"]
    assert await pair.entries() == before
    assert sorted(await pair.charges(service.service_ref)) == [("order", 801), ("renewal", 700)]


async def test_amount_of_the_seller_is_taken_over_and_the_client_pays_no_more(pair: Pair) -> None:
    service, _voice = await pair.built()
    pair.seller.charges[0]["amount"]["amount"] = 850
    before = await pair.entries()
    row = await pair.differs("charge_amount")
    assert [row["evidence"][side]["amount"] for side in ("ours", "theirs")] == [801, 850]
    await pair.refused(row, "undo", "not_decidable")
    await pair.decided(row, "adopt", state="gone")
    assert await pair.charges(service.service_ref) == [("order", 850)]
    assert await pair.entries() == before
    await pair.compare()
    assert await pair.found() == []


# --------------------------------------------------------------------- charges unknown there


async def test_forgotten_renewal_is_sent_again_and_the_client_pays_nothing(pair: Pair) -> None:
    service, voice, _command, row = await forgotten_renewal(pair)
    before = (await pair.entries(), await pair.shop.holds())
    await pair.decided(row, "adopt", state="decided")
    kind, summary, body = await pair.last_command(service)
    assert (kind, body["max_price"]["amount"]) == ("renew", 700)
    assert voice.paid_until is not None
    assert body["from"] == voice.paid_until.isoformat().replace("+00:00", "Z")
    assert "again" in summary
    (again,) = await pair.shop.open_commands(service)
    await hear_renewal(pair, again, voice)
    assert (await pair.entries(), await pair.shop.holds()) == before
    # The old line is struck out without asking: the new one stands for it.
    await pair.compare()
    assert await pair.found() == []
    assert sorted(await pair.charges(service.service_ref)) == [("order", 801), ("renewal", 700)]


async def test_forgotten_renewal_is_given_back(pair: Pair) -> None:
    service, _voice, _command, row = await forgotten_renewal(pair)
    before = await pair.shop.available()
    await pair.decided(row, "undo", state="gone")
    assert await pair.shop.available() - before == PRICE
    assert (await pair.entries())[-1] == ("correction", PRICE)
    assert await pair.charges(service.service_ref) == [("order", 801)]
    await pair.compare()
    assert await pair.found() == []


async def test_two_who_give_back_at_once_give_back_once(pair: Pair) -> None:
    _service, _voice, _command, row = await forgotten_renewal(pair)
    before = await pair.shop.available()
    answers = await asyncio.gather(*(pair.decide(row, "undo") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert await pair.shop.available() - before == PRICE


async def test_renewal_under_way_or_carried_out_again_is_neither_repeated_nor_given_back(
    pair: Pair,
) -> None:
    service, voice, _command, row = await forgotten_renewal(pair)
    await pair.decided(row, "adopt", state="decided")
    await execute(
        pair.shop,
        "UPDATE reconciliation_differences SET decision = NULL, decided_at = NULL,"
        " decided_by = NULL, reason = NULL",
    )
    for way in ("adopt", "undo"):
        assert "is under way" in await pair.refused(row, way, "not_decidable")
    (again,) = await pair.shop.open_commands(service)
    await hear_renewal(pair, again, voice)
    for way in ("adopt", "undo"):
        assert "carried it out" in await pair.refused(row, way, "not_decidable")


async def test_renewal_that_was_sent_again_and_forgotten_once_more_is_given_back_in_full(
    pair: Pair,
) -> None:
    service, voice, _command, row = await forgotten_renewal(pair)
    assert (await pair.decide(row, "adopt")).status_code == 200
    (again,) = await pair.shop.open_commands(service)
    line = await hear_renewal(pair, again, voice)
    await pair.compare()
    row = await forget_renewal(pair, voice, again, line)
    before = await pair.shop.available()
    await pair.decided(row, "undo", state="gone")
    assert await pair.shop.available() - before == PRICE


async def test_renewal_of_a_service_that_ends_is_given_back_only(pair: Pair) -> None:
    service, _voice, _command, row = await forgotten_renewal(pair)
    await execute(
        pair.shop, "UPDATE services SET wanted_life = 'terminated', terminate_when = 'now'"
    )
    assert "no term to renew" in await pair.refused(row, "adopt", "not_decidable")
    await pair.decided(row, "undo", state="gone")
    assert await pair.shop.commands(service) == ["order", "renew"]


async def test_order_that_was_never_charged_for_is_no_term_to_renew(pair: Pair) -> None:
    await pair.built()
    pair.seller.charges.clear()
    row = await pair.differs("charge_unknown_there")
    assert (row["ways"], row["repair"]) == (
        ["undo", "ignore"],
        "Undo: give the client the money back.",
    )
    await pair.refused(row, "adopt", "not_decidable")


async def test_charge_of_no_command_that_nobody_paid_is_left_to_people(pair: Pair) -> None:
    service, _voice = await pair.built()
    line = pair.seller.charge(service.service_ref)
    row = await pair.differs("charge_unknown_here")
    await execute(
        pair.shop,
        "INSERT INTO seller_charges SELECT seller_id, :operation, :operation, service_ref,"
        " 'renewal', 700, currency, at FROM seller_charges",
        operation=UUID(line["operation_id"]),
    )
    pair.seller.charges.remove(line)
    row = await pair.differs("charge_unknown_there")
    for way in ("adopt", "undo"):
        await pair.refused(row, way, "no_command_known")
    assert (await pair.decide(row, "ignore")).json()["state"] == "ignored"


async def test_charge_that_people_adopted_is_given_back_though_no_command_is_known(
    pair: Pair,
) -> None:
    service, _voice = await pair.built()
    line = pair.seller.charge(service.service_ref)
    before = await pair.shop.available()
    row = await pair.differs("charge_unknown_here")
    await pair.decided(row, "adopt", state="gone")
    pair.seller.charges.remove(line)
    row = await pair.differs("charge_unknown_there")
    await pair.refused(row, "adopt", "no_command_known")
    await pair.decided(row, "undo", state="gone")
    assert await pair.shop.available() == before
