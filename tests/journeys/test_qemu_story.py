"""The story on real VMs, through the whole chain: ordered, suspended, resumed, ended, gone."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from local_stack.demo.callers import JSON, Client
from local_stack.guest.build import guest
from selling_service.provisioning.drivers.qemu import QemuPlatform, QemuSettings
from selling_service.provisioning.platform import NotFound, Power, VMLocked, VMState
from shared.contract.basics import BASE_PATH, IDEMPOTENCY_HEADER
from tests.journeys.behind import rows
from tests.journeys.conftest import MakeStack
from tests.journeys.invariants import check_all, settle
from tests.journeys.machines import LONGEST, Machine
from tests.journeys.stack import OS, Goods, Shop, Stack
from tests.provisioning.conftest import PROGRAMS
from tests.requirements import require

pytestmark = pytest.mark.slow

RETENTION = 14 * 86400
PASSWORD = "sesame opens it"
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlaXNwaWVsYmVpc3BpZWxiZWlzcGllbGJlaXNw"


@pytest.fixture(scope="module")
def stack(make_stack: MakeStack) -> Iterator[Stack]:
    """A pair whose VMs are processes of this machine."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    require(not missing, f"these programs are not installed: {', '.join(missing)}")
    require(guest().present, "the test guest is not built: python -m local_stack.guest")
    with make_stack(platform="qemu") as running:
        yield running


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    return stack.open_shop(disk_gib=1)


def machine_of(stack: Stack, service_ref: str) -> Machine:
    (row,) = rows(
        stack.selling_database,
        "SELECT id, account_id FROM services WHERE service_ref = $1",
        UUID(service_ref),
    )
    return Machine(root=stack.folder / "qemu", owner_id=row["account_id"], vm_id=row["id"])


def machine_at_home(stack: Stack, service_id: str) -> Machine:
    return machine_of(stack, stack.staff.service(service_id)["service_ref"])


def driver_of(machine: Machine) -> QemuPlatform:
    """Another driver on the same files, as a restarted worker has it."""
    return QemuPlatform(QemuSettings(root=machine.root, images={}), name="qemu")


async def start_by_the_driver(machine: Machine) -> VMState:
    """Ask the platform itself; AssertionError where it doesn't refuse."""
    platform = driver_of(machine)
    state = await platform.get_vm(owner_id=machine.owner_id, vm_id=machine.vm_id)
    for start in (platform.start_vm, platform.restart_vm):
        with pytest.raises(VMLocked):
            await start(owner_id=machine.owner_id, vm_id=machine.vm_id, fence=state.fence)
    await driver_of(machine).boot_node()
    return await platform.get_vm(owner_id=machine.owner_id, vm_id=machine.vm_id)


def post(stack: Stack, goods: Goods, path: str, body: JSON) -> httpx.Response:
    """Command the seller with the partner's own key, past the reseller."""
    return httpx.post(
        f"{stack.urls['selling']}{BASE_PATH}{path}",
        json=body,
        headers={"Authorization": f"Bearer {goods.key}", IDEMPOTENCY_HEADER: str(uuid4())},
        timeout=20,
        trust_env=False,
    )


def order(stack: Stack, shop: Shop, client: Client, *, hostname: str) -> tuple[str, Machine]:
    """Order a VM, wait until it is active; its service and what it really is."""
    options: JSON = {"ssh_keys": [SSH_KEY], "password": PASSWORD}
    service = stack.order_active(client, shop, hostname=hostname, **options)
    return service["id"], machine_at_home(stack, service["id"])


def no_start_path_leads_anywhere(
    stack: Stack, shop: Shop, client: Client, service_id: str, machine: Machine
) -> None:
    """Client, reseller's staff, the partner's key, the platform, restarts: it stays off."""
    ref = stack.staff.service(service_id)["service_ref"]
    for verb in ("start", "restart"):
        client.refused("service_suspended", "POST", f"/client/v1/services/{service_id}/{verb}")
        staff_path = f"/staff/v1/services/{service_id}/{verb}"
        stack.staff.refused("service_suspended", "POST", staff_path)
        answer = post(stack, shop.goods, f"/services/{ref}/{verb}", {})
        problem = answer.json()
        assert (problem["code"], problem["outcome"]) == ("blocked_by_suspensions", "refused")
    machine.stays_off()
    state = asyncio.run(start_by_the_driver(machine))
    assert (state.power, state.locked) == (Power.STOPPED, True)
    machine.stays_off()


def test_life_of_a_real_vm(stack: Stack, shop: Shop) -> None:
    anna, boris = stack.new_client(name="Anna"), stack.new_client(name="Boris")
    service_id, vm = order(stack, shop, anna, hostname="mail-7.example.com")
    _, other = order(stack, shop, boris, hostname="web-8.example.com")
    said = vm.ready_line(boots=1)
    assert said == "tandem-guest ready hostname=mail-7.example.com boots=1 keys=1"
    other.ready_line(boots=1)
    # The terminal shows what is typed: the last word is put together only when it is said.
    write = "echo treasure >/data/note; sync; hostname; echo wri''tten"
    told = vm.typed(write, password=PASSWORD, until="written\r\n")
    assert "mail-7.example.com\r\n" in told

    anna.wish(service_id, "suspend")
    anna.wait_until(service_id, state="suspended", power="stopped", seconds=LONGEST)
    vm.stays_off()
    no_start_path_leads_anywhere(stack, shop, anna, service_id, vm)
    other.power_cut()
    stack.restart("selling-worker")
    other.ready_line(boots=2)
    vm.stays_off()

    anna.wish(service_id, "resume")
    anna.wait_until(service_id, state="active", power="running", seconds=LONGEST)
    assert "hostname=mail-7.example.com" in vm.ready_line(boots=2)
    vm.typed("cat /data/note", password=PASSWORD, until="treasure\r\n")
    leaves_nothing(stack, anna, service_id, vm)
    assert other.process is not None


def leaves_nothing(stack: Stack, client: Client, service_id: str, vm: Machine) -> None:
    """Ended, it keeps its disk until the retention is over, and then nothing."""
    client.wish(service_id, "terminate", {"when": "now"})
    client.wait_until(service_id, state="terminated", seconds=LONGEST)
    vm.stays_off()
    assert any(path.suffix == ".qcow2" for path in vm.folder.iterdir())
    stack.move_clocks(RETENTION + 60)
    client.log_in()
    client.wait_until(service_id, state="deleted", seconds=LONGEST)
    settle(stack)  # The service is deleted first, then the VM.
    assert (vm.traces, vm.command_lines) == ([], [])
    assert list(vm.folder.parent.iterdir()) == []
    check_all(stack)


@pytest.fixture(scope="module")
def three(stack: Stack, shop: Shop) -> list[Machine]:
    """VMs of two clients of one reseller and of a client of another partner."""
    found = []
    for name in ("Clara", "Dora"):
        client = stack.new_client(name=name)
        found.append(order(stack, shop, client, hostname=f"{name.lower()}.example.com")[1])
    goods = stack.provision_catalogue(disk_gib=1)
    ref = str(uuid4())
    body: JSON = {
        "service_ref": ref,
        "client_ref": str(uuid4()),
        "tariff_id": goods.tariff["id"],
        "tariff_version": 1,
        "period": "month",
        "options": {"os": OS, "hostname": "edda.example.com"},
        "max_price": {"amount": 480, "currency": "EUR"},
    }
    assert post(stack, goods, "/services", body).status_code == 202

    def active() -> bool:
        state: str = stack.admin.service(ref, goods.partner["id"])["state"]
        return state == "active"

    stack.wait_until(active, seconds=LONGEST, what="the other partner's VM")
    return [*found, machine_of(stack, ref)]


def test_each_client_has_a_user_and_a_folder_that_no_other_can_enter(three: list[Machine]) -> None:
    require(os.geteuid() == 0, "only root can give each client a uid of its own")
    uids = []
    for machine in three:
        status = machine.folder.parent.stat()
        assert status.st_mode & 0o777 == 0o700
        owners = {path.stat().st_uid for path in (machine.folder, *machine.folder.iterdir())}
        assert owners == {status.st_uid}
        assert machine.uids == {status.st_uid}
        uids.append(status.st_uid)
    assert len(set(uids)) == 3
    assert 0 not in uids
    for machine, uid in zip(three, uids, strict=True):
        for other in three:
            listed = look_as(uid, other.folder)
            assert (listed.returncode == 0) is (other is machine), listed.stderr


def look_as(uid: int, folder: Path) -> "subprocess.CompletedProcess[str]":
    """List a VM's folder as this user, standing before the folders of all users."""
    users = folder.parents[1]
    return subprocess.run(
        ["ls", str(folder.relative_to(users))],  # noqa: S607 - whichever is installed
        cwd=users,
        user=uid,
        group=uid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_client_lists_and_finds_their_own_vm_only(three: list[Machine]) -> None:
    async def look() -> None:
        for machine in three:
            platform = driver_of(machine)
            listed = await platform.list_vms(owner_id=machine.owner_id)
            assert [vm.vm_id for vm in listed] == [machine.vm_id]
            for other in three:
                if other is not machine:
                    with pytest.raises(NotFound):
                        await platform.get_vm(owner_id=machine.owner_id, vm_id=other.vm_id)

    asyncio.run(look())
