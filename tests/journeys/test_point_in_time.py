"""One half is restored to a moment: what was sold until then is there, and both come together."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url

from local_stack import migrations
from local_stack.backups import BackupError, list_backups, restore, take_backup
from local_stack.demo.callers import Client
from local_stack.home import PROGRAMS, SERVICES, Home
from local_stack.processes import tail
from tests.journeys.backups import carry_platform_over, machines
from tests.journeys.behind import one, rows
from tests.journeys.invariants import check_all, databases
from tests.journeys.reconciling import ENVIRONMENT, adopt_for, come_together
from tests.journeys.stack import Shop, Stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The folder of a pair whose log is archived."""
    found = Home(tmp_path_factory.mktemp("pair") / "tandem")
    found.make()
    found.wal.mkdir(mode=0o700)
    return found


@pytest.fixture(scope="module")
def stack(home: Home) -> Iterator[Stack]:
    """A pair on that folder's own PostgreSQL; the test starts the server again after a restore."""
    with home.postgres() as server:
        for service in SERVICES:
            server.create_database(service)
            migrations.upgrade(service, url=server.url(service))
        with Stack(
            selling_database=server.url("selling"),
            reselling_database=server.url("reselling"),
            folder=home.logs,
            sandbox=False,
            environment=ENVIRONMENT,
        ) as running:
            running.server = server  # type: ignore[attr-defined]
            yield running


def now_at(database_url: str) -> datetime:
    found = one(database_url, "SELECT clock_timestamp()")
    assert isinstance(found, datetime)
    return found


def go_back(stack: Stack, home: Home, *, to: datetime, only: str) -> str:
    """Stop everything and restore one half, its books alone; where the old half is kept."""
    stack.stop(*list(stack.processes))
    stack.server.stop()  # type: ignore[attr-defined]
    _, kept = restore(home, to=to, only=only, now=datetime.now(UTC))  # noqa: TID251 - names it
    stack.server.start()  # type: ignore[attr-defined]
    if only == "selling":
        url = make_url(stack.selling_database)
        last = url.set(database=str(kept)).render_as_string(hide_password=False)
        carry_platform_over(last, stack.selling_database)
    return str(kept)


def bring_up(stack: Stack) -> None:
    stack.start(*PROGRAMS)
    for service in SERVICES:
        stack.wait_until(partial(stack._is_ready, service), seconds=150)


def known(database_url: str) -> set[str]:
    """The services that one half knows of, by the reference that both use."""
    return {
        row["ref"] for row in rows(database_url, "SELECT service_ref::text AS ref FROM services")
    }


@pytest.mark.parametrize("half", SERVICES)
def test_one_half_goes_back_to_a_moment_and_both_come_together(
    stack: Stack, home: Home, half: str
) -> None:
    anna, shop, database = stack.new_client(), stack.open_shop(), databases(stack)[half]
    before = stack.order_active(anna, shop)
    take_backup(home, now=datetime.now(UTC))  # noqa: TID251 - it only names the backup
    since = stack.order_active(anna, shop)
    moment = now_at(database)
    lost = stack.order_active(anna, shop)
    refs = [stack.staff.service(each["id"])["service_ref"] for each in (before, since, lost)]
    partner = shop.goods.partner["id"]
    stood = machines(stack)
    money = (anna.balance(), stack.admin.balance(partner)["balance"])

    kept = go_back(stack, home, to=moment, only=half)

    # What was sold until the moment is there, also what came after the backup.
    assert known(database) & {*refs} == {*refs[:2]}
    bring_up(stack)
    come_together(stack, adopt_for(anna))
    if half == "selling":
        # The reader has found its cursor lost, and follows the feed that there is now.
        assert "cursor_lost" in tail(stack.log("reselling-worker"), lines=2000)
    # Each is there once, at both and on the platform, and was paid for once.
    check_all(stack)
    sold = stack.admin.services(partner)
    assert sorted(row["service_ref"] for row in sold) == sorted(refs)
    assert {row["state"] for row in [*sold, *anna.services()]} == {"active"}
    assert len(anna.services()) == len(refs)
    assert machines(stack) == stood
    assert (anna.balance(), stack.admin.balance(partner)["balance"]) == money
    # And it goes on.
    sell_on(stack, anna, shop)
    assert kept in [row["datname"] for row in rows(database, _DATABASES)]


_DATABASES = "SELECT datname::text FROM pg_database"


def sell_on(stack: Stack, client: Client, shop: Shop) -> None:
    """Another order, and a command on a service from before."""
    first = client.services()[0]
    stack.order_active(client, shop)
    client.wish(first["id"], "suspend")
    client.wait_until(first["id"], state="suspended", seconds=60)


def test_a_moment_before_the_oldest_backup_is_refused_with_its_time(
    tmp_path: Path, stack: Stack, home: Home
) -> None:
    empty = Home(tmp_path / "tandem")
    empty.make()
    with pytest.raises(BackupError, match="`tandem backup` makes one"):
        restore(empty, to=None, only=None, now=now_at(stack.selling_database))
    if not list_backups(home):
        take_backup(home, now=now_at(stack.selling_database))
    early = now_at(stack.selling_database) - timedelta(days=1)
    with pytest.raises(BackupError, match="the oldest backup ended at"):
        restore(home, to=early, only="selling", now=early)
