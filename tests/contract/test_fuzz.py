"""Every route under made-up requests: no server error, and no answer that isn't declared."""

import pytest

from shared.kit.openapi import operations
from tests.contract.documents import document
from tests.contract.fuzzing import Findings, fuzz
from tests.contract.provider import SellingWorld
from tests.contract.reseller import ResellingWorld

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
# What can't succeed here by any request, and where it is seen to succeed.
OUT_OF_REACH = {
    # Needs a client without services, and exactly their balance: tests/reselling/privacy.
    "POST /staff/v1/clients/{client_id}/erase",
    # Want a code of a device: tests/kit/test_people_factors.py.
    *(
        f"{verb} /{api}/v1/{path}"
        for api in ("admin", "staff")
        for verb, path in (
            ("POST", "me/second-factor/confirm"),
            ("POST", "me/second-factor/disable"),
            ("POST", "me/second-factor/recovery-codes"),
            ("DELETE", "staff/{staff_id}/second-factor"),
        )
    ),
    # Needs an operation whose attempts are used up: tests/selling/services.
    "POST /admin/v1/operations/{operation_id}/retry",
    # Need what waits or is parked: tests/selling/desk.
    "POST /admin/v1/desk/{kind}/{item_id}/retry",
    "POST /admin/v1/desk/{kind}/{item_id}/give-up",
    "POST /admin/v1/desk/{kind}/{item_id}/unpark",
    # Need a command that a seller leaves without an answer: tests/reselling/commands.
    "POST /staff/v1/commands/{command_id}/retry",
    "POST /staff/v1/commands/{command_id}/cancel",
    # Need what waits or is parked: tests/reselling/desk.
    "POST /staff/v1/desk/{kind}/{item_id}/retry",
    "POST /staff/v1/desk/{kind}/{item_id}/give-up",
    "POST /staff/v1/desk/{kind}/{item_id}/unpark",
}


def judge(findings: Findings, *, service: str) -> None:
    total = sum(sum(statuses.values()) for statuses in findings.answers.values())
    strange = sum(findings.asked_by_strangers.values())
    print(f"{service}: {total} requests, {strange} by strangers, {len(findings.failures)} failures")  # noqa: T201 - figures for whoever runs it long
    assert not findings.failures, "\n\n".join(
        [*findings.failures, f"{len(findings.failures)} in all"]
    )
    every = {f"{method} {path}" for method, path, _ in operations(document(service))}
    assert set(findings.answers) == every
    assert findings.never_succeeded() - OUT_OF_REACH == set()


def test_the_provider_answers_everything_as_declared(selling_world: SellingWorld) -> None:
    findings = fuzz(selling_world, out_of_reach=OUT_OF_REACH)
    judge(findings, service="selling")
    assert findings.asked_by_strangers["GET /partner/v1/services/{service_ref}"] > 0


def test_the_reseller_answers_everything_as_declared(reselling_world: ResellingWorld) -> None:
    findings = fuzz(reselling_world, out_of_reach=OUT_OF_REACH)
    judge(findings, service="reselling")
    assert findings.asked_by_strangers["GET /client/v1/services/{service_id}"] > 0
