import pytest

from selling_service.partners.actions import change_partner
from selling_service.partners.rules import PartnerState
from shared.contract.basics import CommandKind
from shared.kit.people import Unattended
from tests.kit.people_house import BASE, House
from tests.selling.partners.factories import create_reseller


def expected(state: PartnerState, kind: CommandKind) -> str | None:
    """What the contract says: the code of the refusal, or None."""
    if state is PartnerState.BLOCKED and kind not in {CommandKind.SUSPEND, CommandKind.TERMINATE}:
        return "partner_blocked"
    if state is PartnerState.NO_NEW_ORDERS and kind is CommandKind.ORDER:
        return "orders_closed"
    return None


@pytest.mark.parametrize("state", list(PartnerState))
async def test_each_command_in_each_state_of_the_partner(house: House, state: PartnerState) -> None:
    reseller = await create_reseller(house)
    async with house.runtime.staff.write() as session:
        await change_partner(session, Unattended.CLI, partner_id=reseller.partner_id, state=state)
    async with reseller.client() as client:
        answers = {kind: await client.post(f"{BASE}/commands/{kind}") for kind in CommandKind}
        order = await client.post(f"{BASE}/order")
        reads = [await client.get(f"{BASE}/events"), await client.get(f"{BASE}/whoami")]
    codes = {
        kind: answer.json()["code"] if answer.is_error else None for kind, answer in answers.items()
    }
    assert codes == {kind: expected(state, kind) for kind in CommandKind}
    assert (order.json() or {}).get("code") == expected(state, CommandKind.ORDER)
    assert [answer.status_code for answer in reads] == [200, 200]
    assert reads[1].json()["state"] == state


async def test_only_a_closed_order_is_a_final_refusal(house: House) -> None:
    reseller = await create_reseller(house)
    outcomes = {}
    for state in (PartnerState.BLOCKED, PartnerState.NO_NEW_ORDERS):
        async with house.runtime.staff.write() as session:
            await change_partner(
                session, Unattended.CLI, partner_id=reseller.partner_id, state=state
            )
        async with reseller.client() as client:
            answer = await client.post(f"{BASE}/order")
        outcomes[state] = (answer.status_code, answer.json()["outcome"])
    assert outcomes == {
        PartnerState.BLOCKED: (403, None),
        PartnerState.NO_NEW_ORDERS: (409, "refused"),
    }
