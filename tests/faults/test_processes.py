"""Processes, databases, disks, clocks and platforms fail under way: all comes true, once."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

import asyncpg
import httpx
import pytest
from sqlalchemy import make_url

from local_stack.demo.callers import JSON
from local_stack.home import PROGRAMS
from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from shared.contract.basics import CommandKind
from tests.faults.lab import SERVICES, Lab
from tests.faults.lives import Life, wait
from tests.faults.points import LIFE
from tests.journeys.behind import behave, one
from tests.journeys.invariants import check_all, settle
from tests.journeys.patient import LONGEST, look
from tests.journeys.wires import wired
from tests.requirements import require

pytestmark = pytest.mark.slow

CLIENTS = 3
ORDER = CommandKind.ORDER
SOME_ROOM = """CREATE TABLE filling AS
    SELECT repeat('x', 1500) AS text FROM generate_series(1, 20000)"""


@pytest.fixture(scope="module")
def every_life(lab: Lab) -> Iterator[list[Life]]:
    """Some clients of one shop behind the wire's cable."""
    with wired(lab.chain, behind=lab.wire.url, paid_in=10**7) as wire:
        clients = [lab.chain.new_client(name=f"Client-{n}") for n in range(CLIENTS)]
        yield [Life(client, wire.shop) for client in clients]


@pytest.fixture
def lives(lab: Lab, every_life: list[Life]) -> Iterator[list[Life]]:
    """The clients, each before their next order; whatever was done is healed, and all is well."""
    for life in every_life:
        # Other tests move the clocks on by hours, in which an idle session ends.
        life.client.log_in()
    yield [Life(life.client, life.shop) for life in every_life]
    behave(lab.chain.selling_database, Behaviour())
    lab.heal()
    settle(lab.chain)
    check_all(lab.chain)


@contextmanager
def living(lives: list[Life], *, rounds: int = 1) -> Iterator[list[Future[None]]]:
    """Let everybody live their lives meanwhile; returns when the last one has."""
    with ThreadPoolExecutor(len(lives)) as pool:
        running = [pool.submit(live, life, rounds) for life in lives]
        wait(lambda: any(life.wished[-1:] == [CommandKind.SUSPEND] for life in lives), what="work")
        yield running
        for each in running:
            each.result()


def live(life: Life, rounds: int) -> None:
    for _ in range(rounds):
        for kind in LIFE:
            life.wish(kind)
            life.wait_until_done(kind)


def test_each_process_is_killed_and_frozen_in_the_middle_of_commands(
    lab: Lab, lives: list[Life]
) -> None:
    """Frozen ones live on when their leases are over, and others have done their work."""
    chain = lab.chain
    with living(lives, rounds=2):
        for name in PROGRAMS:
            chain.crash(name)
            wait(partial(alive, lab, name), what=f"another {name}")
        for name in (*PROGRAMS, "selling-worker-2"):
            chain.freeze(name)
            if name.endswith("worker"):
                wait(partial(lease_is_over, lab, name), what="the end of a lease")
            chain.thaw(name)


def alive(lab: Lab, name: str) -> bool:
    """Whether the service answers, whose process was killed."""
    service = name.partition("-")[0]
    try:
        url = f"{lab.chain.urls[service]}/readyz"
        return httpx.get(url, timeout=1.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def lease_is_over(lab: Lab, name: str) -> bool:
    """Whether a worker of this service hasn't been seen for longer than its lease."""
    database = {"selling": lab.chain.selling_database, "reselling": lab.chain.reselling_database}
    statement = """SELECT count(*) FROM workers WHERE seen_at BETWEEN
        clock_timestamp() - interval '20 s' AND clock_timestamp() - interval '4 s'"""
    found: int = one(database[name.partition("-")[0]], statement)
    return found > 0


def test_postgres_is_killed_and_started_again(lab: Lab, lives: list[Life]) -> None:
    with living(lives):
        for _ in range(2):
            lab.kill_postgres()
            lab.chain.wait_until_ready()


def test_disk_of_postgres_is_full(lab: Lab, lives: list[Life]) -> None:
    require(lab.disk.is_small, "no file system can be mounted for PostgreSQL (root is needed)")
    with living(lives):
        lab.disk.fill()
        wait(partial(writing_fails, lab), what="a database that can't write")
        lab.disk.free()
        wait(partial(recovered, lab), what="a server that works again")


def recovered(lab: Lab) -> bool:
    """Whether rows can be written again; a server that has given up is started again."""
    lab.revive_postgres()
    return not writing_fails(lab)


def writing_fails(lab: Lab) -> bool:
    """Whether a row that takes some room is refused, or the server has given up."""
    try:
        asyncio.run(execute(lab.chain.selling_database, SOME_ROOM, "DROP TABLE filling"))
    except (asyncpg.PostgresError, OSError):
        return True
    return False


async def execute(url: str, *statements: str) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def test_connections_of_the_server_and_of_the_pools_are_used_up(
    lab: Lab, lives: list[Life]
) -> None:
    """First nobody gets a new connection; then a lock keeps every one of the seller's pools."""
    with living(lives):
        asyncio.run(use_up_connections(lab))
        asyncio.run(hold_a_table(lab))


async def use_up_connections(lab: Lab) -> None:
    """Break the services' connections again and again, and take what becomes free."""
    held: list[asyncpg.Connection[asyncpg.Record]] = []
    try:
        for _ in range(LONGEST):
            await take_all_connections(lab, held)
            for service in SERVICES:
                lab.cables[service].cut()
            await take_all_connections(lab, held)
            if await is_away(lab):
                return
    finally:
        await asyncio.gather(*(connection.close() for connection in held))
    raise AssertionError("the seller goes on without connections")


async def take_all_connections(lab: Lab, held: "list[asyncpg.Connection[asyncpg.Record]]") -> None:
    url = make_url(lab.chain.selling_database).set(drivername="postgresql")
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            held.append(await asyncpg.connect(url.render_as_string(hide_password=False)))


async def hold_a_table(lab: Lab) -> None:
    url = make_url(lab.chain.selling_database).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    admin = lab.chain.admin.http
    async with httpx.AsyncClient(
        base_url=admin.base_url, headers=admin.headers, timeout=60.0, trust_env=False
    ) as http:
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE services IN ACCESS EXCLUSIVE MODE")
                asked = [asyncio.create_task(http.get("/admin/v1/services")) for _ in range(40)]
                await until_away(lab)
        finally:
            await connection.close()
        codes = {answer.status_code for answer in await asyncio.gather(*asked)}
    assert codes <= {200, 503}
    assert 503 in codes


async def until_away(lab: Lab) -> None:
    """Wait until the seller says that its database is out of reach."""
    for _ in range(LONGEST):
        if await is_away(lab):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the seller finds its database well")


async def is_away(lab: Lab) -> bool:
    async with httpx.AsyncClient(base_url=lab.chain.urls["selling"], trust_env=False) as http:
        answer = await http.get("/readyz", timeout=20.0)
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE


PLATFORMS = {
    "late": Behaviour(delay_ms=3500),
    "wrong": Behaviour(
        faults={
            call: Fault(kind=FaultKind.UNAVAILABLE, times=2)
            for call in ("create_vm", "lock_vm", "unlock_vm", "start_vm")
        }
    ),
    "half": Behaviour(faults={"*": Fault(kind=FaultKind.HALF_DONE, times=6)}),
    "twice": Behaviour(faults={"*": Fault(kind=FaultKind.ANSWER_LOST, times=8)}),
}


@pytest.mark.parametrize("how", sorted(PLATFORMS))
def test_platform_answers(lab: Lab, lives: list[Life], how: str) -> None:
    """Later than the lease; that it is away; not at all, and is asked twice."""
    behave(lab.chain.selling_database, PLATFORMS[how])
    for life in lives:
        life.wish(ORDER)
    for life in lives:
        life.wait_until_done(ORDER)
    for life in lives:
        life.wish(CommandKind.SUSPEND)
    for life in lives:
        life.wait_until_done(CommandKind.SUSPEND)


def test_platform_never_answers_and_is_asked_again(lab: Lab, lives: list[Life]) -> None:
    """A call that hangs is given up after the patience that is set, and shown as waiting."""
    behave(lab.chain.selling_database, Behaviour(delay_ms=3_600_000))
    lives[0].wish(ORDER)
    waiting = "SELECT count(*) FROM operations WHERE state = 'waiting'"
    wait(lambda: one(lab.chain.selling_database, waiting) > 0, what="an operation that waits")
    behave(lab.chain.selling_database, Behaviour())
    lives[0].wait_until_done(ORDER)


def test_platform_refuses_an_order_and_the_money_is_free_again(lab: Lab, lives: list[Life]) -> None:
    behave(
        lab.chain.selling_database,
        Behaviour(faults={"create_vm": Fault(kind=FaultKind.REFUSED, times=1)}),
    )
    life = lives[0]
    before = look(life.client, "/client/v1/balance")
    life.wish(ORDER)
    wait(lambda: life.shown()["state"] == "cancelled", what="an order that came to nothing")
    assert look(life.client, "/client/v1/balance") == before


@pytest.mark.parametrize("minutes", [10, -10])
def test_clocks_of_the_two_differ(lab: Lab, every_life: list[Life], minutes: int) -> None:
    """Terms are the seller's: an hour is renewed before it ends, by whichever clock."""
    chain = lab.chain
    # What was put on sale a moment ago isn't yet on sale ten minutes ago.
    chain.move_clocks(int(timedelta(minutes=15).total_seconds()))
    with lab.skewed("selling", seconds=minutes * 60.0):
        life = Life(every_life[0].client, every_life[0].shop)
        life.client.log_in()
        # Asked every five minutes besides.
        chain.staff.post(f"/staff/v1/sellers/{life.shop.seller['id']}/check")
        placed: JSON = life.client.order(
            life.shop.tariff["id"],
            hostname="h.example.com",
            os="debian-12",
            period="hour",
            auto_renew=True,
        )
        life.service_id = placed["service_id"]
        life.wait_until_done(ORDER)
        term = life.shown()["paid_until"]
        chain.move_clocks(int(timedelta(minutes=50).total_seconds()))
        wait(lambda: life.shown()["paid_until"] > term, what="a renewal")
        for kind in (CommandKind.SUSPEND, CommandKind.RESUME, CommandKind.TERMINATE):
            life.wish(kind)
            life.wait_until_done(kind)
    settle(chain)
    check_all(chain)
