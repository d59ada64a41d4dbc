"""A client whose identity stands everywhere it can, and a dump of all that the database holds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from sqlalchemy import text

from reselling_service.services.models import Service
from shared.kit.hints import asyncpg_arguments
from shared.kit.ids import new_id
from shared.kit.vault import Vault, VaultError
from tests.reselling.house import PASSWORD, House, Person, body_of, open_house
from tests.reselling.services.shop import Shop, open_shop
from tests.reselling.services.voice import Voice

EMAIL = "planted-mail@example.com"
# Each stands somewhere else; every one holds this word in some case.
NEEDLE = b"planted"
PAID_IN = 5000


@dataclass
class Planted:
    """The house, its shop, and the client with their service."""

    house: House
    shop: Shop
    client: Person
    url: str
    service_id: UUID

    async def hear(self, event: str, **changes: Any) -> None:
        """Let the seller say something of the service."""
        commands = await self.shop.open_commands(await self.service())
        command = commands[0] if commands else None
        await self.shop.hear((await self.voice()).says(event, command=command, **changes))
        await self.shop.work()

    async def service(self) -> Service:
        return await self.shop.service(self.service_id)

    async def voice(self) -> Voice:
        service = await self.service()
        voice = self.shop.voice(service)
        voice.revision = service.heard_revision
        return voice

    async def end(self) -> None:
        """The service is terminated and its VM is gone."""
        await self.client.post(f"/client/v1/services/{self.service_id}/terminate", {"when": "now"})
        await self.hear("service.terminated", state="terminated", power="stopped")
        await self.hear("service.deleted", state="deleted", power="stopped")

    async def erase(self, paid_out: int | None) -> httpx.Response:
        money = None if paid_out is None else {"amount": paid_out, "currency": "EUR"}
        path = f"/staff/v1/clients/{self.client.id}/erase"
        return await self.house.owner.ask("POST", path, json={"paid_out": money})

    async def dump(self) -> bytes:
        """Every value of every table, and what can be read of those that are encrypted."""
        return await dump(self.url, self.house.runtime.vault)


async def dump(url: str, vault: Vault) -> bytes:
    """As a thief of the disk and of the keys would have it."""
    found: list[bytes] = []
    connection = await asyncpg.connect(**asyncpg_arguments(url))
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname='public'")
        for (name,) in names:
            for row in await connection.fetch(f"SELECT * FROM {name}"):  # noqa: S608
                found += [_readable(value, vault) for value in row.values()]
    finally:
        await connection.close()
    return b"\n".join(found).lower()


def _readable(value: object, vault: Vault) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode()
    try:
        return vault.decrypt(value)
    except VaultError:
        return value


@asynccontextmanager
async def open_planted(url: str) -> AsyncIterator[Planted]:
    """The client has ordered, and the VM is there."""
    async with open_house(url) as house, open_shop(url) as shop:
        client = await _sign_up(house)
        path = f"/staff/v1/clients/{client.id}"
        await house.owner.patch(path, {"note": "planted note", "name": "Planted Renamed"})
        money = {"amount": PAID_IN, "currency": "EUR"}
        payment = {"reference": str(new_id()), "amount": money, "text": "=planted transfer"}
        await house.owner.post(f"{path}/top-ups", payment)
        service_id = UUID(await _order(client, shop))
        planted = Planted(house, shop, client, url, service_id)
        until = shop.clock.now().replace(year=2040)
        await planted.hear("service.activated", state="active", power="running", paid_until=until)
        service = f"/staff/v1/services/{service_id}"
        await house.owner.patch(service, {"name": "planted by staff"})
        yield planted


async def _sign_up(house: House) -> Person:
    body = {
        "email": EMAIL,
        "name": "Planted Name",
        "phone": "+49 planted",
        "address": "Planted Street 1",
        "password": PASSWORD,
    }
    agent = {"User-Agent": "Planted Browser"}
    made = body_of(await house.http.post("/client/v1/sign-up", json=body, headers=agent))
    return Person(house.http, UUID(made["client_id"]), made["token"])


async def _order(client: Person, shop: Shop) -> str:
    options = {
        "os": "debian-12",
        "hostname": "planted.example.com",
        "ssh_keys": [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlaXNwaWVsYmVpc3BpZWxiZWlzcGllbGJlaXNw"
        ],
        "user_data": "# planted",
    }
    body = {
        "tariff_id": str(shop.tariff_id),
        "period": "month",
        "name": "Planted shop",
        "options": options,
    }
    headers = {"Idempotency-Key": "planted-click", "Authorization": f"Bearer {client.token}"}
    answer = await client.http.post("/client/v1/orders", json=body, headers=headers)
    service_id: str = body_of(answer)["service_id"]
    return service_id


async def write(planted: Planted, statement: str, **values: object) -> None:
    """Write behind everybody's back what a crash or a person may leave."""
    async with planted.house.runtime.staff.write() as session:
        await session.execute(text(statement), values)
