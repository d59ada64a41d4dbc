"""What each service's room of staff offers is what the kit makes, on that service's own tables."""

from typing import Any

import pytest

import reselling_service.staff.actions as reselling
import selling_service.staff.actions as selling
from reselling_service.staff.routes import sandbox_routers as reselling_sandbox
from selling_service.staff.routes import sandbox_routers as selling_sandbox
from shared.kit.people import Role, Unattended
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, PASSWORD, STAFF_ROUTERS, House, make_app

__all__ = ["house", "service"]
PUBLIC = {f"{BASE}/login"}
ACTIONS = {"selling": selling, "reselling": reselling}
SANDBOX = {"selling": selling_sandbox, "reselling": reselling_sandbox}
SERVICES = pytest.mark.parametrize("name", ACTIONS)


def operations(name: str) -> dict[str, dict[str, Any]]:
    paths = make_app([*STAFF_ROUTERS[name], *SANDBOX[name]]).openapi()["paths"]
    return {
        f"{method} {path}": operation
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith(BASE)
    }


@SERVICES
def test_every_route_but_the_login_wants_a_session_and_says_so(name: str) -> None:
    found = operations(name)
    assert len(found) == 24
    for label, operation in found.items():
        public = label.split()[1] in PUBLIC
        assert operation.get("security") == (None if public else [{"staff_session": []}]), label
        assert operation["summary"], label
        assert {"401", "503"} <= operation["responses"].keys(), label


@SERVICES
def test_roles_are_declared_where_they_matter(name: str) -> None:
    found = operations(name)
    declared = {label for label, operation in found.items() if "403" in operation["responses"]}
    assert {label.removeprefix(f"{label.split()[0]} {BASE}") for label in declared} == {
        "/staff",
        "/staff/{staff_id}",
        "/clock",
        "/me/password",
        "/me/second-factor",
        "/me/second-factor/confirm",
        "/me/second-factor/disable",
        "/me/second-factor/recovery-codes",
        "/login",
        "/staff/{staff_id}/second-factor",
        "/jobs/{job_id}/revive",
        "/jobs/{job_id}/discard",
    }


async def test_what_other_rooms_use_writes_to_this_services_tables(
    service: tuple[str, str], house: House
) -> None:
    room = ACTIONS[service[0]]
    async with house.runtime.staff.write() as session:
        made = await room.create_staff(
            session,
            Unattended.CLI,
            email="Olga@example.com",
            name="Olga",
            role=Role.OWNER,
            password=PASSWORD,
        )
        await room.audit(
            session, Unattended.CLI, "thing.make", object_type="thing", object_id=made, after={}
        )
    async with house.client(await house.log_in("olga@example.com")) as client:
        assert (await client.get(f"{BASE}/me")).json()["id"] == str(made)
        entries = (await client.get(f"{BASE}/audit")).json()["items"]
    assert [entry["action"] for entry in entries] == ["staff.create", "thing.make"]
