"""One half is restored to a moment: what was sold until then is there, and the pair comes up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from local_stack import migrations
from local_stack.backups import BackupError, list_backups, restore, take_backup
from local_stack.demo.callers import JSON, Client
from local_stack.home import PROGRAMS, SERVICES, Home
from local_stack.processes import tail
from tests.journeys.behind import one, rows
from tests.journeys.stack import Shop, Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("point_in_time")]


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
        ) as running:
            running.server = server  # type: ignore[attr-defined]
            yield running


def now_at(database_url: str) -> datetime:
    found = one(database_url, "SELECT clock_timestamp()")
    assert isinstance(found, datetime)
    return found


def go_back(stack: Stack, home: Home, *, to: datetime, only: str) -> str:
    """Stop everything, restore one half, start everything; where the old half is kept."""
    stack.stop(*list(stack.processes))
    stack.server.stop()  # type: ignore[attr-defined]
    _, kept = restore(home, to=to, only=only, now=datetime.now(UTC))  # noqa: TID251 - names it
    stack.server.start()  # type: ignore[attr-defined]
    stack.start(*PROGRAMS)
    for service in SERVICES:
        stack.wait_until(partial(stack._is_ready, service), seconds=150)
    return str(kept)


def known_at_the_seller(stack: Stack, shop: Shop, service: JSON) -> JSON | None:
    ref = stack.staff.service(service["id"])["service_ref"]
    (partner,) = (shop.goods.partner,)
    found = [row for row in stack.admin.services(partner["id"]) if row["service_ref"] == ref]
    return found[0] if found else None


def follows_the_feed(stack: Stack) -> bool:
    """By stream, or by poll where the seller came up later than the reader."""
    (feed,) = rows(stack.reselling_database, "SELECT mode, cursor FROM seller_feeds")
    (head,) = rows(stack.selling_database, "SELECT number FROM events ORDER BY number DESC LIMIT 1")
    return feed["mode"] in {"stream", "poll"} and str(feed["cursor"]).startswith(
        f"{head['number']}-"
    )


def test_the_seller_goes_back_to_a_moment_and_the_pair_sells_on(stack: Stack, home: Home) -> None:
    anna, shop = stack.new_client(), stack.open_shop()
    before = stack.order_active(anna, shop)
    take_backup(home, now=datetime.now(UTC))  # noqa: TID251 - it only names the backup
    since = stack.order_active(anna, shop)
    moment = now_at(stack.selling_database)
    lost = stack.order_active(anna, shop)
    money = anna.balance()

    kept = go_back(stack, home, to=moment, only="selling")

    # What was sold until the moment is there, once, also what came after the backup.
    for service in (before, since):
        found = known_at_the_seller(stack, shop, service)
        assert found is not None
        assert found["state"] == "active"
    assert known_at_the_seller(stack, shop, lost) is None
    assert one(stack.selling_database, "SELECT count(*) FROM simulated_vms") == 2
    assert one(stack.selling_database, "SELECT count(*) FROM terms") == 2
    assert one(stack.selling_database, "SELECT coalesce(sum(amount), 0) FROM entries") == 0
    # The reader has found its cursor lost, and follows the feed that there is now.
    stack.wait_until(lambda: follows_the_feed(stack), what="the feed", seconds=60)
    assert "cursor_lost" in tail(stack.log("reselling-worker"), lines=2000)
    # The reseller's half was not touched: its client has paid once for each, and sees them.
    assert anna.balance() == money
    assert {row["id"] for row in anna.services()} == {row["id"] for row in (before, since, lost)}
    # And it goes on.
    assert sells_on(stack, anna, shop)
    assert kept in [row["datname"] for row in rows(stack.selling_database, _DATABASES)]


_DATABASES = "SELECT datname::text FROM pg_database"


def sells_on(stack: Stack, client: Client, shop: Shop) -> bool:
    """Another order, and a command on a service from before."""
    first = client.services()[0]
    after = stack.order_active(client, shop)
    client.wish(first["id"], "suspend")
    client.wait_until(first["id"], state="suspended", seconds=60)
    return known_at_the_seller(stack, shop, after) is not None


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
