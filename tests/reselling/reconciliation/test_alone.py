"""How much is repaired without people: a few commands, and nothing where there are too many."""

from reselling_service.services import actions
from reselling_service.services.models import Service
from reselling_service.services.rules import Cause
from shared.contract.basics import SuspensionReason
from tests.reselling.reconciliation.counterpart import Counterpart
from tests.reselling.reconciliation.pair import Pair, open_pair
from tests.reselling.services.shop import BY_STAFF

MOST = 2
TOO_MANY = "Too many at once to be sent alone: look first."


async def lose(pair: Pair, count: int) -> list[Service]:
    """Services that the seller has forgotten."""
    services = [(await pair.built())[0] for _ in range(count)]
    for service in services:
        pair.forgets(service)
    return services


async def test_as_many_as_may_be_are_ordered_again_alone_and_once(
    reselling_database_url: str, seller: Counterpart
) -> None:
    async with open_pair(reselling_database_url, seller, most_alone=MOST) as pair:
        services = await lose(pair, MOST)
        await pair.compare()
        rows = await pair.found()
        assert [(row["kind"], row["safe"]) for row in rows] == [("unknown_there", True)] * MOST
        assert all(row["tried_at"] and TOO_MANY not in row["repair"] for row in rows)
        for service in services:
            assert await pair.shop.commands(service) == ["order", "order"]
            await pair.end(service, "refused")
        await pair.compare()
        for service in services:
            assert await pair.shop.commands(service) == ["order", "order"]


async def test_one_more_leaves_all_of_them_to_people(
    reselling_database_url: str, seller: Counterpart
) -> None:
    async with open_pair(reselling_database_url, seller, most_alone=MOST) as pair:
        services = await lose(pair, MOST + 1)
        await pair.compare()
        rows = await pair.found()
        assert [(row["safe"], row["tried_at"]) for row in rows] == [(False, None)] * (MOST + 1)
        assert all(TOO_MANY in row["repair"] for row in rows)
        for service in services:
            assert await pair.shop.commands(service) == ["order"]
        desk = await pair.house.owner.get("/staff/v1/desk", params={"kind": "difference"})
        assert len(desk["items"]) == MOST + 1
        # One by one they are people's to send, and what is left then is few enough.
        assert (await pair.decide(rows[0], "adopt")).status_code == 200
        await pair.compare()
        sent = [len(await pair.shop.commands(service)) for service in services]
        assert sent == [2] * (MOST + 1)


async def test_kinds_of_commands_count_together(
    reselling_database_url: str, seller: Counterpart
) -> None:
    async with open_pair(reselling_database_url, seller, most_alone=MOST) as pair:
        suspended, _voice = await pair.built()
        await pair.shop.wish(
            suspended,
            actions.suspend,
            BY_STAFF,
            cause=Cause.STAFF,
            reason=SuspensionReason.OTHER,
        )
        await pair.end(suspended, "succeeded")
        await lose(pair, MOST)
        await pair.compare()
        rows = await pair.found()
        assert {row["kind"] for row in rows} == {"unknown_there", "not_as_wanted"}
        assert all(not row["safe"] and TOO_MANY in row["repair"] for row in rows)
        assert await pair.shop.commands(suspended) == ["order", "suspend partner"]


async def test_what_sends_nothing_is_repaired_however_much_it_is(pair: Pair) -> None:
    for _ in range(MOST + 1):
        await pair.built(revision=2, power="stopped")
    await pair.compare()
    assert await pair.found() == []
    assert await pair.kinds(state="gone") == ["heard_other"] * (MOST + 1)


async def test_what_is_ignored_is_never_sent_alone(
    reselling_database_url: str, seller: Counterpart
) -> None:
    async with open_pair(reselling_database_url, seller, most_alone=0) as pair:
        (service,) = await lose(pair, 1)
        row = await pair.differs("unknown_there")
        assert (await pair.decide(row, "ignore")).status_code == 200
        pair.house.runtime.settings.reconciliation_most_alone = MOST
        await pair.compare()
        assert await pair.shop.commands(service) == ["order"]
        assert await pair.kinds(state="ignored") == ["unknown_there"]
