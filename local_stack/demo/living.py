"""The acts of a service's life: power, name, terms, termination and restore, and the money."""

from local_stack.demo.callers import JSON, wait_for
from local_stack.demo.cast import ANNA_PAYS, BORIS_PAYS, MARKUP, PARTNER_PAYS, Cast
from local_stack.demo.stage import cents

ACTIVE = ("active", "running")
TERMINATED = ("terminated", "stopped")


def power_and_name(cast: Cast) -> None:
    """Stop, start, restart, rename."""
    stage, anna, vm = cast.stage, cast.anna, cast.vms["web"]
    stage.act("Power and name")
    for verb, power in (("stop", "stopped"), ("start", "running"), ("restart", "running")):
        anna.wish(vm, verb)
        _, took = anna.wait_until(vm, state="active", power=power)
        upstream = cast.upstream(vm)
        stage.check(
            that=f"{verb}: {power} on both sides after {took * 1000:.0f} ms",
            holds=upstream["power"] == power,
        )
    hostname = f"www-{cast.tag}.example.com"
    anna.wish(vm, "rename", {"hostname": hostname})
    service, _ = anna.wait_until(vm, hostname=hostname)
    stage.check(that=f"it is called {hostname} now", holds=service["hostname"] == hostname)


def renewal(cast: Cast) -> None:
    """Prolong by a month, once, although asked twice."""
    stage, anna, vm = cast.stage, cast.anna, cast.vms["web"]
    stage.act("Renewal")
    before, balance, partner = anna.service(vm), anna.balance(), cast.partner_balance()
    body = {"paid_until": before["paid_until"]}
    anna.wish(vm, "renew", body)
    after, took = _wait_for_renewal(cast, vm, before)
    stage.tell(f"Anna renews: paid until {after['paid_until'][:16]} after {took * 1000:.0f} ms")
    stage.check(
        that="both sides agree on the new term",
        holds=cast.upstream(vm)["paid_until"] == after["paid_until"],
    )
    anna.refused("paid_until_moved", "POST", f"/client/v1/services/{vm}/renew", body)
    price, cost = cast.price["price"]["amount"], cast.price["cost"]["amount"]
    stage.check(
        that=f"a second click on the same term is refused; Anna paid {cents(price)} once, the "
        f"partner {cents(cost)} once",
        holds=(balance - anna.balance(), partner - cast.partner_balance()) == (price, cost),
    )
    shown = anna.patch(f"/client/v1/services/{vm}", {"auto_renew": True})
    stage.check(
        that="Anna switches automatic renewal on; that stays at the reseller",
        holds=shown["auto_renew"] is True and "auto_renew" not in str(cast.upstream(vm)),
    )
    anna.patch(f"/client/v1/services/{vm}", {"auto_renew": False})


def _wait_for_renewal(cast: Cast, vm: str, before: JSON) -> tuple[JSON, float]:
    def look() -> JSON | None:
        service = cast.anna.service(vm)
        done = service["paid_until"] > before["paid_until"] and not service["pending"]
        return service if done else None

    return wait_for("a later paid_until", look)


def ends_and_returns(cast: Cast) -> None:
    """Terminate at the end of the term and now; take both back; end one for good."""
    stage, anna, vm = cast.stage, cast.anna, cast.vms["mail"]
    stage.act("Termination, and the way back")
    anna.wish(vm, "terminate", {"when": "period_end"})
    service = _wait_for_terminate_at(cast, vm, there=True)
    stage.tell("Anna ends her second VM at the end of its term")
    stage.sees("client", f"{service['state']}: {service['text']}")
    stage.check(that="it runs on until then", holds=(service["state"], service["power"]) == ACTIVE)
    anna.wish(vm, "restore", {"renew": False})
    service = _wait_for_terminate_at(cast, vm, there=False)
    stage.check(that="she takes it back", holds=service["state"] == "active")
    anna.wish(vm, "terminate", {"when": "now"})
    service, took = anna.wait_until(vm, state="terminated")
    upstream = cast.upstream(vm)
    stage.tell(f"she ends it now: gone after {took * 1000:.0f} ms, its data kept")
    stage.sees("client", f"{service['state']}: {service['text']}")
    stage.sees(
        "provider",
        f"{upstream['state']}, {upstream['power']}, deleted on {upstream['delete_at'][:16]}",
    )
    stage.check(that="stopped and kept", holds=(upstream["state"], upstream["power"]) == TERMINATED)
    anna.wish(vm, "restore", {"renew": False})
    service, took = anna.wait_until(vm, state="active", power="running")
    stage.check(
        that=f"restored with its addresses after {took * 1000:.0f} ms",
        holds=service["addresses"] == upstream["facts"]["ipv4"],
    )
    cast.boris.wish(cast.vms["shop"], "terminate", {"when": "now"})
    cast.boris.wait_until(cast.vms["shop"], state="terminated")
    stage.tell("Boris ends his VM")


def _wait_for_terminate_at(cast: Cast, vm: str, *, there: bool) -> JSON:
    def look() -> JSON | None:
        service = cast.anna.service(vm)
        fits = (service["terminate_at"] is not None) is there
        return service if fits and not service["pending"] else None

    return wait_for(f"terminate_at {'set' if there else 'gone'}", look)[0]


def money(cast: Cast) -> None:
    """Every cent is where it must be, on both sides; nothing is still held."""
    stage = cast.stage
    stage.act("The money")
    rows = [
        _account("Anna", cast.anna.every("/client/v1/statement")),
        _account("Boris", cast.boris.every("/client/v1/statement")),
        _account("partner", _partner_statement(cast)),
    ]
    stage.table("account", "paid in", "charged", "left", rows=[_words(row) for row in rows])
    stage.check(
        that="what was paid in is what they paid",
        holds=[row[1] for row in rows] == [ANNA_PAYS, BORIS_PAYS, PARTNER_PAYS],
    )
    shown = [cast.anna.balance(), cast.boris.balance(), cast.partner_balance()]
    stage.check(
        that="each balance is the sum of its statement", holds=[row[3] for row in rows] == shown
    )
    held = [
        caller["held"]["amount"]
        for caller in (
            cast.anna.get("/client/v1/balance"),
            cast.boris.get("/client/v1/balance"),
            cast.provider.balance(cast.partner["id"]),
        )
    ]
    stage.check(that="every hold was captured or released", holds=held == [0, 0, 0])
    earned, owed = rows[0][2] + rows[1][2], rows[2][2]
    stage.sees("reseller", f"clients paid {cents(earned)}, the provider took {cents(owed)}")
    stage.check(
        that=f"the reseller earned {cents(earned - owed)}: {MARKUP} % on everything that was sold",
        holds=earned * 2 == owed * 3,
    )


def _partner_statement(cast: Cast) -> list[JSON]:
    return cast.provider.every(f"/admin/v1/partners/{cast.partner['id']}/statement")


def _account(name: str, lines: list[JSON]) -> tuple[str, int, int, int]:
    """Return name, what came in, what was charged, what is left; amounts in cents."""
    amounts = [line["amount"]["amount"] for line in lines]
    came_in = sum(amount for amount in amounts if amount > 0)
    charged = -sum(amount for amount in amounts if amount < 0)
    return name, came_in, charged, sum(amounts)


def _words(row: tuple[str, int, int, int]) -> tuple[str, ...]:
    return (row[0], *(cents(amount) for amount in row[1:]))
