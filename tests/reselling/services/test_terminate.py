"""Ending a service and taking that back: by the same side, and with a renewal where it must."""

from datetime import timedelta

import pytest

from reselling_service.services import actions
from reselling_service.services.models import Service
from shared.contract.basics import TerminateWhen
from shared.kit.problems import ProblemError
from tests.reselling.services.shop import BY_CLIENT, BY_STAFF, MONEY, PRICE, SETUP, Shop
from tests.reselling.services.voice import MONTH, Voice

NOW, PERIOD_END = TerminateWhen.NOW, TerminateWhen.PERIOD_END
LEFT = MONEY - PRICE - SETUP


async def ended(shop: Shop, service: Service, voice: Voice) -> None:
    """The seller ends the service and keeps its data."""
    (command,) = await shop.open_commands(service)
    await shop.hear(
        voice.says("service.terminated", command=command, state="terminated", power="stopped")
    )


async def test_termination_is_sent_once_and_stops_the_renewal(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, when=NOW)
    service = await shop.wish(service, actions.terminate, when=NOW)
    assert await shop.commands(service) == ["order", "terminate"]
    assert await shop.due_at(service) is None
    assert not await shop.agrees(service)
    await ended(shop, service, voice)
    assert await shop.agrees(service)


async def test_end_of_the_period_may_become_now_but_not_the_other_way(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, when=PERIOD_END)
    (command,) = await shop.open_commands(service)
    await shop.hear(
        voice.says("service.termination_scheduled", command=command, terminate_at=voice.paid_until)
    )
    assert await shop.agrees(service)
    await shop.wish(service, actions.terminate, when=NOW)
    await shop.wish(service, actions.terminate, when=PERIOD_END)
    assert await shop.commands(service) == ["order", "terminate", "terminate"]
    assert (await shop.service(service.id)).terminate_when == "now"


async def test_order_may_be_ended_before_it_is_built(shop: Shop) -> None:
    service = await shop.order()
    await shop.wish(service, actions.terminate, when=NOW)
    assert await shop.commands(service) == ["order", "terminate"]
    with pytest.raises(ProblemError, match="not_in_this_state"):
        await shop.wish(await shop.order(), actions.terminate, when=PERIOD_END)


async def test_client_takes_back_what_the_client_ended(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, when=NOW)
    await ended(shop, service, voice)
    await shop.wish(service, actions.restore, with_renewal=False)
    (command,) = await shop.open_commands(service)
    assert command.hold_id is None
    await shop.hear(
        voice.says("service.restored", command=command, state="active", power="running")
    )
    assert await shop.agrees(service)


async def test_client_cannot_take_back_what_staff_ended(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, BY_STAFF, when=NOW)
    await ended(shop, service, voice)
    with pytest.raises(ProblemError, match="not_yours_to_restore"):
        await shop.wish(service, actions.restore, BY_CLIENT, with_renewal=False)
    await shop.wish(service, actions.restore, BY_STAFF, with_renewal=False)
    assert await shop.commands(service) == ["order", "terminate", "restore"]


async def test_client_who_hastens_an_end_of_the_staffs_cannot_take_it_back(
    shop: Shop,
) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, BY_STAFF, when=PERIOD_END)
    (command,) = await shop.open_commands(service)
    await shop.hear(
        voice.says("service.termination_scheduled", command=command, terminate_at=voice.paid_until)
    )
    await shop.wish(service, actions.terminate, BY_CLIENT, when=NOW)
    await ended(shop, service, voice)
    with pytest.raises(ProblemError, match="not_yours_to_restore"):
        await shop.wish(service, actions.restore, BY_CLIENT, with_renewal=False)


async def test_what_the_client_ended_becomes_the_staffs_when_they_end_it_too(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, BY_CLIENT, when=NOW)
    await ended(shop, service, voice)
    await shop.wish(service, actions.terminate, BY_STAFF, when=NOW)
    assert await shop.commands(service) == ["order", "terminate"]
    with pytest.raises(ProblemError, match="not_yours_to_restore"):
        await shop.wish(service, actions.restore, BY_CLIENT, with_renewal=False)


async def test_repeated_click_on_restore_joins_the_one_under_way(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, when=NOW)
    await ended(shop, service, voice)
    await shop.wish(service, actions.restore, BY_CLIENT, with_renewal=False)
    await shop.wish(service, actions.restore, BY_CLIENT, with_renewal=False)
    assert await shop.commands(service) == ["order", "terminate", "restore"]


async def test_end_that_came_to_nothing_or_was_taken_back_is_renewed_as_before(shop: Shop) -> None:
    service, voice = await shop.built()
    due = await shop.due_at(service)
    assert due is not None
    await shop.wish(service, actions.terminate, when=PERIOD_END)
    assert await shop.due_at(service) is None
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "wrong_state")
    assert await shop.due_at(service) == due

    await shop.wish(service, actions.terminate, when=NOW)
    await ended(shop, service, voice)
    service = await shop.wish(service, actions.restore, with_renewal=False)
    assert (service.auto_renew, await shop.due_at(service)) == (True, due)


async def test_nobody_here_takes_back_what_the_provider_ended(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.hear(voice.says("service.terminated", state="terminated", power="stopped"))
    for asker in (BY_CLIENT, BY_STAFF):
        with pytest.raises(ProblemError, match="not_yours_to_restore"):
            await shop.wish(service, actions.restore, asker, with_renewal=True)


async def test_restore_after_the_term_costs_one_and_is_agreed_to_first(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, when=NOW)
    await ended(shop, service, voice)
    shop.clock.advance(MONTH + timedelta(hours=1))

    with pytest.raises(ProblemError, match="renewal_needed"):
        await shop.wish(service, actions.restore, with_renewal=False)
    await shop.wish(service, actions.restore, with_renewal=True)
    assert await shop.available() == LEFT - PRICE

    (command,) = await shop.open_commands(service)
    assert voice.paid_until is not None
    await shop.hear(
        voice.says(
            "service.restored",
            command=command,
            state="active",
            power="running",
            paid_until=voice.paid_until + MONTH,
        )
    )
    assert (await shop.holds())[1:] == [(PRICE, "captured")]
    assert await shop.agrees(service)


async def test_refused_restore_is_ended_again_and_frees_the_money(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, when=NOW)
    await ended(shop, service, voice)
    shop.clock.advance(MONTH + timedelta(hours=1))
    await shop.wish(service, actions.restore, with_renewal=True)
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "wrong_state")

    service = await shop.service(service.id)
    assert (service.wanted_life, service.terminated_by) == ("terminated", "client")
    assert (service.renewed_from, service.renewal_problem) == (None, None)
    assert await shop.available() == LEFT
    assert await shop.agrees(service)


async def test_refused_termination_leaves_it_active(shop: Shop) -> None:
    service, _voice = await shop.built()
    await shop.wish(service, actions.terminate, when=PERIOD_END)
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "wrong_state")
    service = await shop.service(service.id)
    assert (service.wanted_life, service.terminate_when) == ("active", None)
    assert await shop.agrees(service)


async def test_refused_termination_of_what_is_being_built_leaves_it_wanted(shop: Shop) -> None:
    service = await shop.order()
    await shop.wish(service, actions.terminate, when=NOW)
    order, termination = await shop.open_commands(service)
    await shop.refuse(termination, "wrong_state")

    voice = shop.voice(service)
    await shop.hear(voice.says("service.activated", command=order, state="active", power="running"))
    service = await shop.service(service.id)
    assert service.wanted_life == "active"
    assert await shop.agrees(service)


async def test_nothing_is_left_to_restore_once_it_is_deleted(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.terminate, when=NOW)
    await ended(shop, service, voice)
    await shop.hear(voice.says("service.deleted", state="deleted"))
    with pytest.raises(ProblemError, match="not_in_this_state"):
        await shop.wish(service, actions.restore, with_renewal=True)


async def test_host_name_falls_back_when_the_rename_comes_to_nothing(shop: Shop) -> None:
    service, voice = await shop.built()

    async def hostname() -> str:
        found = await shop.service(service.id)
        return shop.runtime.vault.decrypt_text(found.hostname)

    await shop.wish(service, actions.rename, hostname="web-2.example.com")
    with pytest.raises(ProblemError, match="under_way"):
        await shop.wish(service, actions.rename, hostname="web-3.example.com")
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "wrong_state")
    assert await hostname() == "web-1.example.com"

    await shop.wish(service, actions.rename, hostname="web-2.example.com")
    (command,) = await shop.open_commands(service)
    await shop.hear(voice.says("service.renamed", command=command))
    await shop.wish(service, actions.rename, hostname="web-2.example.com")
    assert await hostname() == "web-2.example.com"
    assert await shop.commands(service) == ["order", "rename", "rename"]
