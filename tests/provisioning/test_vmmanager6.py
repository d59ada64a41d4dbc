"""What only VMmanager 6 knows: tokens that run out, an API that sleeps, tasks, whose a VM is."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from selling_service.provisioning.drivers.vmmanager6 import VMmanager6API, VMmanager6Hands
from selling_service.provisioning.drivers.vmmanager6.words import (
    Comment,
    keeper,
    login,
    read_comment,
)
from selling_service.provisioning.platform import (
    NotFound,
    PlatformFull,
    PlatformUnavailable,
    Power,
    mark_of,
)
from selling_service.settings import SellingSettings
from tests.provisioning.rigs import create, new_user
from tests.provisioning.vmmanager6_rig import DOMAIN, VMmanager6Rig


@pytest.fixture
def rig(vmmanager6: VMmanager6Rig) -> VMmanager6Rig:
    return vmmanager6


@pytest.fixture
async def owner_id(rig: VMmanager6Rig) -> UUID:
    return await new_user(rig.platform)


@pytest.fixture
async def vm(rig: VMmanager6Rig, owner_id: UUID) -> UUID:
    vm_id = uuid4()
    await create(rig, owner_id=owner_id, vm_id=vm_id)
    return vm_id


def whose(rig: VMmanager6Rig, vm_id: UUID) -> str:
    """The login to which a VM belongs there."""
    email: str = rig.fake.accounts[rig.host(vm_id)["account"]["id"]]["email"]
    return email


async def test_token_that_ran_out_is_renewed_once_by_many(rig: VMmanager6Rig, vm: UUID) -> None:
    assert rig.fake.logins == 1
    hands = VMmanager6Hands(rig.settings, rig.api)
    rig.fake.tokens.clear()
    await asyncio.gather(*(hands.find(vm) for _ in range(5)))
    assert rig.fake.logins == 2


async def test_api_that_sleeps_is_asked_again_and_not_for_ever(
    rig: VMmanager6Rig, owner_id: UUID, vm: UUID
) -> None:
    rig.fake.sleeps = 3
    assert await VMmanager6Hands(rig.settings, rig.api).find(vm) is not None
    rig.fake.sleeps = 10**6
    with pytest.raises(PlatformUnavailable):
        await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    rig.fake.sleeps = 0
    state = await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert state.power is Power.STOPPED


async def test_creation_whose_answer_was_lost_is_not_done_twice(
    rig: VMmanager6Rig, owner_id: UUID
) -> None:
    vm_id, rig.fake.lost = uuid4(), 1
    with pytest.raises(PlatformUnavailable):
        await create(rig, owner_id=owner_id, vm_id=vm_id)
    state = await create(rig, owner_id=owner_id, vm_id=vm_id)
    assert (state.power, len(rig.fake.hosts)) == (Power.RUNNING, 1)


async def test_login_that_is_refused_lets_services_wait(rig: VMmanager6Rig) -> None:
    wrong = replace(rig.settings, password="another")
    async with VMmanager6API(wrong) as api:
        with pytest.raises(PlatformUnavailable, match="login is refused"):
            await VMmanager6Hands(wrong, api).find_all()


async def test_client_is_a_user_of_a_domain_that_gets_no_mail(
    rig: VMmanager6Rig, owner_id: UUID
) -> None:
    await rig.platform.ensure_user(owner_id=owner_id)
    made = [
        body for verb, path, body in rig.fake.requests if (verb, path[-8:]) == ("POST", "/account")
    ]
    assert [(row["email"], row["role"]) for row in made] == [(login(owner_id, DOMAIN), "@user")]
    assert len(made[0]["password"]) > 30


async def test_suspended_vm_belongs_to_nobody_who_could_start_it(
    rig: VMmanager6Rig, owner_id: UUID, vm: UUID
) -> None:
    assert whose(rig, vm) == login(owner_id, DOMAIN)
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert (whose(rig, vm), rig.host(vm)["state"]) == (keeper(DOMAIN), "stopped")
    await rig.platform.unlock_vm(owner_id=owner_id, vm_id=vm, fence=3)
    assert whose(rig, vm) == login(owner_id, DOMAIN)


async def test_guest_that_ignores_the_request_is_stopped_all_the_same(
    rig: VMmanager6Rig, owner_id: UUID, vm: UUID
) -> None:
    rig.fake.stubborn = True
    state = await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert (state.power, rig.host(vm)["state"]) == (Power.STOPPED, "stopped")
    asked = [body for _, path, body in rig.fake.requests if path.endswith("/stop")]
    assert asked[-2:] == [{"force": False}, {"force": True}]


async def test_failed_task_is_tried_again_and_a_full_cluster_is_not(
    rig: VMmanager6Rig, owner_id: UUID, vm: UUID
) -> None:
    rig.fake.failing["start"] = "The node is away"
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    with pytest.raises(PlatformUnavailable, match="The node is away"):
        await rig.platform.start_vm(owner_id=owner_id, vm_id=vm, fence=3)
    assert (
        await rig.platform.start_vm(owner_id=owner_id, vm_id=vm, fence=3)
    ).power is Power.RUNNING
    rig.fake.most_hosts = 1
    with pytest.raises(PlatformFull, match="No suitable node"):
        await create(rig, owner_id=owner_id, vm_id=uuid4())


async def test_number_that_another_vm_has_now_is_not_touched(
    rig: VMmanager6Rig, owner_id: UUID, vm: UUID
) -> None:
    hands = VMmanager6Hands(rig.settings, rig.api)
    seen = await hands.find(vm)
    assert seen is not None
    theirs = rig.host(vm) | {"comment": "somebody else's"}
    rig.fake.hosts[theirs["id"]] = theirs
    before = dict(theirs)
    for act in (hands.start(seen), hands.stop(seen), hands.drop(seen), hands.rename(seen, "x")):
        with pytest.raises(NotFound):
            await act
    for locked in (True, False):
        with pytest.raises(NotFound):
            await hands.guard(seen, locked=locked)
    assert rig.fake.hosts[theirs["id"]] == before


@pytest.mark.parametrize("mark", [None, mark_of(UUID(int=1), UUID(int=2))])
def test_comment_is_read_as_it_was_written(mark: str | None) -> None:
    written = Comment(vm_id=uuid4(), owner_id=uuid4(), mark=mark)
    assert read_comment(str(written)) == written


@pytest.mark.parametrize("comment", [None, "", "tandem-vm", "tandem-vm a b", "my own VM"])
def test_other_comments_are_not_ours(comment: str | None) -> None:
    assert read_comment(comment) is None


def test_the_page_names_the_settings_that_there_are() -> None:
    page = Path("docs/platforms.md").read_text(encoding="utf-8")
    table = page.partition("(`SELLING_VMMANAGER6_…`)")[2].partition("\n\n")[0]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])
    }
    fields = SellingSettings.model_fields
    assert {f"vmmanager6_{name.lower()}" for name in named} == {
        name for name in fields if name.startswith("vmmanager6_")
    }
