"""A worker stands still in the middle of a start while its service is suspended by another one."""

import shutil
from collections.abc import Iterator
from functools import partial
from uuid import UUID

import pytest

from local_stack.guest.build import guest
from shared.contract.basics import CommandKind
from tests.faults.chain import Chain
from tests.faults.conftest import MakeChain
from tests.faults.lives import Life, wait
from tests.faults.points import FREEZES
from tests.journeys.behind import one, rows
from tests.journeys.invariants import check_all, settle
from tests.journeys.machines import Machine
from tests.provisioning.conftest import PROGRAMS
from tests.requirements import require

pytestmark = pytest.mark.slow

LEASE = {"SELLING_WORKER_LEASE_SECONDS": "2"}
TAKEN = "SELECT attempts FROM operations WHERE kind = 'start' AND service_ref = $1"


@pytest.fixture(
    scope="module",
    params=["simulated", "qemu"],
)
def chain(request: pytest.FixtureRequest, make_chain: MakeChain) -> Iterator[Chain]:
    """A pair with two workers of the seller, per driver."""
    if request.param == "qemu":
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        require(not missing, f"these programs are not installed: {', '.join(missing)}")
        require(guest().present, "the test guest is not built: python -m local_stack.guest")
    with make_chain(
        platform=request.param, environment=LEASE, spares=("selling-worker",)
    ) as running:
        yield running


@pytest.mark.parametrize("place", ["the call", "what follows its check"])
def test_vm_is_stopped_in_the_end(chain: Chain, place: str) -> None:
    cell = FREEZES[chain.platform][place]
    life = Life(chain.new_client(), chain.open_shop(disk_gib=1))
    life.wish(CommandKind.ORDER)
    life.wait_until_done(CommandKind.ORDER)
    life.wish(CommandKind.STOP)
    life.wait_until_done(CommandKind.STOP)

    chain.arm_to_freeze(cell)
    life.wish(CommandKind.START)
    wait(lambda: chain.was_hit(cell) and chain.frozen != [], what=f"a worker frozen before {place}")
    (frozen,) = chain.frozen
    wait(partial(taken_over, chain, life), what="another worker that takes the job")
    life.wish(CommandKind.SUSPEND)
    if place == "the call":
        # Nothing is held by the one that stands still: the other suspends meanwhile.
        life.wait_until_done(CommandKind.SUSPEND)
    chain.thaw(frozen)
    life.wait_until_done(CommandKind.SUSPEND)
    settle(chain)
    check_all(chain)
    assert powered(chain, life) == "stopped"
    assert chain.frozen == []


def taken_over(chain: Chain, life: Life) -> bool:
    """Whether the start has been begun a second time."""
    ref = UUID(chain.staff.service(life.service_id)["service_ref"])
    attempts: int = one(chain.selling_database, TAKEN, ref)
    return attempts > 1


def powered(chain: Chain, life: Life) -> str:
    """What the platform itself says."""
    ref = UUID(chain.staff.service(life.service_id)["service_ref"])
    if chain.platform == "simulated":
        found = "SELECT v.power FROM simulated_vms v JOIN services s ON s.id = v.vm_id"
        power: str = one(chain.selling_database, f"{found} WHERE s.service_ref = $1", ref)
        return power
    (row,) = rows(
        chain.selling_database, "SELECT id, account_id FROM services WHERE service_ref = $1", ref
    )
    machine = Machine(root=chain.folder / "qemu", owner_id=row["account_id"], vm_id=row["id"])
    machine.stays_off()
    return "stopped"
