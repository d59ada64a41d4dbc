"""Each client sees their own VMs and no others, whichever way they are looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest

from local_stack.demo.callers import JSON, Client
from selling_service.provisioning.drivers.simulated import SimulatedPlatform
from selling_service.provisioning.platform import NotFound
from shared.contract.basics import BASE_PATH
from tests.conftest import PostgresServer
from tests.journeys.behind import on_platform, rows
from tests.journeys.invariants import check_all, settle
from tests.journeys.stack import Shop, Stack

pytestmark = pytest.mark.slow

VERBS = ("suspend", "resume", "start", "stop", "restart", "terminate", "restore", "renew", "rename")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A client with VMs, at one reseller."""

    reseller: Stack
    shop: Shop
    client: Client
    service_ids: frozenset[str]

    @property
    def services(self) -> list[JSON]:
        """Their services as the reseller's staff sees them."""
        return [self.reseller.staff.service(each) for each in self.service_ids]

    @property
    def refs(self) -> set[str]:
        return {service["service_ref"] for service in self.services}

    @property
    def client_ref(self) -> str:
        (found,) = {service["client_ref"] for service in self.services}
        return str(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One provider; Anna and Boris at one reseller, Clara at another."""

    provider: Stack
    anna: Tenant
    boris: Tenant
    clara: Tenant

    @property
    def tenants(self) -> tuple[Tenant, ...]:
        return self.anna, self.boris, self.clara


def settle_in(reseller: Stack, shop: Shop, *, name: str, vms: int) -> Tenant:
    client = reseller.new_client(name=name)
    ordered = [reseller.order_active(client, shop)["id"] for _ in range(vms)]
    return Tenant(reseller=reseller, shop=shop, client=client, service_ids=frozenset(ordered))


@pytest.fixture(scope="module")
def world(
    common_stack: Stack,
    postgres: PostgresServer,
    reselling_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    provider = common_stack
    with (
        postgres.database(template=reselling_template) as database,
        Stack(
            selling_database=provider.selling_database,
            reselling_database=postgres.url(database),
            folder=tmp_path_factory.mktemp("other"),
            reseller_calls=provider.urls["selling"],
            services=("reselling",),
        ) as other,
    ):
        shop = provider.open_shop()
        other_shop = other.connect(provider.provision_catalogue())
        yield World(
            provider=provider,
            anna=settle_in(provider, shop, name="Anna", vms=2),
            boris=settle_in(provider, shop, name="Boris", vms=1),
            clara=settle_in(other, other_shop, name="Clara", vms=1),
        )


@pytest.fixture(scope="module")
def owners(world: World) -> dict[str, UUID]:
    """The platform user of each client_ref of both partners."""
    found = rows(
        world.provider.selling_database,
        "SELECT a.client_ref, u.account_id FROM accounts a JOIN platform_users u"
        " ON u.account_id = a.id WHERE a.partner_id = ANY($1::uuid[])",
        [tenant.shop.goods.partner["id"] for tenant in world.tenants],
    )
    return {str(row["client_ref"]): row["account_id"] for row in found}


def vms_of(world: World, tenant: Tenant) -> set[UUID]:
    """The ids of a client's VMs on the platform."""
    found = rows(
        world.provider.selling_database,
        "SELECT id FROM services WHERE client_ref = $1",
        UUID(tenant.client_ref),
    )
    return {row["id"] for row in found}


def ask(world: World, tenant: Tenant, path: str) -> httpx.Response:
    """Ask the seller as this client's reseller does."""
    return httpx.get(
        f"{world.provider.urls['selling']}{BASE_PATH}{path}",
        headers={"Authorization": f"Bearer {tenant.shop.goods.key}"},
        timeout=10,
        trust_env=False,
    )


def test_three_clients_are_three_platform_users(world: World, owners: dict[str, UUID]) -> None:
    assert len(set(owners.values())) == 3
    assert set(owners) == {tenant.client_ref for tenant in world.tenants}


def test_client_lists_and_opens_only_their_own(world: World) -> None:
    for tenant in world.tenants:
        listed = {service["id"] for service in tenant.client.services()}
        assert listed == tenant.service_ids
        for service_id in tenant.service_ids:
            assert tenant.client.service(service_id)["power"] == "running"


@pytest.mark.parametrize("somebody_elses", ["boris", "clara", "nobody"])
def test_anothers_service_does_not_exist_for_a_client(world: World, somebody_elses: str) -> None:
    theirs = {"boris": world.boris, "clara": world.clara}.get(somebody_elses)
    service_id = next(iter(theirs.service_ids)) if theirs else uuid4()
    path = f"/client/v1/services/{service_id}"
    anna = world.anna.client
    anna.refused("not_found", "GET", path)
    anna.refused("not_found", "PATCH", path, {"name": "mine"})
    bodies: dict[str, JSON] = {"rename": {"hostname": "mine.example.com"}}
    for verb in VERBS:
        anna.refused("not_found", "POST", f"{path}/{verb}", bodies.get(verb, {}))


def test_partner_lists_and_opens_only_their_clients_services(world: World) -> None:
    anna, boris, clara = world.tenants
    for tenant, refs in ((anna, anna.refs | boris.refs), (clara, clara.refs)):
        listed = ask(world, tenant, "/services").json()["items"]
        assert {service["service_ref"] for service in listed} == refs
        inventory = ask(world, tenant, "/inventory").json()["items"]
        assert {item["service_ref"] for item in inventory} == refs
    of_anna = ask(world, anna, f"/services?client_ref={anna.client_ref}").json()["items"]
    assert {service["service_ref"] for service in of_anna} == anna.refs
    assert ask(world, clara, f"/services?client_ref={anna.client_ref}").json()["items"] == []


def test_another_partners_things_are_not_found_like_things_that_never_were(world: World) -> None:
    (operation,) = rows(
        world.provider.selling_database,
        "SELECT id, command_id FROM operations WHERE service_ref = $1",
        UUID(next(iter(world.boris.refs))),
    )
    paths = {
        "services": next(iter(world.boris.refs)),
        "accounts": world.boris.client_ref,
        "operations": operation["id"],
        "commands": operation["command_id"],
    }
    for kind, foreign_id in paths.items():
        assert ask(world, world.boris, f"/{kind}/{foreign_id}").status_code == 200
        foreign = ask(world, world.clara, f"/{kind}/{foreign_id}")
        unknown = ask(world, world.clara, f"/{kind}/{uuid4()}")
        assert foreign.status_code == unknown.status_code == 404
        assert told(foreign) == told(unknown)


def told(answer: httpx.Response) -> JSON:
    """What a problem says, without what names the request."""
    return {
        name: value
        for name, value in answer.json().items()
        if name not in {"instance", "request_id", "trace_id"}
    }


def test_feed_tells_a_partner_of_their_own_only(world: World) -> None:
    clara = world.clara
    events = ask(world, clara, "/events").json()["items"]
    assert {event["service_ref"] for event in events} == clara.refs
    assert {event["client_ref"] for event in events} == {clara.client_ref}


def test_platform_user_lists_only_their_own_vms(world: World, owners: dict[str, UUID]) -> None:
    for tenant in world.tenants:
        owner_id = owners[tenant.client_ref]

        async def listed(platform: SimulatedPlatform, owner_id: UUID = owner_id) -> set[UUID]:
            return {vm.vm_id for vm in await platform.list_vms(owner_id=owner_id)}

        found = on_platform(world.provider.selling_database, listed, name="simulated")
        assert found == vms_of(world, tenant)
        assert len(found) == len(tenant.service_ids)


def test_platform_user_finds_no_vm_of_another(world: World, owners: dict[str, UUID]) -> None:
    async def look(platform: SimulatedPlatform) -> int:
        refused = 0
        for looker in world.tenants:
            for owner in world.tenants:
                for vm_id in vm_ids[owner.client_ref] if owner is not looker else ():
                    with pytest.raises(NotFound):
                        await platform.get_vm(owner_id=owners[looker.client_ref], vm_id=vm_id)
                    refused += 1
        return refused

    vm_ids = {tenant.client_ref: vms_of(world, tenant) for tenant in world.tenants}
    assert on_platform(world.provider.selling_database, look, name="simulated") == 8


def test_nothing_that_was_tried_has_changed_anything(world: World) -> None:
    for reseller in (world.provider, world.clara.reseller):
        settle(reseller)
        check_all(reseller)
