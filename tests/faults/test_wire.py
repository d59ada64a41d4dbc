"""Whatever the network does to requests, answers and cables, every command comes true once."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, repeat

import pytest

from tests.faults.lab import SERVICES, Lab
from tests.faults.lives import Life, wait
from tests.faults.points import LIFE
from tests.faults.wire_faults import ON_COMMANDS, ON_READS, is_command, is_feed
from tests.journeys.invariants import check_all, settle
from tests.journeys.proxy import Fault, Rule, Sent
from tests.journeys.wires import wired

pytestmark = pytest.mark.slow

CLIENTS = 4
# Long enough for a command, so that the next one comes into the middle of something.
PAUSE = 0.7
LEAST_CUTS = 5


def each_command_once(met: Counter[str]) -> Rule:
    """Meet each command, the first time that it goes by, with one fault: all of them in turn."""
    names, known, lock = cycle(ON_COMMANDS), set[str](), threading.Lock()

    def rule(sent: Sent) -> Fault | None:
        if not is_command(sent) or sent.command_id is None:
            return None
        with lock:
            if sent.command_id in known:
                return None
            known.add(sent.command_id)
            name = next(names)
        met[f"{sent.path.rpartition('/')[2]}: {name}"] += 1
        return ON_COMMANDS[name]

    return rule


def live(life: Life) -> None:
    for kind in LIFE:
        life.wish(kind)
        life.wait_until_done(kind)


def test_every_fault_of_the_wire_meets_every_kind_of_command(lab: Lab) -> None:
    """Fourteen lives side by side: their orders meet all faults, and so on."""
    chain, met = lab.chain, Counter[str]()
    clients = [chain.new_client(name=f"Client-{number}") for number in range(CLIENTS)]
    with wired(chain, rule=each_command_once(met), behind=lab.wire.url, paid_in=10**6) as wire:
        lives = [Life(clients[n % CLIENTS], wire.shop) for n in range(len(ON_COMMANDS))]
        for kind in LIFE:
            with ThreadPoolExecutor(len(lives)) as pool:
                list(pool.map(Life.wish, lives, repeat(kind)))
                list(pool.map(Life.wait_until_done, lives, repeat(kind)))
        settle(chain)
        check_all(chain)
    assert len(met) == len(ON_COMMANDS) * len(LIFE)
    assert set(met.values()) == {1}
    print(f"faults of the wire met: {sum(met.values())}, {len(ON_COMMANDS)} kinds")  # noqa: T201 - figures


def test_feed_that_is_disturbed_is_read_to_its_end(lab: Lab) -> None:
    """Each request for it meets another fault; those that live on are broken off in between."""
    chain, met = lab.chain, Counter[str]()
    names = cycle([*ON_READS, None])

    def rule(sent: Sent) -> Fault | None:
        name = next(names) if is_feed(sent) else None
        if name is None:
            return None
        met[name] += 1
        return ON_READS[name]

    with wired(chain, rule=rule, behind=lab.wire.url) as wire, ThreadPoolExecutor(1) as pool:
        running = pool.submit(live, Life(chain.new_client(), wire.shop))
        while set(met) != set(ON_READS):
            before = sum(met.values())
            lab.wire.cut()
            wait(lambda before=before: sum(met.values()) > before, what="another try")  # type: ignore[misc]
        running.result()
        settle(chain)
        check_all(chain)


@pytest.fixture
def lives(lab: Lab) -> Iterator[list[Life]]:
    """Four clients with a VM each, behind the wire's cable."""
    chain = lab.chain
    with wired(chain, behind=lab.wire.url) as wire:
        yield [Life(chain.new_client(name=f"Client-{n}"), wire.shop) for n in range(CLIENTS)]
        settle(chain)
        check_all(chain)


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("down", [True, False])
def test_partition_delays_and_loses_nothing(
    lab: Lab, lives: list[Life], *, up: bool, down: bool
) -> None:
    """One way or both ways, or broken off and refused (neither), in the middle of orders."""
    with ThreadPoolExecutor(len(lives)) as pool:
        running = [pool.submit(live, life) for life in lives]
        wait(lambda: any(life.service_id for life in lives), what="an order")
        if up or down:
            lab.wire.hold(up=up, down=down)
        else:
            lab.wire.pull_out()
        wait(partial(link_is_troubled, lab, lives[0]), what="trouble that is shown", seconds=60)
        lab.wire.heal()
        for each in running:
            each.result()


def link_is_troubled(lab: Lab, life: Life) -> bool:
    """Whether the reseller's staff is shown that the seller can't be reached, or is being tried."""
    seller = f"/staff/v1/sellers/{life.shop.seller['id']}"
    return bool(lab.chain.staff.get(seller)["link"]["state"] != "ok")


def test_cables_of_the_databases_are_cut_again_and_again(lab: Lab, lives: list[Life]) -> None:
    """Also in the middle of a commit: whoever asked doesn't know whether it was done."""
    with ThreadPoolExecutor(len(lives)) as pool:
        running = [pool.submit(live, life) for life in lives]
        cuts = 0
        while not all(each.done() for each in running):
            lab.cables[SERVICES[cuts % 2]].cut()
            cuts += 1
            time.sleep(PAUSE)
        for each in running:
            each.result()
    assert cuts >= LEAST_CUTS
