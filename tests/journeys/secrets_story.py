"""Plants secrets, rotates the keys they are under, and provokes errors that could echo them."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Event

import httpx
import pyotp
from typer.testing import CliRunner, Result

import reselling_service.cli
import selling_service.cli
from local_stack.demo.callers import JSON, Client
from tests.journeys.behind import execute, one
from tests.journeys.stack import OS, Shop, Stack

FIELDS = (
    "client_password",
    "new_password",
    "wrong_password",
    "vm_password",
    "user_data",
    "private_key",
    "wrong_token",
    "wrong_api_key",
    "seller_key",
)
PROGRAMS_OF = ("selling-api", "selling-worker", "reselling-api", "reselling-worker")
COMMAND_LINES = {"selling": selling_service.cli, "reselling": reselling_service.cli}
SIDES = tuple(COMMAND_LINES)


def options(marks: Mapping[str, str]) -> JSON:
    """Return an order's options with everything that a client may put into them."""
    return {
        "os": OS,
        "hostname": "web-1.example.com",
        "password": marks["vm_password"],
        "user_data": f"#cloud-config\nwrite_files: [{{content: {marks['user_data']}}}]\n",
    }


def order(client: Client, shop: Shop, chosen: JSON) -> httpx.Response:
    """Order whatever is chosen, also what will be refused."""
    body = {"tariff_id": shop.tariff["id"], "period": "month", "options": chosen}
    return client.http.post("/client/v1/orders", json=body)


def with_keys(keys: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the variables that give each side these secret keys."""
    return {f"{side.upper()}_SECRET_KEYS": ",".join(keys[side]) for side in keys}


def change_keys(stack: Stack, keys: Mapping[str, Sequence[str]], *programs: str) -> None:
    """Give programs other secret keys, as an operator restarts them."""
    stack.environment = {**stack.environment, **with_keys(keys)}
    for name in programs:
        stack.stop(name)
    stack.start(*programs)


def command_line(stack: Stack, side: str, words: str) -> Result:
    """Type a command into one side's command line."""
    program = COMMAND_LINES[side]
    program.get_settings.cache_clear()
    try:
        return CliRunner().invoke(program.app, words.split(), env=stack.variables())
    finally:
        program.get_settings.cache_clear()


@contextmanager
def ordering(stack: Stack, shop: Shop) -> Iterator[list[str]]:
    """Let a client order all the while; gives the ids of the services ordered, as they come."""
    client, placed, stop = stack.new_client(paid_in=10**7), list[str](), Event()

    def go_on() -> None:
        for number in count():
            if stop.is_set():
                return
            with suppress(httpx.TransportError):  # the API is being started anew
                placed.append(stack.order(client, shop, hostname=f"vm-{number}.example.com"))
            stop.wait(1)

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(go_on)
        try:
            yield placed
        finally:
            stop.set()
            work.result(60)


def code_of(secret: str) -> str:
    """Return the code of the step after this one, which was used by nobody yet."""
    device = pyotp.TOTP(secret)
    return device.at(datetime.now(tz=UTC) + timedelta(seconds=device.interval))  # noqa: TID251


def enrol(stack: Stack) -> dict[str, str]:
    """Give the provider's owner a second factor; its secrets, by name."""
    path = "/admin/v1/me/second-factor"
    password = stack.logins["selling"][1]
    secret = stack.admin.post(path, {"password": password})["secret"]
    code = pyotp.TOTP(secret).now()
    codes = stack.admin.post(f"{path}/confirm", {"code": code})["recovery_codes"]
    return {"second factor": secret, "recovery code": codes[0]}


def rotate(stack: Stack, shop: Shop, keys: Mapping[str, Sequence[str]]) -> list[str]:
    """Take the first of two keys out of both sides, while a client orders; what was ordered."""
    turned = {side: keys[side][::-1] for side in keys}
    last = {side: keys[side][1:] for side in keys}
    with ordering(stack, shop) as placed:
        change_keys(stack, turned, "selling-api", "reselling-api")
        stack.wait_until_ready()
        before = len(placed)
        stack.wait_until(lambda: len(placed) > before, what="an order between two keys")
        change_keys(stack, turned, "selling-worker", "reselling-worker")
        for side in SIDES:
            done = command_line(stack, side, "secrets rotate")
            assert done.exit_code == 0, done.output
            assert "nothing is left under older keys" in done.stdout
        change_keys(stack, last, *PROGRAMS_OF)
        stack.wait_until_ready()
        before = len(placed)
        stack.wait_until(lambda: len(placed) > before, what="an order under the new key alone")
    return placed


def provoke(stack: Stack, shop: Shop, client: Client, marks: Mapping[str, str]) -> Iterator[str]:
    """Send secrets where they are refused; yield every answer."""
    bare = httpx.Client(base_url=stack.urls["reselling"], trust_env=False)
    admin = httpx.Client(base_url=stack.urls["selling"], trust_env=False)
    wrong, me = marks["wrong_password"], client.email
    logins = ((bare, "/client/v1/login"), (bare, "/staff/v1/login"), (admin, "/admin/v1/login"))
    with bare, admin:
        for http, path in logins:
            yield http.post(path, json={"email": me, "password": wrong}).text
            yield http.post(path, json={"email": me, "password": [wrong]}).text
            yield http.post(path, json={"email": wrong, "password": wrong, "pasword": wrong}).text
            yield http.post(path, content=f'{{"password": "{wrong}"').text
            yield http.post(f"{path}?password={wrong}", json={}).text
        bearer = {"Authorization": f"Bearer {marks['wrong_token']}"}
        yield bare.get("/client/v1/me", headers=bearer).text
        yield bare.get("/staff/v1/me", headers=bearer).text
        for key in (marks["wrong_api_key"], f"{shop.goods.key}{marks['wrong_api_key']}"):
            refused = {"Authorization": f"Bearer {key}"}
            yield admin.get("/partner/v1/catalog", headers=refused).text
    private = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{marks['private_key']}\n"
    good = options(marks)
    for bad in (
        {"ssh_keys": [private]},
        {"ssh_keys": private},
        {"user_data": [marks["user_data"]]},
        {"password": {"is": marks["vm_password"]}},
        {"user_data": marks["user_data"] * 70_000},
        {"user-data": marks["user_data"], "pasword": marks["vm_password"]},
    ):
        yield order(client, shop, good | bad).text
    seller = {"name": "x", "url": stack.urls["selling"], "key": marks["seller_key"]}
    yield stack.staff.http.post("/staff/v1/sellers", json=seller).text
    yield stack.staff.http.post("/staff/v1/sellers", json=seller | {"url": "nowhere"}).text


@contextmanager
def broken(url: str, table: str) -> Iterator[None]:
    """Let every statement about a table fail, and say its rows where an INSERT is refused."""
    execute(url, f"ALTER TABLE {table} ADD CONSTRAINT broken CHECK (false) NOT VALID")
    try:
        yield
    finally:
        execute(url, f"ALTER TABLE {table} DROP CONSTRAINT broken")


def break_databases(
    stack: Stack, shop: Shop, client: Client, marks: Mapping[str, str]
) -> Iterator[str]:
    """Provoke errors of the database in requests with secrets; yield every answer."""
    selling, reselling = stack.selling_database, stack.reselling_database
    bare = httpx.Client(base_url=stack.urls["reselling"], trust_env=False)
    person = {"email": "new@example.com", "name": "New", "password": marks["new_password"]}
    with bare:
        with broken(reselling, "clients"):
            yield bare.post("/client/v1/sign-up", json=person).text
        with broken(reselling, "client_sessions"):
            login = {"email": client.email, "password": marks["client_password"]}
            yield bare.post("/client/v1/login", json=login).text
    with broken(reselling, "staff"):
        hired = person | {"role": "operator"}
        yield stack.staff.http.post("/staff/v1/staff", json=hired).text
    with broken(selling, "staff"):
        yield stack.admin.http.post("/admin/v1/staff", json=hired).text
    with broken(selling, "partner_keys"):
        path = f"/admin/v1/partners/{shop.goods.partner['id']}/keys"
        installations = stack.admin.every(path.replace("/keys", "/installations"))
        terms = {"installation_id": installations[0]["id"], "name": "x", "scopes": ["money:read"]}
        yield stack.admin.http.post(path, json=terms).text
    with broken(reselling, "commands"):
        yield order(client, shop, options(marks)).text
    with broken(selling, "services"):
        placed = order(client, shop, options(marks))
        yield placed.text
        look = "SELECT count(*) FROM command_attempts a JOIN commands c ON c.id = a.command_id"
        wanted = f"{look} WHERE c.service_id = $1 AND a.status >= 500"
        service_id = placed.json()["service_id"]
        stack.wait_until(
            lambda: one(reselling, wanted, service_id), what="an order that failed at the seller"
        )
