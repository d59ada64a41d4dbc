"""Events are applied by revision, once, and only those of our own installation."""

from uuid import uuid4

from reselling_service.services import actions
from reselling_service.services.models import Service
from reselling_service.services.rules import Cause
from shared.contract.basics import SuspensionReason
from shared.contract.services import InventoryItem
from tests.reselling.services.shop import BY_STAFF, MONEY, PRICE, SETUP, Shop, execute


async def test_older_and_equal_revisions_change_nothing(shop: Shop) -> None:
    service, voice = await shop.built()
    stop = voice.says("service.stopped", power="stopped", wanted_power="stopped")
    start = voice.says("service.started", power="running", wanted_power="running")
    await shop.hear(start)
    await shop.hear(stop)
    await shop.hear(stop)

    service = await shop.service(service.id)
    assert (service.heard_revision, service.heard_power) == (voice.revision, "running")
    assert service.wanted_power == "running"


async def test_late_event_still_settles_its_command(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.stop)
    (command,) = await shop.open_commands(service)
    stopped = voice.says(
        "service.stopped", command=command, power="stopped", wanted_power="stopped"
    )
    await shop.hear(voice.says("service.renamed"))

    await shop.hear(stopped)

    assert await shop.open_commands(service) == []
    assert await shop.agrees(service)


async def test_accepted_operation_is_noted_and_holds_on_to_the_money(shop: Shop) -> None:
    service = await shop.order()
    voice = shop.voice(service)
    (command,) = await shop.open_commands(service)
    await shop.hear(voice.says("operation.accepted", command=command, end="queued"))
    assert (await shop.service(service.id)).heard_state == "ordered"
    assert [row.kind for row in await shop.open_commands(service)] == ["order"]
    assert await shop.holds() == [(PRICE + SETUP, "open")]


async def test_operation_that_waits_is_shown_with_its_reason(shop: Shop) -> None:
    service = await shop.order()
    voice = shop.voice(service)
    (command,) = await shop.open_commands(service)
    await execute(shop, "UPDATE commands SET state = 'unanswered', attempts = 1")
    await shop.hear(voice.says("operation.accepted", command=command, end="queued"))
    await shop.hear(
        voice.says("operation.waiting", command=command, end="waiting", problem="unavailable")
    )
    (waiting,) = await shop.open_commands(service)
    assert (waiting.state, waiting.operation_state) == ("accepted", "waiting")
    assert waiting.problem is not None
    assert waiting.problem["code"] == "unavailable"


async def test_what_a_forgotten_command_did_is_wanted_and_can_be_taken_back(shop: Shop) -> None:
    """A backup from before the command was put back: only the seller remembers."""
    service, voice = await shop.built()
    await suspend(shop, service)
    (command,) = await shop.open_commands(service)
    await execute(shop, "DELETE FROM jobs WHERE kind = 'forward'")
    await execute(shop, "DELETE FROM commands WHERE kind = 'suspend'")
    await execute(shop, "DELETE FROM wanted_suspensions")
    await shop.hear(
        voice.says(
            "service.suspended",
            command=command,
            state="suspended",
            power="stopped",
            suspensions={"partner": "legal"},
        )
    )
    assert await shop.causes(service) == {"staff"}
    assert await shop.agrees(service)
    await shop.wish(service, actions.resume, BY_STAFF, cause=Cause.STAFF)
    assert await shop.commands(service) == ["order", "resume partner"]


async def suspend(shop: Shop, service: Service) -> None:
    reason = SuspensionReason.LEGAL
    await shop.wish(service, actions.suspend, BY_STAFF, cause=Cause.STAFF, reason=reason)


async def test_events_of_another_installation_are_skipped(shop: Shop) -> None:
    service, voice = await shop.built()
    event = voice.says("service.stopped", power="stopped", wanted_power="stopped")
    await shop.hear(event.model_copy(update={"installation_id": uuid4()}))
    assert (await shop.service(service.id)).heard_power == "running"


async def test_event_of_an_unknown_service_changes_nothing(shop: Shop) -> None:
    service, voice = await shop.built()
    event = voice.says("service.stopped", power="stopped")
    await shop.hear(event.model_copy(update={"service_ref": uuid4()}))
    assert (await shop.service(service.id)).heard_power == "running"


async def test_command_of_another_service_is_not_settled(shop: Shop) -> None:
    service, voice = await shop.built()
    other = await shop.order()
    (command,) = await shop.open_commands(other)
    await shop.hear(voice.says("service.activated", command=command))
    assert [row.kind for row in await shop.open_commands(other)] == ["order"]
    assert await shop.open_commands(service) == []


async def test_deleted_service_leaves_nothing_to_be_wanted(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.hear(voice.says("service.deleted", state="deleted", power="stopped"))
    service = await shop.service(service.id)
    assert (service.wanted_life, service.auto_renew) == ("terminated", False)
    assert await shop.due_at(service) is None
    assert await shop.agrees(service)


async def test_parked_service_is_stale_until_it_is_read_again(shop: Shop) -> None:
    service, voice = await shop.built()
    item = InventoryItem(
        service_ref=service.service_ref,
        client_ref=service.client_ref,
        installation_id=shop.installation_id,
        revision=voice.revision,
        state="active",
        power="running",
        paid_until=voice.paid_until,
        suspended_by=[],
    )
    newer, older = (item.model_copy(update={"revision": voice.revision + step}) for step in (1, -1))
    unknown = item.model_copy(update={"service_ref": uuid4()})
    foreign = unknown.model_copy(update={"installation_id": uuid4()})

    async with shop.runtime.staff.write() as session:
        news = await actions.hear_inventory(session, shop.seller_id, [item, unknown, foreign])
        assert (news.stale, news.unknown) == ([], [unknown.service_ref])
        assert (await actions.hear_inventory(session, shop.seller_id, [newer])).stale == [
            service.service_ref
        ]
        # A seller that went back is named by the comparison, not followed without a word.
        assert (await actions.hear_inventory(session, shop.seller_id, [older])).stale == []
        await actions.park(
            session, seller_id=shop.seller_id, service_ref=service.service_ref, reason="odd"
        )
        news = await actions.hear_inventory(session, shop.seller_id, [item])
        assert news.stale == [service.service_ref]
        voice.says("service.stopped", power="stopped", wanted_power="stopped")
        assert await actions.hear_status(session, shop.seller_id, voice.status())

    service = await shop.service(service.id)
    assert (service.parked, service.wanted_power) == (None, "stopped")
    assert await shop.agrees(service)


async def test_money_of_a_failed_renewal_comes_back(shop: Shop) -> None:
    service, voice = await shop.built()
    await shop.wish(service, actions.renew)
    (command,) = await shop.open_commands(service)
    await shop.hear(
        voice.says("operation.failed", command=command, end="failed", problem="platform_refused")
    )
    assert await shop.available() == MONEY - PRICE - SETUP
    assert (await shop.service(service.id)).renewed_from is None
