"""Staff of a sandbox set the simulated platform's faults; elsewhere nobody even sees the route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from selling_service.main import create_app
from selling_service.provisioning.drivers.simulated import FaultKind
from selling_service.provisioning.drivers.simulated import get_behaviour as read
from selling_service.settings import SellingSettings
from selling_service.staff.actions import create_staff
from shared.kit.people import Role, Unattended
from tests.secret_key import SECRET_KEY

PATH = "/admin/v1/platforms/simulated/behaviour"


@asynccontextmanager
async def logged_in(app: Any, role: Role) -> AsyncIterator[httpx.AsyncClient]:
    async with app.state.runtime.staff.write() as session:
        await create_staff(
            session,
            Unattended.CLI,
            email=f"{role}@example.com",
            name="Olga",
            role=role,
            password="correct horse battery",
        )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://admin.test") as http:
        login = {"email": f"{role}@example.com", "password": "correct horse battery"}
        answer = await http.post("/admin/v1/login", json=login)
        http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield http


def settings_of(url: str, **more: Any) -> SellingSettings:
    keys = [SecretStr(SECRET_KEY)]
    return SellingSettings(database_url=SecretStr(url), secret_keys=keys, **more)


@pytest.fixture
async def app(selling_database_url: str) -> AsyncIterator[Any]:
    """The provider's application in a sandbox."""
    app = create_app(settings_of(selling_database_url, sandbox=True))
    async with app.router.lifespan_context(app):
        yield app


async def test_operator_sets_delay_and_faults(app: Any) -> None:
    async with logged_in(app, Role.OPERATOR) as http:
        body = {"delay_ms": 5, "vms": 3, "faults": {"create_vm": {"kind": "full", "times": 2}}}
        answer = await http.put(PATH, json=body)
        assert answer.status_code == 204, answer.text
        found = await read(app.state.runtime.staff.engine, name="simulated")
        assert (found.delay_ms, found.vms) == (5, 3)
        assert found.faults["create_vm"].kind is FaultKind.FULL
        wrong = await http.put(PATH, json={"faults": {"create_vm": {"kind": "explode"}}})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")
        assert (await http.post("/admin/v1/platforms/simulated/restart-node")).status_code == 204
        actions = [row["action"] for row in (await http.get("/admin/v1/audit")).json()["items"]]
        assert {"platform.behave", "platform.restart_node"} <= set(actions)


async def test_others_may_not_and_without_a_sandbox_there_is_no_such_route(
    app: Any, selling_database_url: str
) -> None:
    async with logged_in(app, Role.READ_ONLY) as http:
        answer = await http.put(PATH, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
    settings = settings_of(selling_database_url)
    assert not any("platforms" in path for path in create_app(settings).openapi()["paths"])
