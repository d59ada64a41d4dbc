"""The trail of a trace at the provider: from the partner's request to the platform's calls."""

from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import text

from selling_service.provisioning.drivers.simulated import FaultKind
from selling_service.services.actions.attempts import prune_attempts
from tests.selling.services.faults import break_calls, finish, mend, work_until_state
from tests.selling.services.house import Caller, House


def story(trail: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(item["kind"], item["what"], item["outcome"]) for item in trail["items"]]


async def test_trail_leads_from_the_request_to_each_call_and_the_money(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    await break_calls(house, "create_vm", FaultKind.UNAVAILABLE, times=1)
    answer = await partner.send("/services", house.order())
    await finish(house)
    trace_id = answer.headers["X-Trace-Id"]
    trail = (await desk.get(f"/trail/{trace_id}")).json()
    told = story(trail)
    assert told[:4] == [
        ("received", "order", "accepted"),
        ("operation", "order", "accepted"),
        ("money", "hold", "open"),
        ("event", "operation.accepted", None),
    ]
    wanted = [
        ("attempt", "order 1", "waiting"),
        ("call", "ensure_user", "done"),
        ("call", "create_vm", "unavailable"),
        ("event", "operation.waiting", None),
        ("attempt", "order 2", "done"),
        ("call", "create_vm", "done"),
    ]
    assert [step for step in told[4:] if step in wanted] == wanted
    # The clock of this house runs on while the end is written.
    assert set(told[4:]) - set(wanted) == {
        ("money", "hold", "captured"),
        ("money", "order", "charged"),
        ("operation", "order", "succeeded"),
        ("event", "service.activated", None),
    }
    assert trail["complete"] is True
    assert {item["side"] for item in trail["items"]} == {"selling"}


async def test_partner_reads_the_own_part_without_the_platforms_words(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    await break_calls(house, "create_vm", FaultKind.UNAVAILABLE)
    answer = await partner.send("/services", house.order())
    await work_until_state(house, partner, answer, "waiting")
    path = f"/trail/{answer.headers['X-Trace-Id']}"
    full, own = (await desk.get(path)).json(), (await partner.http.get(path)).json()
    assert ("call", "create_vm", "unavailable") in story(own)
    details = {item["detail"] for item in full["items"] if item["kind"] == "call"} - {None}
    assert details
    assert not any(detail in str(own) for detail in details)
    assert not any(item["kind"] in {"job", "audit"} for item in own["items"])
    assert any(item["kind"] == "job" for item in full["items"])


async def test_another_partners_trace_is_not_found_though_it_has_the_same_id(
    house: House, partner: Caller
) -> None:
    other = await house.new_partner()
    trace = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    for caller in (partner, other):
        caller.http.headers.update(trace)
    await partner.send("/services", house.order())
    missing = await other.http.get(f"/trail/{'ab' * 16}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    theirs = await other.send("/services", house.order())
    seen = (await other.http.get(f"/trail/{'ab' * 16}")).json()
    ids = {item["id"] for item in seen["items"] if item["kind"] == "operation"}
    assert ids == {theirs.json()["id"]}


async def test_refusal_and_the_problem_name_the_trace(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    refused = await partner.send("/services", house.order(period="day"))
    trace_id = refused.headers["X-Trace-Id"]
    assert refused.json()["trace_id"] == trace_id
    trail = (await desk.get(f"/trail/{trace_id}")).json()
    (item,) = trail["items"]
    assert (item["kind"], item["outcome"], item["detail"]) == (
        "received",
        "refused",
        "period_not_offered",
    )


async def test_what_staff_do_and_what_follows_share_a_trace(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    (service,) = (await desk.get("/services")).json()["items"]
    answer = await desk.post(f"/services/{service['id']}/suspend", json={})
    await finish(house)
    trail = (await desk.get(f"/trail/{answer.headers['X-Trace-Id']}")).json()
    told = story(trail)
    assert told[0] == ("audit", "service.suspend", None)
    assert ("call", "lock_vm", "done") in told


async def test_schedule_begins_a_trail_of_its_own(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    answer = await partner.send("/services", house.order())
    await finish(house)
    house.clock.advance(days=40)
    await house.settle(partner.id)
    assert await house.count("operations", "actor = 'expired'") == 1
    desk = await house.as_staff()
    trail = (await desk.get(f"/trail/{answer.headers['X-Trace-Id']}")).json()
    assert not any("suspend" in step[1] for step in story(trail))


async def test_attempt_whose_worker_vanished_is_lost_and_old_ones_go(
    house: House, partner: Caller, ref: str
) -> None:
    await break_calls(house, "stop_vm", FaultKind.UNAVAILABLE)
    answer = await partner.send(f"/services/{ref}/stop", {})
    await work_until_state(house, partner, answer, "waiting")
    async with house.runtime.staff.write() as session:
        await session.execute(
            text(
                "UPDATE operation_attempts SET outcome = 'running', ended_at = NULL"
                " WHERE kind = 'stop' AND number = 1"
            )
        )
    await mend(house)
    await finish(house)
    assert await house.count("operation_attempts", "outcome = 'lost'") == 1
    assert await house.count("operation_attempts", "ended_at IS NULL") == 0
    async with house.runtime.staff.write() as session:
        assert await prune_attempts(session, before=house.clock.now() + timedelta(days=1)) > 1
    assert await house.count("operation_attempts") == 0
