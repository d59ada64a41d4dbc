"""Only a refusal of the catalogue ends a command; every other spoilt answer says nothing."""

import pytest

from reselling_service.commands.tasks import tasks
from shared.contract.basics import CommandKind
from tests.reselling.sellers.fake import Fault, answer, problem
from tests.reselling.sellers.rig import Rig

HTML = {"content-type": "text/html"}

SAY_NOTHING = {
    "answer_dropped_after_it_was_done": Fault("drop", acts=True),
    "connection_broken_before": Fault("drop"),
    "json_cut_off": Fault("truncate", acts=True),
    "too_slow": Fault("slow", acts=True, seconds=1.5),
    "plain_500": Fault("500"),
    "our_500": Fault("500", problem("internal_error")),
    "our_503": Fault("503", problem("unavailable")),
    "unauthorized": Fault("401", problem("unauthorized")),
    "partner_blocked": Fault("403", problem("partner_blocked")),
    "timeout_408": Fault("408", (408, HTML, b"<h1>slow</h1>")),
    "in_progress": Fault("409", problem("in_progress")),
    "too_early": Fault("425", (425, {}, b"")),
    "rate_limited": Fault("429", problem("rate_limited")),
    "redirect": Fault("302", (302, {"location": "http://127.0.0.1:1/elsewhere"}, b"")),
    "permanent_redirect": Fault("308", (308, {"location": "/partner/v1/services"}, b"")),
    "our_404_for_a_route": Fault("404", problem("no_such_route")),
    "our_413": Fault("413", problem("body_too_large")),
    "error_page_404": Fault("404", (404, HTML, b"<h1>no such page</h1>")),
    "error_page_200": Fault("200", (200, HTML, b"<h1>welcome</h1>"), acts=True),
    "empty_202": Fault("202", (202, {}, b"")),
    "foreign_json_202": Fault("202", answer(202, {"status": "ok"}), acts=True),
    "refusal_without_its_media_type": Fault("409", (409, {}, problem("wrong_state")[2])),
    "refusal_under_another_status": Fault("502", (502, *problem("wrong_state")[1:])),
    "refusal_under_another_4xx": Fault("404", (404, *problem("wrong_state")[1:])),
    "refusal_with_a_status_that_blames_the_key": Fault(
        "401", (401, *problem("wrong_state", status=401)[1:])
    ),
    "refusal_of_an_unknown_code": Fault("409", problem("wrong_state", code="made_up")),
    "known_code_that_ends_nothing": Fault("409", problem("in_progress", outcome="refused")),
    "refusal_code_without_outcome": Fault("409", problem("wrong_state", outcome=None)),
    "unauthorized_that_claims_to_refuse": Fault("401", problem("unauthorized", outcome="refused")),
}


@pytest.mark.parametrize("fault", SAY_NOTHING.values(), ids=SAY_NOTHING.keys())
async def test_says_nothing_and_goes_again_unchanged(rig: Rig, fault: Fault) -> None:
    rig.fake.faults.append(fault)
    command = await rig.send(CommandKind.START, hold=500)
    async with rig.working(tasks(rig.runtime)):
        accepted = await rig.reached(command.id, "accepted", "refused")
    assert accepted.state == "accepted"
    assert await rig.hold_state(command.hold_id) == "open"
    assert rig.fake.effects == {str(command.id): 1}
    first, *more = rig.fake.sent(command.path)
    assert more, "it was sent again"
    for headers, body in more:
        assert body == first[1]
        assert headers["idempotency-key"] == first[0]["idempotency-key"] == str(command.id)
    outcomes = [attempt.outcome for attempt in await rig.attempts(command.id)]
    assert outcomes == ["nothing", "accepted"]


REFUSALS = ("wrong_state", "insufficient_balance", "not_found", "invalid_request", "no_capacity")


@pytest.mark.parametrize("code", REFUSALS)
async def test_refusal_ends_it_and_gives_the_money_back(rig: Rig, code: str) -> None:
    command = await rig.send(CommandKind.START, hold=500)
    rig.fake.final[command.path] = problem(code)
    async with rig.working([*tasks(rig.runtime)]):
        refused = await rig.reached(command.id, "refused", "accepted")
    assert refused.state == "refused"
    assert refused.problem is not None
    assert refused.problem["code"] == code
    assert await rig.hold_state(command.hold_id) == "released"
    assert await rig.available() == 10_000
    assert len(rig.fake.sent(command.path)) == 1
    assert refused.body == b"", "nothing is kept of what won't be sent again"
