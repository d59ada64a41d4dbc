"""What must hold at every moment, and once nothing is left to do. Each row found is a breach."""

from datetime import datetime, timedelta

from sqlalchemy import text

from tests.selling.services.house import House

ALWAYS = {
    "a VM runs though it was suspended and its suspension has been carried out": """
        SELECT s.id, x.actor FROM services s
        JOIN simulated_vms v ON v.vm_id = s.id AND NOT v.deleted AND v.power = 'running'
        JOIN suspensions x ON x.service_id = s.id
        WHERE EXISTS (SELECT FROM operations o WHERE o.service_id = s.id AND o.kind = 'suspend'
                      AND o.state = 'succeeded' AND o.created_at >= x.since)""",
    "a transaction of the ledger isn't zero": """
        SELECT transaction_id, sum(amount) FROM entries GROUP BY 1 HAVING sum(amount) <> 0""",
    "a balance isn't the sum of its entries": """
        SELECT b.partner_id, b.balance FROM balances b WHERE b.balance <> (
            SELECT coalesce(sum(amount), 0) FROM entries e
            WHERE e.partner_id = b.partner_id AND e.book = 'balance')""",
    "what is held isn't the sum of the open holds": """
        SELECT b.partner_id, b.held FROM balances b WHERE b.held <> (
            SELECT coalesce(sum(amount), 0) FROM holds h
            WHERE h.partner_id = b.partner_id AND h.state = 'open')""",
    "terms overlap or leave a gap": """
        SELECT t.service_id, t.number FROM terms t
        JOIN terms n ON n.service_id = t.service_id AND n.number = t.number + 1
        WHERE n.starts_at < t.ends_at OR (n.starts_at > t.ends_at AND NOT EXISTS (
            SELECT FROM operations o WHERE o.service_id = n.service_id AND o.kind = 'restore'
            AND o.state = 'succeeded' AND o.finished_at = n.starts_at))""",
    "a restore was charged for a time that was over": """
        SELECT o.id, o.finished_at FROM operations o WHERE o.kind = 'restore'
        AND o.state = 'succeeded' AND o.hold_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM terms t WHERE t.service_id = o.service_id AND t.ends_at > o.finished_at)""",
    "the terms aren't those of the service": """
        SELECT s.id, s.terms, s.paid_until FROM services s WHERE
            s.terms <> (SELECT count(*) FROM terms t WHERE t.service_id = s.id)
            OR s.paid_until IS DISTINCT FROM (
                SELECT max(ends_at) FROM terms t WHERE t.service_id = s.id)
            OR s.activated_at IS DISTINCT FROM (
                SELECT min(starts_at) FROM terms t WHERE t.service_id = s.id)""",
    "a service wasn't charged for exactly its terms": """
        SELECT s.id FROM services s WHERE
            (SELECT coalesce(sum(amount), 0) FROM terms t WHERE t.service_id = s.id)
            <> -(SELECT coalesce(sum(amount), 0) FROM entries e
                 WHERE e.service_id = s.id AND e.book = 'balance')""",
    "stock and capacity aren't those of the services that hold them": """
        WITH kept AS (SELECT count(*) AS n, coalesce(sum(vcpu), 0) AS cores,
            coalesce(sum(ram_mib), 0) AS ram, coalesce(sum(disk_gib), 0) AS disk
            FROM services WHERE holds_room)
        SELECT kept.*, p.vms_used, t.stock FROM kept, platforms p, tariffs t
        WHERE p.vms_used <> n OR p.vcpu_used <> cores OR p.ram_mib_used <> ram
            OR p.disk_gib_used <> disk OR t.stock <> :stock - n""",
    "a feed has a gap": """
        SELECT f.partner_id, f.head, count(e.number) FROM feeds f
        LEFT JOIN events e ON e.partner_id = f.partner_id
        GROUP BY 1, 2 HAVING count(e.number) <> f.head OR max(e.number) <> f.head""",
    "the revisions of a service don't grow with its events": """
        SELECT * FROM (SELECT service_ref, number, (body #>> '{service,revision}')::bigint AS now,
            lag((body #>> '{service,revision}')::bigint)
                OVER (PARTITION BY partner_id, service_ref ORDER BY number) AS before
            FROM events) seen WHERE now <= before""",
}

AT_REST = {
    "an operation never ended": """
        SELECT id, kind, state, problem FROM operations WHERE finished_at IS NULL""",
    "a hold is open, or was closed otherwise than its operation ended": """
        SELECT h.id, h.state, o.kind, o.state FROM holds h
        LEFT JOIN operations o ON o.hold_id = h.id
        WHERE h.state <> CASE o.state WHEN 'succeeded' THEN 'captured' ELSE 'released' END
            OR o.id IS NULL""",
    "an operation's end was told never, or twice": """
        SELECT o.id, o.kind, o.state, count(e.number) FROM operations o
        LEFT JOIN events e ON e.operation_id = o.id AND e.body #>> '{operation,state}' IN
            ('succeeded', 'failed', 'superseded', 'cancelled')
        GROUP BY o.id HAVING count(e.number) <> 1""",
    "the last event doesn't tell how the service stands": """
        SELECT s.id, s.state, s.power, s.revision, e.body -> 'service' FROM services s
        JOIN LATERAL (SELECT body FROM events e WHERE e.partner_id = s.partner_id
                      AND e.service_ref = s.service_ref ORDER BY number DESC LIMIT 1) e ON true
        WHERE (s.state, s.power, s.wanted_power, s.revision) <> (
            e.body #>> '{service,state}', e.body #>> '{service,power}',
            e.body #>> '{service,wanted_power}', (e.body #>> '{service,revision}')::bigint)""",
    "a state isn't an end, nor one to rest in": """
        SELECT id, state FROM services WHERE state IN ('ordered', 'provisioning', 'terminating')""",
    "suspended without a suspension, or the other way round": """
        SELECT s.id, s.state FROM services s WHERE s.state IN ('active', 'suspended')
        AND (s.state = 'suspended') <> EXISTS (
            SELECT FROM suspensions x WHERE x.service_id = s.id)""",
    "the VM doesn't stand as the books say": """
        SELECT s.id, s.state, s.power, s.wanted_power, v.power AS vm, v.locked, v.built
        FROM services s LEFT JOIN simulated_vms v ON v.vm_id = s.id AND NOT v.deleted
        WHERE CASE WHEN s.state IN ('failed', 'deleted') THEN v.vm_id IS NOT NULL
            WHEN s.activated_at IS NULL THEN true
            WHEN s.state = 'active' THEN
                (v.built AND NOT v.locked AND v.power = s.power AND v.power = s.wanted_power)
                IS NOT TRUE
            ELSE (v.locked AND v.power = 'stopped' AND s.power = 'stopped') IS NOT TRUE END""",
    "room is held for what is gone, or not for what is there": """
        SELECT id, state FROM services WHERE holds_room = (state IN ('failed', 'deleted'))""",
    "a VM belongs to nobody": """
        SELECT v.vm_id FROM simulated_vms v LEFT JOIN services s
            ON s.id = v.vm_id AND s.account_id = v.owner_id
        WHERE NOT v.deleted AND s.id IS NULL""",
    "the clock forgot a term that is over, or lifted too little": """
        SELECT s.id, s.paid_until FROM services s WHERE s.state IN ('active', 'suspended')
        AND ((s.paid_until <= :expired) AND NOT EXISTS (SELECT FROM suspensions x
                WHERE x.service_id = s.id AND x.actor = 'expired')
            OR (s.paid_until > :now) AND EXISTS (SELECT FROM suspensions x
                WHERE x.service_id = s.id AND x.actor = 'expired'))""",
    "a debt isn't followed": """
        SELECT s.id FROM services s JOIN balances b ON b.partner_id = s.partner_id
        WHERE s.state IN ('active', 'suspended') AND (b.balance + b.credit_limit < 0) <> EXISTS (
            SELECT FROM suspensions x WHERE x.service_id = s.id AND x.actor = 'partner_debt')""",
    "a retention or a scheduled end was forgotten": """
        SELECT id, state FROM services WHERE (state = 'terminated' AND delete_at <= :now)
            OR (state IN ('active', 'suspended') AND terminate_at <= :now)""",
}


async def breaches(house: House, *, stock: int, at_rest: bool) -> list[str]:
    """What doesn't hold now. `stock` is the number of services that may exist."""
    now: datetime = house.clock.now()
    values = {"stock": stock, "now": now, "expired": now - timedelta(minutes=15)}
    found = []
    async with house.runtime.staff.read() as session:
        for name, query in (ALWAYS | AT_REST if at_rest else ALWAYS).items():
            used = {key: value for key, value in values.items() if f":{key}" in query}
            rows = (await session.execute(text(query), used)).all()
            found += [f"{name}: {row}" for row in rows[:3]]
    return found
