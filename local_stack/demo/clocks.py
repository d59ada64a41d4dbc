"""The act that a sandbox allows: the clocks are moved on, terms are renewed and run out."""

from datetime import datetime, timedelta

from local_stack.demo.callers import JSON, wait_for
from local_stack.demo.cast import Cast

SLACK = timedelta(minutes=16)  # a service goes on for 15 minutes after its term


def time_goes_by(cast: Cast) -> None:
    """An hour's term is renewed by itself, then runs out, then is renewed by hand."""
    stage, boris = cast.stage, cast.boris
    stage.act("Time goes by (the sandbox's clocks are moved on)")
    order = boris.order(
        cast.tariff["id"],
        hostname=f"hourly-{cast.tag}.example.com",
        os=cast.os,
        period="hour",
        auto_renew=True,
    )
    vm, _ = boris.wait_until(order["service_id"], state="active", seconds=cast.longest)
    stage.tell(f"Boris takes a VM by the hour, paid until {vm['paid_until'][11:16]}")
    _move(cast, timedelta(minutes=50))
    renewed = _wait_until_paid_beyond(cast, vm)
    stage.check(
        that=f"it renewed itself in time: paid until {renewed['paid_until'][11:16]}",
        holds=_hours_between(vm, renewed) == 1,
    )
    boris.patch(f"/client/v1/services/{vm['id']}", {"auto_renew": False})
    _move(cast, timedelta(hours=1, minutes=10) + SLACK)
    expired, _ = boris.wait_until(vm["id"], state="suspended", power="stopped")
    stage.sees("client", f"{expired['power']}: {expired['text']}")
    stage.check(
        that="without renewal the term ran out, and the VM was stopped by the clock",
        holds=[item["by"] for item in expired["suspended_by"]] == ["expired"],
    )
    boris.wish(vm["id"], "renew", {})
    paid = _wait_until_paid_beyond(cast, renewed)
    _, took = boris.wait_until(vm["id"], state="active", power="running")
    stage.check(
        that=f"a renewal brings it back, without a gap between the terms ({took * 1000:.0f} ms)",
        holds=_hours_between(renewed, paid) >= 1,
    )
    boris.wish(vm["id"], "terminate", {"when": "now"})
    boris.wait_until(vm["id"], state="terminated")


def _move(cast: Cast, by: timedelta) -> None:
    """Move both clocks; sessions of clients may have run out by then."""
    seconds = int(by.total_seconds())
    cast.provider.move_clock(seconds)
    cast.reseller.move_clock(seconds)
    for client in (cast.anna, cast.boris):
        client.log_in()
    cast.stage.tell(f"{by} later")


def _wait_until_paid_beyond(cast: Cast, before: JSON) -> JSON:
    def look() -> JSON | None:
        service = cast.boris.service(before["id"])
        later = service["paid_until"] > before["paid_until"]
        return service if later and not service["pending"] else None

    return wait_for("a later paid_until", look)[0]


def _hours_between(before: JSON, after: JSON) -> float:
    ends = [datetime.fromisoformat(service["paid_until"]) for service in (before, after)]
    return (ends[1] - ends[0]) / timedelta(hours=1)
