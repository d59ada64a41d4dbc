"""Secrets that were planted on a whole journey lie nowhere readable, and outlive their key.

One pair lives through orders, a rotation of the secret keys under orders, refusals and errors of
the database, at the chattiest level of logs. Whatever it wrote or answered in error is searched.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from local_stack.demo.callers import Caller, Client
from shared.kit.vault import Vault, VaultError
from tests.journeys.behind import dump, rows
from tests.journeys.conftest import MakeStack
from tests.journeys.invariants import check_all, settle
from tests.journeys.marks import found, make_marks
from tests.journeys.receiver import Receiver, receiving
from tests.journeys.secrets_story import (
    FIELDS,
    PROGRAMS_OF,
    SIDES,
    break_databases,
    code_of,
    command_line,
    enrol,
    options,
    order,
    provoke,
    rotate,
    with_keys,
)
from tests.journeys.stack import Shop, Stack

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was secret, by name; all that was written; and the journey's people and goods."""

    secrets: Mapping[str, str]
    places: Mapping[str, bytes]
    stack: Stack
    client: Client
    services: list[str]
    seen: bytes


def own_secrets(
    stack: Stack, shop: Shop, client: Client, keys: Mapping[str, tuple[str, str]]
) -> dict[str, str]:
    """Return what the services themselves made or were started with."""
    vault = Vault([keys["selling"][1]])
    endpoints = rows(stack.selling_database, "SELECT secret FROM webhook_endpoints ORDER BY id")
    secrets = [vault.decrypt_text(endpoint["secret"]) for endpoint in endpoints]
    assert len(secrets) == 2
    people = {"client": client, "reseller": stack.staff, "provider": stack.admin}
    return {
        "api key": shop.goods.key,
        "secret of the api key": shop.goods.key.rpartition("_")[2],
        "webhook secret of the reseller": secrets[0],
        "webhook secret of the partner": secrets[1],
        **{f"first secret key, {side}": keys[side][0] for side in SIDES},
        **{f"second secret key, {side}": keys[side][1] for side in SIDES},
        **{f"password of staff, {side}": stack.logins[side][1] for side in SIDES},
        **{
            f"session of {name}": str(person.http.headers["Authorization"]).partition(" ")[2]
            for name, person in people.items()
        },
    }


def listen(stack: Stack, shop: Shop, receiver: Receiver) -> None:
    """Let the seller's hints go to a receiver of ours, too."""
    with Caller(stack.urls["selling"]) as partner:
        partner.bear(shop.goods.key)
        partner.post("/partner/v1/webhook-endpoints", {"url": f"{receiver.url}/hooks"})


def places(stack: Stack, answers: list[str], hints: bytes) -> dict[str, bytes]:
    """Return all that was written, sent as hints or answered in error."""
    return {
        **{f"log of {name}": stack.log(name).read_bytes() for name in PROGRAMS_OF},
        "database of selling": dump(stack.selling_database),
        "database of reselling": dump(stack.reselling_database),
        **{
            f"metrics of {side}": httpx.get(f"{stack.urls[side]}/metrics", trust_env=False).content
            for side in SIDES
        },
        "hints that were sent": hints,
        "answers to what was refused": "\n".join(answers).encode(),
    }


@pytest.fixture(scope="module")
def told(make_stack: MakeStack) -> Iterator[Told]:
    with receiving() as receiver:
        yield from tell(make_stack, receiver)


def tell(make_stack: MakeStack, receiver: Receiver) -> Iterator[Told]:
    """Live through the journey."""
    chatty = {f"{side.upper()}_LOG_LEVEL": "DEBUG" for side in SIDES}
    hints = {"SELLING_WEBHOOK_PRIVATE_ADDRESSES": "true"}
    keys = {side: (Vault.new_key(), Vault.new_key()) for side in SIDES}
    marks = make_marks(FIELDS)
    with make_stack(environment={**chatty, **hints, **with_keys(keys)}) as stack:
        shop, client = stack.open_shop(paid_in=10**7), stack.new_client(paid_in=10**6)
        change = {"current": client.password, "new": marks["client_password"]}
        client.http.post("/client/v1/me/password", json=change).raise_for_status()
        client.password = marks["client_password"]
        client.log_in()
        stack.staff.put(f"/staff/v1/sellers/{shop.seller['id']}/webhook", {})
        listen(stack, shop, receiver)
        services = [order(client, shop, options(marks)).json()["service_id"] for _ in range(2)]
        for service_id in services:
            client.wait_until(service_id, state="active")
        heard = (*client.heard, *stack.staff.heard, *stack.admin.heard)
        factor = enrol(stack)
        services += rotate(stack, shop, keys)
        answers = [*provoke(stack, shop, client, marks)]
        answers += break_databases(stack, shop, client, marks)
        settle(stack)
        yield Told(
            secrets=marks | factor | own_secrets(stack, shop, client, keys),
            places=places(stack, answers, b"".join(receiver.came.values())),
            stack=stack,
            client=client,
            services=services,
            seen="".join(heard).encode(),
        )


def test_no_secret_lies_readable_anywhere(told: Told) -> None:
    leaked = [
        f"{name} in the {place}"
        for place, written in told.places.items()
        for name, secret in told.secrets.items()
        if found(secret, written)
    ]
    assert leaked == []


def test_the_search_finds_them_where_they_were_shown(told: Told) -> None:
    for name in ("api key", "session of client", "session of provider"):
        assert found(told.secrets[name], told.seen), name
    sent = str(options(told.secrets)).encode()
    assert all(found(told.secrets[name], sent) for name in ("vm_password", "user_data"))
    assert all(len(written) > 500 for written in told.places.values())
    assert any(b'"level": "debug"' in told.places[f"log of {name}"] for name in PROGRAMS_OF)


def test_errors_of_the_database_were_answered_and_logged(told: Told) -> None:
    assert told.places["answers to what was refused"].count(b"internal_error") >= 5
    for side in SIDES:
        assert b"violates check constraint" in told.places[f"log of {side}-api"]


def test_hashes_of_passwords_stay_where_they_are_compared(told: Told) -> None:
    crypt = re.compile(rb"\$(5|6|y|2[aby])\$[./A-Za-z0-9$=]{20}")
    for place, written in told.places.items():
        assert not crypt.search(written), place
        assert (b"$argon2" in written) is place.startswith("database"), place


def test_old_keys_open_nothing_any_more(told: Told) -> None:
    stack = told.stack
    old = Vault([told.secrets["first secret key, selling"]])
    for row in rows(stack.selling_database, "SELECT hostname, content FROM services"):
        for cipher in filter(None, row.values()):
            with pytest.raises(VaultError):
                old.decrypt(cipher)


def test_everything_still_works_without_the_old_keys(told: Told) -> None:
    stack, client = told.stack, told.client
    first, second = told.services[:2]
    client.wish(first, "suspend")
    client.wait_until(first, state="suspended")
    client.wish(first, "resume")
    client.wait_until(first, state="active")
    client.wish(second, "restart")
    client.wait_until(second, state="active")
    settle(stack)
    check_all(stack)


def test_a_second_factor_outlives_the_key(told: Told) -> None:
    email, password = told.stack.logins["selling"]
    body = {"email": email, "password": password, "code": code_of(told.secrets["second factor"])}
    login = httpx.post(f"{told.stack.urls['selling']}/admin/v1/login", json=body, trust_env=False)
    assert login.status_code == 201, login.text


def test_the_audit_of_the_journey_holds_on_both_sides(told: Told) -> None:
    for side in SIDES:
        done = command_line(told.stack, side, "audit verify")
        assert (done.exit_code, done.stderr) == (0, "")
        head = command_line(told.stack, side, "audit head").stdout.strip()
        assert f"head {head}" in done.stdout
