"""The acts of ordering: VMs come to life, and each side sees its own part and no more."""

from local_stack.demo.callers import Caller, Client
from local_stack.demo.cast import Cast
from local_stack.demo.stage import cents, short


def clients_order(cast: Cast) -> None:
    """Anna orders two VMs, Boris one; a repeated click is the same order."""
    stage = cast.stage
    stage.act("They order virtual machines")
    total = cast.price["price"]["amount"] + cast.price["setup_fee"]["amount"]
    for client, label in ((cast.anna, "web"), (cast.anna, "mail"), (cast.boris, "shop")):
        _order(cast, client, label)
    stage.check(
        that=f"Anna paid {cents(total)} twice, Boris once, each when the VM was active",
        holds=(cast.anna.balance(), cast.boris.balance()) == (10_000 - 2 * total, 5_000 - total),
    )
    cost = cast.price["cost"]["amount"] + cast.price["setup_cost"]["amount"]
    stage.check(
        that=f"the partner was charged {cents(cost)} three times by the provider",
        holds=cast.partner_balance() == 50_000 - 3 * cost,
    )


def _order(cast: Cast, client: Client, label: str) -> None:
    """Order one VM twice with one key, and wait until it is active."""
    stage, first_name = cast.stage, client.name.split()[0]
    hostname = f"{label}-{cast.tag}.example.com"
    click = f"{label}-{cast.tag}"
    order, again = (
        client.order(cast.tariff["id"], hostname=hostname, os=cast.os, key=click) for _ in range(2)
    )
    if order["id"] != again["id"]:
        stage.check(that="a repeated click is the same order", holds=False)
    service, took = client.wait_until(order["service_id"], state="active", seconds=cast.longest)
    cast.vms[label] = service["id"]
    stage.tell(f"{first_name} orders {hostname} (clicks twice): active after {took * 1000:.0f} ms")
    upstream = cast.upstream(service["id"])
    stage.sees(
        "client",
        f"{service['state']}, {service['power']}, {' '.join(service['addresses'])}, "
        f"paid until {service['paid_until'][:16]}",
    )
    stage.sees(
        "provider",
        f"partner {cast.partner['name']}, client_ref {short(upstream['client_ref'])}, "
        f"service_ref {short(upstream['service_ref'])}, {upstream['state']}",
    )
    stage.check(
        that="both sides agree on state, power and term",
        holds=upstream["state"] == "active"
        and upstream["power"] == service["power"] == "running"
        and upstream["paid_until"] == service["paid_until"],
    )


def each_sees_their_own(cast: Cast) -> None:
    """Clients see their own services only; the provider sees no client at all."""
    stage = cast.stage
    stage.act("Each sees their own, and no more")
    anna = {service["id"] for service in cast.anna.services()}
    boris = {service["id"] for service in cast.boris.services()}
    stage.sees("client", f"Anna: {len(anna)} services; Boris: {len(boris)}")
    stage.check(
        that="Anna sees her two VMs, Boris his one",
        holds=anna == {cast.vms["web"], cast.vms["mail"]} and boris == {cast.vms["shop"]},
    )
    path = f"/client/v1/services/{cast.vms['shop']}"
    cast.anna.refused("not_found", "GET", path)
    cast.anna.refused("not_found", "POST", f"{path}/stop")
    stage.check(that="Boris's VM does not exist for Anna: 404 to look, 404 to stop", holds=True)
    seen = cast.provider.services(cast.partner["id"])
    refs = {service["client_ref"] for service in seen}
    stage.sees("provider", f"{len(seen)} services of {len(refs)} client_refs: {_refs(refs)}")
    stage.check(
        that="the provider keeps one user for Anna's two VMs and another for Boris's",
        holds=(len(seen), len(refs)) == (3, 2),
    )
    provider_hears_no_client(cast)


def provider_hears_no_client(cast: Cast) -> None:
    """Search everything that the provider's staff was ever shown for the clients."""
    stage = cast.stage
    marks = [
        mark
        for client in (cast.anna, cast.boris)
        for mark in (client.id, client.email, client.name)
    ]
    found = [mark for mark in marks if _shown(cast.provider, mark)]
    shown_at_home = [mark for mark in marks if _shown(cast.reseller, mark)]
    stage.check(
        that=f"no name, e-mail or id of a client in {len(cast.provider.heard)} answers to the "
        "provider's staff",
        holds=not found,
    )
    stage.check(
        that="and the search would have found them: the reseller's staff is shown them",
        holds=len(shown_at_home) > 0,
    )


def _shown(caller: Caller, mark: str) -> bool:
    return any(mark in text for text in caller.heard)


def _refs(refs: set[str]) -> str:
    return ", ".join(sorted(short(ref) for ref in refs))
