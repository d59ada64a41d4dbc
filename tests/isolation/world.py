"""A provider with two partners and a reseller with two clients, made by the real pair.

Everybody has something of everything, and every kind of credentials that must not help. Then the
pair ends, and both applications run in the test's own process on what it left, with the logins of
production.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

from fastapi import FastAPI
from structlog.testing import capture_logs

from local_stack.demo.callers import ALL_SCOPES, Caller, Client
from reselling_service.main import create_app as create_reselling_app
from reselling_service.settings import ResellingSettings
from selling_service.main import create_app as create_selling_app
from selling_service.settings import SellingSettings
from shared.kit.keys import hash_secret
from shared.kit.people import Role
from tests.contract.world import PASSWORD, session_of
from tests.isolation.asking import Answer, Ask, Service
from tests.isolation.catalogue import read_catalogue
from tests.isolation.logins import proper_logins
from tests.isolation.places import common_values, ids_in_rows, values_of
from tests.journeys.behind import rows
from tests.journeys.invariants import settle
from tests.journeys.receiver import Receiver, receiving
from tests.journeys.stack import Shop, Stack

HOOKS = "/partner/v1/webhook-endpoints"
# Amounts that occur nowhere else.
PAID = {"A": 987_654_321, "B": 123_498_761, "Anna": 876_543_219, "Boris": 234_598_769}
ELSEWHERE = "203.0.113.0/24"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A partner or a client: a token that is good, its own ids by name, and what only it knows."""

    token: str
    values: Mapping[str, str]
    markers: frozenset[str]


@dataclass(slots=True, kw_only=True)
class World:
    """Both services; by security scheme the victim, the other one, and tokens by what is wrong.

    `hints` is all that was sent to each partner's webhook, by the partner's token.
    """

    services: dict[str, Service]
    common: dict[str, dict[str, str]]
    victims: dict[str, Tenant]
    others: dict[str, Tenant]
    strangers: dict[str, dict[str, str | None]]
    by_scope: dict[str, str]
    by_role: dict[str, dict[Role, str]]
    heads: dict[str, str]
    hints: dict[str, bytes]
    runner: asyncio.Runner = field(repr=False)

    def ask(self, service: str, ask: Ask) -> Answer:
        """The answer of one of them."""
        (answer,) = self.ask_all(service, [ask])
        return answer

    def ask_all(self, service: str, asks: Sequence[Ask]) -> list[Answer]:
        """The answers to requests that are asked side by side."""

        async def all_of_them() -> list[Answer]:
            asked = self.services[service]
            return await asyncio.gather(*(asked.ask(each) for each in asks))

        with capture_logs():  # thousands of lines would tell nothing
            return self.runner.run(all_of_them())


@dataclass
class Builder:
    """Makes everything through public routes, while the pair runs."""

    stack: Stack
    receiver: Receiver
    strangers: dict[str, dict[str, str | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stack = self.stack
        self.shops = {name: stack.open_shop(paid_in=PAID[name]) for name in ("A", "B")}
        self.clients = {
            "Anna": stack.new_client(name="Annabella Markova", paid_in=PAID["Anna"]),
            "Boris": stack.new_client(name="Boris Borisov", paid_in=PAID["Boris"]),
        }
        self.partners = {name: self._partner(shop) for name, shop in self.shops.items()}
        ordered = {
            name: self._order(name, [mine, mine, more])
            for name, mine, more in (("Anna", "A", "B"), ("Boris", "B", "A"))
        }
        for name, service_ids in ordered.items():
            self._suspend_one(self.clients[name], service_ids)
        for partner in self.partners.values():
            stack.wait_until(partial(self.hints_of, partner), what="a hint")
        settle(stack)

    def _partner(self, shop: Shop) -> Caller:
        partner = Caller(self.stack.urls["selling"])
        partner.bear(shop.goods.key)
        partner.post(HOOKS, {"url": f"{self.receiver.url}/{uuid4().hex}"})
        return partner

    def hints_of(self, partner: Caller) -> bytes:
        """All that was sent to a partner's webhook, but for the address, which it chose itself."""
        (endpoint,) = partner.get(HOOKS)["items"]
        path = endpoint["url"].removeprefix(self.receiver.url)
        return bytes(self.receiver.came[path])

    def _order(self, name: str, shops: list[str]) -> list[str]:
        return [
            self.stack.order(
                self.clients[name], self.shops[shop], hostname=f"{name.lower()}-{n}.example.com"
            )
            for n, shop in enumerate(shops)
        ]

    def _suspend_one(self, client: Client, service_ids: list[str]) -> None:
        for service_id in service_ids:
            client.wait_until(service_id, state="active")
        client.wish(service_ids[1], "suspend")
        client.wait_until(service_ids[1], state="suspended")

    def make_keys(self) -> dict[str, str]:
        """Keys of the victim's that lack one scope each."""
        partner_id = self.shops["A"].goods.partner["id"]
        by_scope = {
            scope: self.stack.admin.make_key(
                partner_id, scopes=[each for each in ALL_SCOPES if each != scope]
            )
            for scope in ALL_SCOPES
        }
        path = f"/admin/v1/partners/{partner_id}"
        (installation, *_) = self.stack.admin.get(f"{path}/installations")["items"]
        far = {
            "installation_id": installation["id"],
            "name": "far",
            "scopes": ALL_SCOPES,
            "allowed_networks": [ELSEWHERE],
        }
        kinds = {name: self.stack.admin.make_key(partner_id) for name in ("expired", "revoked")}
        keys = self.stack.admin.every(f"{path}/keys")
        self._end_key(path, next(k["id"] for k in keys if UUID(k["id"]).hex in kinds["revoked"]))
        blocked, blocked_key = self.stack.admin.make_partner("Blocked")
        self.stack.admin.patch(f"/admin/v1/partners/{blocked['id']}", {"state": "blocked"})
        spliced = f"tps_{self.shops['A'].goods.key.split('_')[1]}_{'x' * 43}"
        self.strangers["partner_key"] = {
            **kinds,
            "wrong address": self.stack.admin.post(f"{path}/keys", far)["token"],
            "blocked": blocked_key,
            "another secret": spliced,
        }
        return by_scope

    def _end_key(self, path: str, key_id: str) -> None:
        self.stack.admin.post(f"{path}/keys/{key_id}/revoke")

    def make_staff(self, service: str, scheme: str, path: str) -> dict[Role, str]:
        """A session of each role; and those that are over, by what ended them."""
        caller = self.stack.admin if service == "selling" else self.stack.staff
        base = self.stack.urls[service] + path

        def hire(role: Role) -> tuple[str, str]:
            email = f"{uuid4().hex}@example.com"
            person = {"email": email, "name": "Somebody", "role": role, "password": PASSWORD}
            made = caller.post(f"{path}/staff", person)
            return made["id"], session_of(base, email, PASSWORD) or ""

        _, expired = hire(Role.OWNER)
        _, left = hire(Role.OWNER)
        gone_id, gone = hire(Role.OWNER)
        leaver = Caller(self.stack.urls[service])
        leaver.bear(left)
        with leaver:
            leaver.post(f"{path}/logout")
        caller.patch(f"{path}/staff/{gone_id}", {"active": False})
        self.strangers[scheme] = {"expired": expired, "logged out": left, "suspended": gone}
        return {role: hire(role)[1] for role in Role}

    def make_clients(self) -> None:
        """Sessions of clients that are over, by what ended them."""
        found: dict[str, str | None] = {}
        for kind in ("expired", "logged out", "suspended"):
            client = self.stack.new_client(name="Former", paid_in=0)
            found[kind] = token_of(client)
            if kind == "logged out":
                client.post("/client/v1/logout")
            if kind == "suspended":
                self.stack.staff.post(f"/staff/v1/clients/{client.id}/close")
        self.strangers["client_session"] = found

    def expire(self) -> None:
        """Let time pass for one of each kind."""
        key_id = UUID(str(self.strangers["partner_key"]["expired"]).split("_")[1])
        selling, reselling = self.stack.selling_database, self.stack.reselling_database
        over = "SET expires_at = created_at + interval '1 microsecond' WHERE"
        for url, table, column, value in (
            (selling, "partner_keys", "id", key_id),
            (selling, "staff_sessions", "token_hash", self._hash("admin_session")),
            (reselling, "staff_sessions", "token_hash", self._hash("staff_session")),
            (reselling, "client_sessions", "token_hash", self._hash("client_session")),
        ):
            statement = f"UPDATE {table} {over} {column} = $1 RETURNING 1"
            assert rows(url, statement, value), table

    def _hash(self, scheme: str) -> bytes:
        return hash_secret(str(self.strangers[scheme]["expired"]))


def token_of(caller: Caller | Client) -> str:
    """What somebody shows."""
    return caller.http.headers["Authorization"].removeprefix("Bearer ")


@contextmanager
def open_world(stack: Stack) -> Iterator[World]:
    """Build, end the pair, and run both applications here."""
    with receiving() as receiver:
        made = Builder(stack, receiver)
        yield from _run_on(made)


def _run_on(made: Builder) -> Iterator[World]:
    stack = made.stack
    by_scope = made.make_keys()
    by_role = {
        "admin_session": made.make_staff("selling", "admin_session", "/admin/v1"),
        "staff_session": made.make_staff("reselling", "staff_session", "/staff/v1"),
    }
    made.make_clients()
    heads = {
        token_of(each): each.get("/partner/v1/events")["head"] for each in made.partners.values()
    }
    hints = {token_of(each): made.hints_of(each) for each in made.partners.values()}
    for partner in made.partners.values():
        partner.http.close()
    stack.kill(*stack.processes)
    urls = {"selling": stack.selling_database, "reselling": stack.reselling_database}
    made.expire()
    victims, others = tenants(made, urls)
    add_foreign(made.strangers, victims, by_role)
    with asyncio.Runner() as runner, ExitStack() as held:
        services = run_applications(stack, urls, held, runner)
        yield World(
            services=services,
            common={name: common_values(url, name) for name, url in urls.items()},
            victims=victims,
            others=others,
            strangers=made.strangers,
            by_scope=by_scope,
            by_role=by_role,
            heads=heads,
            hints=hints,
            runner=runner,
        )


def tenants(made: Builder, urls: Mapping[str, str]) -> tuple[dict[str, Tenant], dict[str, Tenant]]:
    """Victim and other one, by scheme."""
    partners = [UUID(made.shops[name].goods.partner["id"]) for name in ("A", "B")]
    clients = [UUID(made.clients[name].id) for name in ("Anna", "Boris")]
    keys = [made.shops[name].goods.key for name in ("A", "B")]
    sessions = [token_of(made.clients[name]) for name in ("Anna", "Boris")]
    told = {
        "A": [made.shops["A"].goods.partner["name"], made.shops["A"].goods.tariff["code"]],
        "B": [made.shops["B"].goods.partner["name"], made.shops["B"].goods.tariff["code"]],
        "Anna": ["Markova", made.clients["Anna"].email, "anna-"],
        "Boris": ["Borisov", made.clients["Boris"].email, "boris-"],
    }
    found: dict[str, list[Tenant]] = {}
    for scheme, service, ids, tokens, names in (
        ("partner_key", "selling", partners, keys, ("A", "B")),
        ("client_session", "reselling", clients, sessions, ("Anna", "Boris")),
    ):
        column, table = (
            ("partner_id", "partners") if service == "selling" else ("client_id", "clients")
        )
        look = read_catalogue(urls[service], tenant_column=column, tenant_table=table)
        catalogue = asyncio.run(look)
        known = [ids_in_rows(urls[service], catalogue, each) for each in ids]
        found[scheme] = [
            Tenant(
                token=tokens[n],
                values=values_of(urls[service], service, ids[n]),
                markers=frozenset(
                    {*(known[n] - known[1 - n]), *told[names[n]], str(PAID[names[n]])}
                ),
            )
            for n in (0, 1)
        ]
    return ({s: pair[0] for s, pair in found.items()}, {s: pair[1] for s, pair in found.items()})


def add_foreign(
    strangers: dict[str, dict[str, str | None]],
    victims: Mapping[str, Tenant],
    by_role: Mapping[str, Mapping[Role, str]],
) -> None:
    """For each scheme: nobody, rubbish, and what is good elsewhere."""
    good = {scheme: victim.token for scheme, victim in victims.items()}
    good |= {scheme: tokens[Role.OWNER] for scheme, tokens in by_role.items()}
    for scheme, found in strangers.items():
        found |= {"no credentials": None, "rubbish": "x", "empty": ""}
        found |= {f"foreign: {other}": key for other, key in good.items() if other != scheme}


def run_applications(
    stack: Stack, urls: Mapping[str, str], held: ExitStack, runner: asyncio.Runner
) -> dict[str, Service]:
    """Both, with logins as production has them."""
    known = stack.variables()
    for name, url in urls.items():
        known |= held.enter_context(proper_logins(url, name))
    opened = AsyncExitStack()
    held.callback(lambda: runner.run(opened.aclose()))
    found = {}
    for name, create in (("selling", _selling), ("reselling", _reselling)):
        app = create(own_settings(name, known))
        runner.run(opened.enter_async_context(app.router.lifespan_context(app)))
        found[name] = Service(app, urls[name])
    return found


def _selling(known: Mapping[str, str]) -> FastAPI:
    return create_selling_app(SellingSettings.model_validate(known))


def _reselling(known: Mapping[str, str]) -> FastAPI:
    return create_reselling_app(ResellingSettings.model_validate(known))


def own_settings(name: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of one service, as its settings name them."""
    prefix = f"{name.upper()}_"
    return {
        key.removeprefix(prefix).lower(): value
        for key, value in variables.items()
        if key.startswith(prefix)
    }
