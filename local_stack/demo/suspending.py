"""The act of suspensions: who sets them, who may lift them, and that the VM really stands still."""

from local_stack.demo.callers import JSON, wait_for
from local_stack.demo.cast import Cast


def suspensions(cast: Cast) -> None:
    """Client, provider and reseller suspend one VM; each lifts only their own."""
    cast.stage.act("Suspend and resume: everybody lifts their own, and only that")
    vm = cast.vms["web"]
    _client_and_provider(cast, vm)
    _reseller(cast, vm)


def _client_and_provider(cast: Cast, vm: str) -> None:
    stage, anna = cast.stage, cast.anna
    path = f"/client/v1/services/{vm}"
    anna.wish(vm, "suspend")
    _, took = anna.wait_until(vm, state="suspended", power="stopped")
    stage.tell(f"Anna suspends her VM: stopped at the provider after {took * 1000:.0f} ms")
    _sees_suspended(cast, vm)
    problem = anna.refused("service_suspended", "POST", f"{path}/start")
    stage.check(
        that=f"starting it is refused: {problem['blockers'][0]['text']}",
        holds=[blocker["by"] for blocker in problem["blockers"]] == ["client"],
    )
    upstream = cast.upstream(vm)["id"]
    body = {"actor": "provider", "reason": "security"}
    cast.provider.post(f"/admin/v1/services/{upstream}/suspend", body)
    _, took = _wait_for_blockers(cast, vm, {"client", "provider"})
    stage.tell(f"the provider suspends it too: Anna reads it {took * 1000:.0f} ms later")
    _sees_suspended(cast, vm)
    anna.wish(vm, "resume")
    service, _ = _wait_for_blockers(cast, vm, {"provider"})
    stage.check(
        that="Anna lifts her own suspension; the provider's keeps the VM stopped",
        holds=(service["state"], service["power"]) == ("suspended", "stopped"),
    )
    problem = anna.refused("not_yours_to_resume", "POST", f"{path}/resume")
    stage.check(
        that=f"lifting the provider's is refused: {problem['blockers'][0]['text']}",
        holds=[blocker["by"] for blocker in problem["blockers"]] == ["provider"],
    )
    cast.provider.post(f"/admin/v1/services/{upstream}/resume", {"actor": "provider"})
    _, took = anna.wait_until(vm, state="active", power="running")
    stage.tell(f"the provider lifts it: the VM runs again after {took * 1000:.0f} ms")


def _reseller(cast: Cast, vm: str) -> None:
    stage, anna = cast.stage, cast.anna
    note = f"Anna Ash has not paid invoice {cast.tag}"
    body = {"cause": "client_debt", "reason": "unpaid", "note": note}
    cast.reseller.wish(vm, "suspend", body)
    anna.wait_until(vm, state="suspended", power="stopped")
    stage.tell("the reseller suspends it for debt, with a note for the house")
    _sees_suspended(cast, vm)
    anna.refused("not_yours_to_resume", "POST", f"/client/v1/services/{vm}/resume")
    stage.check(that="Anna can't lift the reseller's suspension", holds=True)
    stage.check(
        that="the note stayed at the reseller",
        holds=note in str(cast.reseller.service(vm)) and note not in str(cast.upstream(vm)),
    )
    cast.reseller.wish(vm, "resume", {"cause": "client_debt"})
    anna.wait_until(vm, state="active", power="running")
    stage.tell("the reseller lifts it: the VM runs again")
    stage.check(that="both sides agree again", holds=cast.reseller.service(vm)["agrees"] is True)


def _wait_for_blockers(cast: Cast, vm: str, wanted: set[str]) -> tuple[JSON, float]:
    def look() -> JSON | None:
        service = cast.anna.service(vm)
        by = {suspension["by"] for suspension in service["suspended_by"]}
        return service if by == wanted and not service["pending"] else None

    return wait_for(f"suspensions by {wanted}", look)


def _sees_suspended(cast: Cast, vm: str) -> None:
    service, upstream = cast.anna.service(vm), cast.upstream(vm)
    actors = [f"{item['actor']} ({item['reason']})" for item in upstream["suspensions"]]
    cast.stage.sees("client", f"{service['power']}: {service['text']}")
    cast.stage.sees("provider", f"{upstream['state']}, {upstream['power']}, by {', '.join(actors)}")
    cast.stage.check(
        that="the VM stands still at the provider", holds=upstream["power"] == "stopped"
    )
