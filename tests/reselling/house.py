"""The whole reselling application on a fresh database, with people who are logged in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from reselling_service.database import ResellingRuntime
from reselling_service.main import create_app
from reselling_service.settings import ResellingSettings
from reselling_service.staff.actions import create_staff
from shared.kit.ids import new_id
from shared.kit.people import Role, Unattended
from tests.secret_key import SECRET_KEY

JSON = Any  # what a body holds, told apart by what a test looks at
PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in and asks the application."""

    http: httpx.AsyncClient
    id: UUID
    token: str

    async def ask(self, method: str, path: str, **more: JSON) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.http.request(method, path, headers=headers, **more)

    async def get(self, path: str, **more: JSON) -> JSON:
        """The body of an answer that must be a success."""
        return body_of(await self.ask("GET", path, **more))

    async def post(self, path: str, body: object = None) -> JSON:
        """The body of an answer that must be a success; None where there is none."""
        return body_of(await self.ask("POST", path, json=body))

    async def patch(self, path: str, body: object) -> JSON:
        return body_of(await self.ask("PATCH", path, json=body))


def body_of(answer: httpx.Response) -> JSON:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    return answer.status_code, answer.json()["code"]


@dataclass(frozen=True, slots=True)
class House:
    """The application, its owner, and whoever comes in."""

    app: FastAPI
    http: httpx.AsyncClient
    owner: Person

    @property
    def runtime(self) -> ResellingRuntime:
        runtime: ResellingRuntime = self.app.state.runtime
        return runtime

    async def staff(self, role: Role) -> Person:
        return await hire(self.http, self.runtime, role)

    async def sign_up(self, name: str, **more: JSON) -> Person:
        """A client, logged in, whose address is made of the name."""
        body = {"email": f"{name.lower()}@example.com", "name": name, "password": PASSWORD}
        made = body_of(await self.http.post("/client/v1/sign-up", json=body | more))
        return Person(self.http, UUID(made["client_id"]), made["token"])

    async def top_up(self, client: Person, amount: int) -> JSON:
        body = {"reference": str(new_id()), "amount": {"amount": amount, "currency": "EUR"}}
        return await self.owner.post(f"/staff/v1/clients/{client.id}/top-ups", body)


async def hire(http: httpx.AsyncClient, runtime: ResellingRuntime, role: Role) -> Person:
    email = f"{role}@house.example.com"
    async with runtime.staff.write() as session:
        staff_id = await create_staff(
            session, Unattended.CLI, email=email, name=role, role=role, password=PASSWORD
        )
    login = {"email": email, "password": PASSWORD}
    made = body_of(await http.post("/staff/v1/login", json=login))
    return Person(http, staff_id, made["token"])


@asynccontextmanager
async def open_house(database_url: str, **settings: JSON) -> AsyncIterator[House]:
    """The application as `main` makes it, running, with its owner logged in."""
    app = create_app(
        ResellingSettings(
            database_url=SecretStr(database_url),
            secret_keys=[SecretStr(SECRET_KEY)],
            **settings,
        )
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://house.test") as http,
    ):
        yield House(app, http, await hire(http, app.state.runtime, Role.OWNER))
