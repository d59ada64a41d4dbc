"""Renewals: before the end, once, with the client's money, and again when there was none."""

import asyncio
from datetime import timedelta

import pytest

from reselling_service.services import actions, queries
from reselling_service.services.models import Service
from reselling_service.services.rules import Cause, renewal_times, renewal_words
from shared.contract.basics import Period, SuspensionReason, TerminateWhen
from shared.kit.db import WriteSession
from shared.kit.jobs import enqueue
from shared.kit.problems import ProblemError
from tests.reselling.services.shop import BY_STAFF, MONEY, PRICE, SETUP, Shop, execute
from tests.reselling.services.voice import MONTH, Voice

DAY = timedelta(hours=24)
LEFT = MONEY - PRICE - SETUP


async def renewed(shop: Shop, service: Service, voice: Voice) -> None:
    """The seller prolongs the term and tells so."""
    (command,) = await shop.open_commands(service)
    assert voice.paid_until is not None
    await shop.hear(
        voice.says("service.renewed", command=command, paid_until=voice.paid_until + MONTH)
    )


async def test_renewal_is_due_a_day_before_the_end(shop: Shop) -> None:
    service, _voice = await shop.built()
    assert service.heard_paid_until is not None
    assert await shop.due_at(service) == service.heard_paid_until - DAY


async def test_renewal_is_due_by_the_sellers_clock(shop: Shop) -> None:
    await execute(shop, "UPDATE sellers SET clock_offset_ms = 600000")
    service, _voice = await shop.built()
    assert service.heard_paid_until is not None
    assert await shop.due_at(service) == service.heard_paid_until - DAY - timedelta(minutes=10)


def test_short_terms_are_renewed_shortly_before_their_end() -> None:
    assert renewal_times(Period.HOUR).ahead == timedelta(minutes=15)
    assert renewal_times(Period.DAY).ahead == timedelta(hours=2)
    assert renewal_times(Period.YEAR).ahead == DAY


async def test_client_is_charged_once_and_the_next_term_is_scheduled(shop: Shop) -> None:
    service, voice = await shop.built()
    shop.clock.advance(MONTH - DAY)
    await shop.work()
    await shop.work()
    assert await shop.commands(service) == ["order", "renew"]
    assert await shop.available() == LEFT - PRICE

    await renewed(shop, service, voice)
    await shop.work()

    assert (await shop.holds())[1:] == [(PRICE, "captured")]
    assert await shop.commands(service) == ["order", "renew"]
    assert voice.paid_until is not None
    assert await shop.due_at(service) == voice.paid_until - DAY


async def test_two_workers_at_once_renew_once(shop: Shop) -> None:
    service, _voice = await shop.built()
    shop.clock.advance(MONTH - DAY)

    async def once() -> None:
        async with shop.runtime.staff.write() as session:
            locked = await queries.lock_by_id(session, service_id=service.id)
            assert locked is not None
            await actions.renew_itself(session, locked)

    await asyncio.gather(*(once() for _ in range(4)))
    assert await shop.commands(service) == ["order", "renew"]
    assert (await shop.holds())[1:] == [(PRICE, "open")]


async def test_renewal_by_hand_and_by_itself_at_once_is_one(shop: Shop) -> None:
    service, _voice = await shop.built()
    shop.clock.advance(MONTH - DAY)
    await asyncio.gather(shop.wish(service, actions.renew), shop.work())
    assert await shop.commands(service) == ["order", "renew"]


async def test_job_that_comes_too_early_looks_again_when_it_is_due(shop: Shop) -> None:
    service, _voice = await shop.built()
    due = await shop.due_at(service)
    async with shop.runtime.staff.write() as session:
        await enqueue(
            session,
            "renew",
            payload={"service_id": service.id},
            tenant_id=service.client_id,
            dedupe_key=f"renew:{service.id}",
        )
    await shop.work()
    assert await shop.commands(service) == ["order"]
    assert await shop.due_at(service) == due


async def test_without_money_it_is_noted_and_tried_again_after_a_payment(shop: Shop) -> None:
    service, _voice = await shop.built()
    await execute(shop, "UPDATE balances SET balance = 10, held = 0")
    shop.clock.advance(MONTH - DAY)
    await shop.work()

    assert (await shop.service(service.id)).renewal_problem == "balance_too_low"
    assert await shop.commands(service) == ["order"]
    assert await shop.due_at(service) == shop.clock.now() + timedelta(hours=1)

    await shop.top_up(PRICE)
    await shop.work()
    assert await shop.commands(service) == ["order", "renew"]
    assert (await shop.service(service.id)).renewal_problem is None


async def test_without_money_it_is_tried_hourly_and_given_up_in_the_end(shop: Shop) -> None:
    service, _voice = await shop.built()
    await execute(shop, "UPDATE balances SET balance = 10, held = 0")
    shop.clock.advance(MONTH)
    await shop.work()
    assert await shop.due_at(service) == shop.clock.now() + timedelta(hours=1)

    shop.clock.advance(renewal_times(Period.MONTH).grace + timedelta(hours=2))
    await shop.work()
    assert await shop.due_at(service) is None
    assert await shop.commands(service) == ["order"]
    given_up = await shop.service(service.id)
    assert given_up.renewal_problem == "grace_over"
    assert "by hand" in (renewal_words(given_up.renewal_problem) or "")


async def test_refused_renewal_frees_the_money_and_is_tried_again(shop: Shop) -> None:
    service, _voice = await shop.built()
    shop.clock.advance(MONTH - DAY)
    await shop.work()
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "price_above_max")

    service = await shop.service(service.id)
    assert await shop.available() == LEFT
    assert (service.renewal_problem, service.renewed_from) == ("price_above_max", None)
    assert await shop.due_at(service) == shop.clock.now() + timedelta(hours=6)


async def test_moved_term_is_looked_at_again_and_charged_once(shop: Shop) -> None:
    service, voice = await shop.built()
    shop.clock.advance(MONTH - DAY)
    await shop.work()
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "term_moved")
    assert (await shop.service(service.id)).renewal_problem is None
    assert await shop.available() == LEFT

    assert voice.paid_until is not None
    await shop.hear(voice.says("service.renewed", paid_until=voice.paid_until + MONTH))
    shop.clock.advance(timedelta(minutes=2))
    await shop.work()
    assert await shop.commands(service) == ["order", "renew"]
    assert await shop.available() == LEFT


async def test_terminated_meanwhile_is_never_renewed(shop: Shop) -> None:
    service, _voice = await shop.built()
    await shop.wish(service, actions.terminate, when=TerminateWhen.PERIOD_END)
    # The job was claimed before the termination, so that removing it came too late.
    async with shop.runtime.staff.write() as session:
        await enqueue(session, "renew", payload={"service_id": service.id})
    shop.clock.advance(MONTH - DAY)
    await shop.work()
    assert await shop.commands(service) == ["order", "terminate"]
    assert await shop.due_at(service) is None
    with pytest.raises(ProblemError, match="not_in_this_state"):
        await shop.wish(service, actions.renew)


async def test_turned_off_it_isnt_renewed_and_turned_on_late_it_is(shop: Shop) -> None:
    service, _voice = await shop.built()

    async def turn(*, wanted: bool) -> None:
        async def act(session: WriteSession) -> None:
            locked = await queries.lock_service(session, shop.client_id, service_id=service.id)
            await actions.set_auto_renew(session, locked, wanted=wanted)

        await shop.as_client(act)

    await turn(wanted=False)
    assert await shop.due_at(service) is None
    shop.clock.advance(MONTH - DAY)
    await shop.work()
    assert await shop.commands(service) == ["order"]

    await turn(wanted=True)
    await shop.work()
    assert await shop.commands(service) == ["order", "renew"]


async def test_what_staff_suspended_waits_and_is_renewed_when_it_runs_again(shop: Shop) -> None:
    service, voice = await shop.built()
    event = voice.says(
        "service.suspended", state="suspended", power="stopped", suspensions={"provider": "other"}
    )
    await shop.hear(event)
    shop.clock.advance(MONTH - DAY)
    await shop.work()
    assert await shop.commands(service) == ["order"]

    await shop.hear(voice.says("service.resumed", state="active", power="running", suspensions={}))
    await shop.work()
    assert await shop.commands(service) == ["order", "renew"]


@pytest.mark.parametrize("actor", ["expired", "client"])
async def test_expired_or_paused_by_its_client_it_is_renewed(shop: Shop, actor: str) -> None:
    service, voice = await shop.built()
    if actor == "client":
        await shop.wish(
            service,
            actions.suspend,
            cause=Cause.CLIENT,
            reason=SuspensionReason.REQUESTED,
        )
        (command,) = await shop.open_commands(service)
        await shop.hear(
            voice.says(
                "service.suspended",
                command=command,
                state="suspended",
                power="stopped",
                suspensions={"client": "requested"},
            )
        )
    else:
        await shop.hear(
            voice.says(
                "service.suspended",
                state="suspended",
                power="stopped",
                suspensions={"expired": "unpaid"},
            )
        )
    shop.clock.advance(MONTH)
    await shop.work()
    assert (await shop.commands(service))[-1] == "renew"


async def test_repeated_click_joins_and_an_old_one_is_told_so(shop: Shop) -> None:
    service, voice = await shop.built()
    seen = service.heard_paid_until
    await shop.wish(service, actions.renew, paid_until=seen)
    await shop.wish(service, actions.renew, paid_until=seen)
    assert await shop.commands(service) == ["order", "renew"]

    await renewed(shop, service, voice)
    with pytest.raises(ProblemError, match="paid_until_moved"):
        await shop.wish(service, actions.renew, paid_until=seen)


async def test_by_hand_without_money_nothing_is_sent(shop: Shop) -> None:
    service, _voice = await shop.built()
    await execute(shop, "UPDATE balances SET balance = 10, held = 0")
    with pytest.raises(ProblemError, match="insufficient_balance"):
        await shop.wish(service, actions.renew, BY_STAFF)
    assert await shop.commands(service) == ["order"]
    assert (await shop.service(service.id)).renewed_from is None


async def test_price_in_another_currency_than_the_balance_is_not_taken_from_it(shop: Shop) -> None:
    service, _voice = await shop.built()
    await execute(shop, "UPDATE services SET currency = 'JPY'")
    with pytest.raises(ProblemError, match="unavailable"):
        await shop.wish(service, actions.renew, BY_STAFF)
    assert await shop.commands(service) == ["order"]
    assert await shop.available() == LEFT
