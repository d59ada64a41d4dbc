"""The release before and this one side by side: on the same databases, and over one wire."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local_stack import migrations
from local_stack.demo.callers import Client
from local_stack.home import PROGRAMS
from tests.conftest import PostgresServer
from tests.journeys.behind import one
from tests.journeys.commands import check_told, wish_everything
from tests.journeys.invariants import check_all, settle
from tests.journeys.release import ReleasedStack, has_commit, has_history, migrate, unpack
from tests.journeys.stack import OS, Shop, Stack
from tests.requirements import require

pytestmark = pytest.mark.slow

# The last commit of the release before: "Put comments where what they say holds, ...".
BEFORE = "fc8950c"
SERVICES = ("selling", "reselling")


@dataclass
class Sides:
    """The old pair and the new one, which share their databases and secrets."""

    old: ReleasedStack
    new: Stack


@pytest.fixture(scope="module")
def sides(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """The old pair runs on its tables; of the new one nothing does yet."""
    require(shutil.which("git"), "git is missing")
    if not has_history():
        pytest.skip("this is an archive or a shallow clone: the release before isn't here")
    assert has_commit(BEFORE), f"{BEFORE} isn't in the history"
    source = unpack(BEFORE, tmp_path_factory.mktemp("before"))
    folders = [tmp_path_factory.mktemp(name) for name in ("old", "new")]
    with postgres.database() as selling, postgres.database() as reselling:
        urls = {"selling": postgres.url(selling), "reselling": postgres.url(reselling)}
        for service, url in urls.items():
            migrate(source, service, url=url)
        with ReleasedStack(
            selling_database=urls["selling"],
            reselling_database=urls["reselling"],
            folder=folders[0],
            source=source,
        ) as old:
            new = beside(old, folder=folders[1])
            yield Sides(old, new)
            new.close()


def beside(old: Stack, *, folder: Path) -> Stack:
    """This release on the same databases, with the same secrets and people."""
    new = Stack(
        selling_database=old.selling_database,
        reselling_database=old.reselling_database,
        folder=folder,
    )
    new._keys = old._keys
    new.logins = old.logins
    return new


def routes(stack: Stack) -> set[str]:
    document = httpx.get(f"{stack.urls['selling']}/openapi.json", timeout=20, trust_env=False)
    return set(document.json()["paths"])


def at(stack: Stack, client: Client) -> Client:
    """The same person at the reseller's other API process."""
    other = Client(stack.urls["reselling"], name=client.name, email=client.email)
    other.password, other.id = client.password, client.id
    other.log_in()
    stack._callers.append(other)
    return other


def order_some(clients: list[Client], shops: list[Shop], *, many: int) -> list[str]:
    """Orders at once, by turns at each API and from each shop; the services' ids."""

    def click(number: int) -> str:
        client, shop = clients[number % len(clients)], shops[number // 2 % len(shops)]
        order = client.order(shop.tariff["id"], hostname=f"vm-{number}.example.com", os=OS)
        service_id: str = order["service_id"]
        return service_id

    with ThreadPoolExecutor(4) as clicks:
        return list(clicks.map(click, range(many)))


def all_active(client: Client, service_ids: list[str]) -> None:
    for service_id in service_ids:
        client.wait_until(service_id, state="active", seconds=60)


def test_nothing_is_lost_while_one_release_takes_the_place_of_the_other(sides: Sides) -> None:
    old, new = sides.old, sides.new
    anna, shop = old.new_client(), old.open_shop()
    made = [old.order_active(anna, shop)["id"]]
    for service in SERVICES:
        migrations.upgrade(service, url=getattr(old, f"{service}_database"))
    # The release before goes on, on tables that it doesn't know.
    made += [old.order_active(anna, shop)["id"]]

    # This release's seller beside the old one: the reseller of the release before speaks with it.
    start_seller(new)
    assert "/admin/v1/jobs" in routes(new) - routes(old)
    other = old.connect(old.provision_catalogue(), through=new.urls["selling"])
    made += order_some([anna], [other], many=3)
    say_everything(old, anna, made[-3:])

    new.start("reselling-api", "reselling-worker")
    new.wait_until_ready()
    new.staff.log_in(*new.logins["reselling"])
    made += everybody_at_once(anna, at(new, anna), made, shops=[shop, other])

    # This release's reseller alone, with the old seller and the new one.
    old.stop("reselling-worker", "reselling-api")
    there = at(new, anna)
    made += order_some([there], [shop, other], many=4)
    all_active(there, made[-4:])
    say_everything(new, there, [*made[:2], made[-4]])

    # The last of the old goes, and its address is this release's from then on.
    old.stop(*list(old.processes))
    Stack.start(old, "selling-api")
    made += order_some([there], [shop], many=2)
    all_active(there, made)
    judge(new, many=len(made))


def say_everything(stack: Stack, client: Client, service_ids: list[str]) -> None:
    """Let this pair's reseller send every command, and hear what becomes of it."""
    all_active(client, service_ids)
    wish_everything(client, service_ids)
    check_told(stack, service_ids)


def everybody_at_once(
    anna: Client, elsewhere: Client, made: list[str], *, shops: list[Shop]
) -> list[str]:
    """One client at both releases of the reseller, whose workers share all jobs; new services."""
    ordered = order_some([anna, elsewhere], shops, many=8)
    all_active(anna, [*made, *ordered])
    for client, verb, state in ((anna, "suspend", "suspended"), (elsewhere, "resume", "active")):
        client.wish(made[0], verb)
        anna.wait_until(made[0], state=state, seconds=60)
    return ordered


def start_seller(new: Stack) -> None:
    new.start("selling-api", "selling-worker")
    new.wait_until(lambda: new._is_ready("selling"), what="the new seller", seconds=120)
    new.admin.log_in(*new.logins["selling"])


def judge(new: Stack, *, many: int) -> None:
    """So many orders, so many VMs, nothing open, and everything as it must be."""
    settle(new)
    check_all(new)
    assert one(new.selling_database, "SELECT count(*) FROM services") == many
    assert one(new.selling_database, "SELECT count(*) FROM simulated_vms") == many
    assert set(new.processes) == set(PROGRAMS)
