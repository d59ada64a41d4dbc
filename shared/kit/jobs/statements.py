"""The SQL on the table `jobs`; knows nothing of sessions, clocks and workers.

Business time (`run_at`) comes from outside, leases from the database's own clock.
"""

from sqlalchemy import text

from shared.kit.jobs.table import CRASHES_UNTIL_ALONE

ENQUEUE = text("""
INSERT INTO jobs AS j (kind, lane, priority, tenant_id, payload, dedupe_key, state, run_at,
                       attempts, claims, max_attempts, traceparent, created_at)
VALUES (:kind, :lane, :priority, :tenant_id, cast(:payload AS jsonb), :dedupe_key, 'ready',
        :run_at, 0, 0, :max_attempts, :traceparent, :created_at)
ON CONFLICT (dedupe_key) DO UPDATE SET
    payload = excluded.payload,
    traceparent = excluded.traceparent,
    run_at = CASE WHEN j.state = 'running' THEN j.run_at ELSE excluded.run_at END,
    again_at = CASE WHEN j.state = 'running' THEN excluded.run_at END,
    state = CASE WHEN j.state = 'dead' THEN 'ready' ELSE j.state END,
    crashes = CASE WHEN j.state = 'dead' THEN 0 ELSE j.crashes END,
    attempts = CASE WHEN j.state = 'running' THEN j.attempts ELSE 0 END
RETURNING id
""")

ENSURE = text("""
INSERT INTO jobs AS j (kind, priority, payload, dedupe_key, state, run_at, attempts, claims,
                       max_attempts, created_at)
VALUES (:kind, :priority, '{}', :dedupe_key, 'ready', :run_at, 0, 0, :max_attempts, :run_at)
ON CONFLICT (dedupe_key) DO NOTHING
""")

CANCEL = text("""
WITH named AS (
    SELECT id, state FROM jobs
    WHERE dedupe_key = :dedupe_key OR id = any(cast(:ids AS bigint[]))
    ORDER BY id
    FOR UPDATE
), disarmed AS (
    UPDATE jobs SET again_at = NULL FROM named
    WHERE jobs.id = named.id AND named.state = 'running'
)
DELETE FROM jobs USING named WHERE jobs.id = named.id AND named.state <> 'running'
RETURNING jobs.id
""")

REVIVE = text("""
UPDATE jobs SET state = 'ready', run_at = :run_at, attempts = 0, crashes = 0
WHERE state <> 'running' AND (dedupe_key = :dedupe_key OR id = any(cast(:ids AS bigint[])))
RETURNING id
""")

# The first of a lane, and nobody works in that lane.
_FIRST = """(j.lane IS NULL OR (
        NOT EXISTS (SELECT FROM jobs o WHERE o.lane = j.lane AND o.state = 'running')
        AND NOT EXISTS (SELECT FROM jobs o WHERE o.lane = j.lane AND o.state = 'ready'
                        AND (o.priority, o.id) < (j.priority, j.id))))"""

# The numbers of the workers whose lock is held.
_LOCKED = """
            SELECT l.objid FROM pg_locks l
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
              AND l.classid = cast(:lock_class AS integer)::oid
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_CALM = f"j.crashes < {CRASHES_UNTIL_ALONE}"
_SUSPECT = f"""j.state = 'ready' AND j.crashes >= {CRASHES_UNTIL_ALONE} AND j.run_at <= :now
    AND {_FIRST}"""
_TAKE = """
UPDATE jobs SET state = 'running', worker = :worker, attempts = attempts + 1, claims = claims + 1,
    lease_until = clock_timestamp() + :lease * interval '1 second'
FROM due WHERE jobs.id = due.id
RETURNING jobs.id, kind, lane, tenant_id, payload, attempts, claims, max_attempts, crashes, worker,
    traceparent
"""

CLAIM = text(f"""
WITH urgent AS (
    SELECT j.id FROM jobs j
    WHERE j.state = 'ready' AND j.priority < 100 AND j.run_at <= :now AND {_CALM} AND {_FIRST}
    ORDER BY j.priority, j.run_at, j.id
    LIMIT :limit
    FOR UPDATE OF j SKIP LOCKED
), usual AS (
    SELECT j.id FROM jobs j
    WHERE j.state = 'ready' AND j.priority >= 100 AND j.run_at <= :now AND {_CALM} AND {_FIRST}
    ORDER BY j.run_at, j.id
    LIMIT (SELECT :limit - count(*) FROM urgent)
    FOR UPDATE OF j SKIP LOCKED
), due AS (
    SELECT id FROM urgent UNION ALL SELECT id FROM usual
)
{_TAKE}""")  # noqa: S608 - all parts are written here

CLAIM_SUSPECT = text(f"""
WITH due AS (
    SELECT j.id FROM jobs j
    WHERE {_SUSPECT}
    ORDER BY j.run_at, j.id
    LIMIT 1
    FOR UPDATE OF j SKIP LOCKED
)
{_TAKE}""")  # noqa: S608 - all parts are written here

# One worker at a time takes care of suspects: the first of those that live and aren't frozen.
MUST_TAKE_SUSPECT = text(f"""
SELECT EXISTS (SELECT FROM jobs j WHERE {_SUSPECT})
    AND :me = (SELECT min(worker) FROM workers
               WHERE seen_at > clock_timestamp() - interval '10 seconds'
                 AND worker::oid IN ({_LOCKED}))
""")  # noqa: S608 - all parts are written here

# Lost: the lease is over, the worker's lock is gone, or the worker itself no longer knows of it.
# The last is no crash. Who has crashed before comes back later and later.
FREE = text(f"""
WITH lost AS (
    SELECT id, kind, worker <> :me AS crashed FROM jobs
    WHERE state = 'running' AND (
        lease_until < clock_timestamp()
        OR (worker = :me AND NOT id = any(cast(:in_hand AS bigint[])))
        OR worker::oid NOT IN ({_LOCKED}))
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET state = 'ready', worker = NULL, lease_until = NULL,
    crashes = CASE WHEN crashed THEN least(crashes + 1, 1000) ELSE crashes END,
    run_at = CASE WHEN crashed AND crashes + 1 >= {CRASHES_UNTIL_ALONE}
        THEN greatest(run_at, cast(:now AS timestamptz) + interval '1 second' * (crashes + 1))
        ELSE run_at END
FROM lost WHERE jobs.id = lost.id
RETURNING jobs.id, jobs.kind, crashed
""")  # noqa: S608 - all parts are written here

CLOSE = text("""
WITH mine AS (
    SELECT id, again_at FROM jobs
    WHERE id = :id AND worker = :worker AND claims = :claim AND state = 'running'
    FOR UPDATE
), gone AS (
    DELETE FROM jobs USING mine WHERE jobs.id = mine.id AND mine.again_at IS NULL
), again AS (
    UPDATE jobs SET state = 'ready', run_at = mine.again_at, again_at = NULL, attempts = 0,
        crashes = 0, worker = NULL, lease_until = NULL, last_error = NULL
    FROM mine WHERE jobs.id = mine.id AND mine.again_at IS NOT NULL
)
SELECT count(*) FROM mine
""")

# Who asked for it again while it ran is not kept waiting by its back-off, nor by its death.
SET_BACK = text("""
UPDATE jobs SET
    state = CASE WHEN :dead AND again_at IS NULL THEN 'dead' ELSE 'ready' END,
    run_at = least(cast(:run_at AS timestamptz), again_at),
    attempts = CASE WHEN again_at IS NULL THEN attempts - :uncounted ELSE 0 END,
    crashes = :crashes, again_at = NULL, last_error = :error, worker = NULL, lease_until = NULL
WHERE id = :id AND worker = :worker AND claims = :claim AND state = 'running'
RETURNING id
""")

HAND_BACK = text("""
UPDATE jobs SET state = 'ready', attempts = attempts - 1, worker = NULL, lease_until = NULL
WHERE worker = :worker AND state = 'running'
""")

IS_MINE = text("""
SELECT count(*) FROM jobs
WHERE id = :id AND worker = :worker AND claims = :claim AND state = 'running'
""")
