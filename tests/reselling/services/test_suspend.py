"""Who may suspend and resume: each cause at home, the two actors upstream, and the others."""

import pytest

from reselling_service.services import actions
from reselling_service.services.models import Service
from reselling_service.services.rules import Cause
from shared.contract.basics import SuspensionReason
from shared.kit.problems import ProblemError
from tests.reselling.services.shop import BY_CLIENT, BY_STAFF, Shop
from tests.reselling.services.voice import Voice

LEGAL = SuspensionReason.LEGAL


async def suspend(shop: Shop, service: Service, cause: Cause) -> Service:
    asker = BY_CLIENT if cause is Cause.CLIENT else BY_STAFF
    return await shop.wish(service, actions.suspend, asker, cause=cause, reason=LEGAL)


async def resume(shop: Shop, service: Service, cause: Cause) -> Service:
    asker = BY_CLIENT if cause is Cause.CLIENT else BY_STAFF
    return await shop.wish(service, actions.resume, asker, cause=cause)


async def done(shop: Shop, service: Service, voice: Voice, *, suspensions: dict[str, str]) -> None:
    """The seller carries the first open suspension out and tells so."""
    command = (await shop.open_commands(service))[0]
    event = voice.says(
        "service.suspended",
        command=command,
        state="suspended",
        power="stopped",
        suspensions=suspensions,
    )
    await shop.hear(event)


async def test_first_of_an_actor_is_sent_and_the_last_one_to_go(shop: Shop) -> None:
    service, _voice = await shop.built()

    await suspend(shop, service, Cause.STAFF)
    await suspend(shop, service, Cause.CLIENT_DEBT)
    await resume(shop, service, Cause.STAFF)
    assert await shop.commands(service) == ["order", "suspend partner"]
    assert await shop.causes(service) == {"client_debt"}

    await resume(shop, service, Cause.CLIENT_DEBT)
    assert await shop.commands(service) == ["order", "suspend partner", "resume partner"]
    assert await shop.causes(service) == set()


async def test_client_and_staff_are_two_actors(shop: Shop) -> None:
    service, voice = await shop.built()
    await suspend(shop, service, Cause.CLIENT)
    await suspend(shop, service, Cause.STAFF)
    assert await shop.commands(service) == ["order", "suspend client", "suspend partner"]

    await done(shop, service, voice, suspensions={"client": "legal"})
    await done(shop, service, voice, suspensions={"client": "legal", "partner": "legal"})
    assert await shop.agrees(service)


async def test_suspending_twice_sends_once(shop: Shop) -> None:
    service, _voice = await shop.built()
    await suspend(shop, service, Cause.CLIENT)
    await suspend(shop, service, Cause.CLIENT)
    assert await shop.commands(service) == ["order", "suspend client"]


async def test_client_cannot_lift_the_suspension_of_staff(shop: Shop) -> None:
    service, _voice = await shop.built()
    await suspend(shop, service, Cause.STAFF)

    with pytest.raises(ProblemError, match="not_yours_to_resume") as caught:
        await resume(shop, service, Cause.CLIENT)

    assert [blocker["by"] for blocker in caught.value.blockers] == ["staff"]
    assert await shop.causes(service) == {"staff"}
    assert await shop.commands(service) == ["order", "suspend partner"]


async def test_lifting_ones_own_leaves_the_others_standing(shop: Shop) -> None:
    service, _voice = await shop.built()
    await suspend(shop, service, Cause.CLIENT)
    await suspend(shop, service, Cause.STAFF)
    await resume(shop, service, Cause.CLIENT)
    assert await shop.causes(service) == {"staff"}
    assert (await shop.commands(service))[-1] == "resume client"


async def test_resume_without_any_suspension_sends_nothing(shop: Shop) -> None:
    service, _voice = await shop.built()
    await resume(shop, service, Cause.CLIENT)
    assert await shop.commands(service) == ["order"]


@pytest.mark.parametrize("actor", ["provider", "abuse", "expired", "partner_debt"])
async def test_start_names_the_others_who_suspended(shop: Shop, actor: str) -> None:
    service, voice = await shop.built()
    await shop.hear(
        voice.says(
            "service.suspended", state="suspended", power="stopped", suspensions={actor: "other"}
        )
    )

    with pytest.raises(ProblemError, match="service_suspended") as caught:
        await shop.wish(service, actions.start)

    # What the reseller owes is told as the provider's suspension, without the reason.
    shown = "provider" if actor == "partner_debt" else actor
    assert [blocker["by"] for blocker in caught.value.blockers] == [shown]
    assert "debt" not in str(caught.value.detail)
    assert await shop.commands(service) == ["order"]
    assert await shop.agrees(service)


async def test_start_names_the_own_suspension_before_the_seller_has_heard(shop: Shop) -> None:
    service, _voice = await shop.built()
    await suspend(shop, service, Cause.STAFF)
    with pytest.raises(ProblemError, match="service_suspended") as caught:
        await shop.wish(service, actions.restart)
    assert [blocker["by"] for blocker in caught.value.blockers] == ["staff"]


async def test_staff_are_stopped_by_a_suspension_too(shop: Shop) -> None:
    service, _voice = await shop.built()
    await suspend(shop, service, Cause.CLIENT)
    with pytest.raises(ProblemError, match="service_suspended"):
        await shop.wish(service, actions.start, BY_STAFF)


async def test_suspension_goes_out_while_the_service_is_being_built(shop: Shop) -> None:
    service = await shop.order()
    await suspend(shop, service, Cause.STAFF)
    assert await shop.commands(service) == ["order", "suspend partner"]


async def test_refused_suspension_is_dropped(shop: Shop) -> None:
    service, _voice = await shop.built()
    await suspend(shop, service, Cause.STAFF)
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "wrong_state")
    assert await shop.causes(service) == set()
    assert await shop.agrees(service)


async def test_refused_suspension_is_dropped_also_before_the_seller_was_heard(shop: Shop) -> None:
    service = await shop.order()
    await suspend(shop, service, Cause.CLIENT)
    order, suspension = await shop.open_commands(service)
    await shop.refuse(suspension, "wrong_state")
    assert await shop.causes(service) == set()

    voice = shop.voice(service)
    await shop.hear(voice.says("service.activated", command=order, state="active", power="running"))
    assert await shop.agrees(await shop.service(service.id))


async def test_refusal_of_an_older_wish_leaves_the_newer_one(shop: Shop) -> None:
    service, _voice = await shop.built()
    await suspend(shop, service, Cause.STAFF)
    await resume(shop, service, Cause.STAFF)
    await suspend(shop, service, Cause.STAFF)
    first = (await shop.open_commands(service))[0]
    await shop.refuse(first, "wrong_state")
    assert await shop.causes(service) == {"staff"}


async def test_cancelled_order_forgets_its_suspensions(shop: Shop) -> None:
    service = await shop.order()
    await suspend(shop, service, Cause.STAFF)
    order = (await shop.open_commands(service))[0]
    await shop.refuse(order, "out_of_stock")
    assert await shop.causes(service) == set()
