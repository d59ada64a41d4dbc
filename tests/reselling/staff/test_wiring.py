from typing import Any

from reselling_service.staff.actions import audit, create_staff
from reselling_service.staff.models import PEOPLE
from reselling_service.staff.routes import sandbox_routers, staff_routers
from shared.kit.people import Role, Unattended
from tests.kit.people_house import BASE, PASSWORD, House, make_app, run_house

PUBLIC = {f"{BASE}/login"}


def operations() -> dict[str, dict[str, Any]]:
    paths = make_app([*staff_routers, *sandbox_routers]).openapi()["paths"]
    return {
        f"{method} {path}": operation
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith(BASE)
    }


def test_every_route_but_the_login_wants_a_session_and_says_so() -> None:
    found = operations()
    assert len(found) == 24
    for name, operation in found.items():
        public = name.split()[1] in PUBLIC
        assert operation.get("security") == (None if public else [{"staff_session": []}]), name
        assert operation["summary"], name
        assert {"401", "503"} <= operation["responses"].keys(), name


def test_roles_are_declared_where_they_matter() -> None:
    declared = {name for name, operation in operations().items() if "403" in operation["responses"]}
    assert {name.removeprefix(f"{name.split()[0]} {BASE}") for name in declared} == {
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
    reselling_database_url: str,
) -> None:
    async with run_house("reselling", url=reselling_database_url, routers=staff_routers) as house:
        assert house.people is PEOPLE
        await staff_and_audit(house)


async def staff_and_audit(house: House) -> None:
    async with house.runtime.staff.write() as session:
        made = await create_staff(
            session,
            Unattended.CLI,
            email="Olga@example.com",
            name="Olga",
            role=Role.OWNER,
            password=PASSWORD,
        )
        await audit(
            session, Unattended.CLI, "thing.make", object_type="thing", object_id=made, after={}
        )
    async with house.client(await house.log_in("olga@example.com")) as client:
        assert (await client.get(f"{BASE}/me")).json()["id"] == str(made)
        entries = (await client.get(f"{BASE}/audit")).json()["items"]
    assert [entry["action"] for entry in entries] == ["staff.create", "thing.make"]
