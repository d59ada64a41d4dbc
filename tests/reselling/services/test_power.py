"""Starts, stops and restarts: what is sent, what is joined, and what others moved."""

import pytest

from reselling_service.services import actions
from shared.kit.problems import ProblemError
from tests.reselling.services.shop import Shop


async def test_wish_already_fulfilled_sends_nothing(shop: Shop) -> None:
    service, _voice = await shop.built()
    await shop.wish(service, actions.start)
    assert await shop.commands(service) == ["order"]


async def test_stop_and_start_are_each_sent_once(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.stop)
    service = await shop.wish(service, actions.stop)
    assert (service.wanted_power, await shop.commands(service)) == ("stopped", ["order", "stop"])
    assert not await shop.agrees(service)

    (command,) = await shop.open_commands(service)
    await shop.hear(
        voice.says("service.stopped", command=command, power="stopped", wanted_power="stopped")
    )
    assert await shop.agrees(service)
    await shop.wish(service, actions.start)
    assert await shop.commands(service) == ["order", "stop", "start"]


async def test_repeated_restart_joins_the_one_under_way(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.restart)
    await shop.wish(service, actions.restart)
    assert await shop.commands(service) == ["order", "restart"]

    (command,) = await shop.open_commands(service)
    await shop.hear(voice.says("service.restarted", command=command))
    await shop.wish(service, actions.restart)
    assert await shop.commands(service) == ["order", "restart", "restart"]


async def test_stopped_service_is_started_not_restarted(shop: Shop) -> None:
    service, _voice = await shop.built()
    await shop.wish(service, actions.stop)
    with pytest.raises(ProblemError, match="not_in_this_state"):
        await shop.wish(service, actions.restart)


async def test_service_that_is_being_built_takes_no_power_wishes(shop: Shop) -> None:
    service = await shop.order()
    with pytest.raises(ProblemError, match="not_in_this_state"):
        await shop.wish(service, actions.stop)


async def test_stop_from_the_panel_is_wanted_from_then_on(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.hear(voice.says("service.stopped", power="stopped", wanted_power="stopped"))
    service = await shop.service(service.id)
    assert service.wanted_power == "stopped"
    assert await shop.agrees(service)


async def test_event_of_others_does_not_undo_a_wish_under_way(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.stop)
    await shop.hear(
        voice.says(
            "service.suspended",
            state="suspended",
            power="stopped",
            suspensions={"provider": "maintenance"},
        )
    )
    assert (await shop.service(service.id)).wanted_power == "stopped"


async def test_superseded_start_falls_back_to_what_was_heard(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.hear(voice.says("service.stopped", power="stopped", wanted_power="stopped"))
    await shop.wish(service, actions.start)
    (command,) = await shop.open_commands(service)
    await shop.hear(
        voice.says(
            "operation.superseded",
            command=command,
            end="superseded",
            state="suspended",
            suspensions={"provider": "other"},
        )
    )
    service = await shop.service(service.id)
    assert service.wanted_power == "stopped"
    assert await shop.agrees(service)


async def test_refused_stop_is_dropped(shop: Shop) -> None:
    service, _voice = await shop.built()
    await shop.wish(service, actions.stop)
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "wrong_state")
    assert (await shop.service(service.id)).wanted_power == "running"
