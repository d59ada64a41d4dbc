"""What monitoring sees of the provider: counts and ages of what waits, never whose it is."""

from shared.kit.figures import JOBS, MONEY, SELDOM, Figure

FIGURES = (
    *JOBS,
    *MONEY,
    Figure(
        name="tandem_operations_waiting",
        text="Operations that wait for their platform or for a person",
        sql="SELECT count(*) FROM operations WHERE state = 'waiting' AND finished_at IS NULL",
    ),
    Figure(
        name="tandem_operations_oldest_seconds",
        text="Age of the oldest operation that hasn't ended",
        sql="""SELECT coalesce(extract(epoch FROM cast(:now AS timestamptz) - min(created_at)), 0)
               FROM operations WHERE finished_at IS NULL""",
        every=30.0,
    ),
    Figure(
        name="tandem_platform_attempts_failing",
        text="Attempts on VMs in the last ten minutes that came to nothing",
        sql="""SELECT count(*) FROM operation_attempts
               WHERE started_at > cast(:now AS timestamptz) - interval '10 minutes'
                 AND outcome IN ('waiting', 'failed', 'lost')""",
        every=30.0,
    ),
    Figure(
        name="tandem_services_parked",
        text="Services set aside since their books contradict themselves",
        sql="SELECT count(*) FROM services WHERE parked_at IS NOT NULL",
        every=30.0,
    ),
    Figure(
        name="tandem_webhooks_failing",
        text="Hints that were tried five times and not taken, and endpoints that are disabled",
        sql="""SELECT (SELECT count(*) FROM webhook_deliveries
                       WHERE state = 'pending' AND attempts >= 5)
                    + (SELECT count(*) FROM webhook_endpoints WHERE state = 'disabled')""",
        every=60.0,
    ),
    Figure(
        name="tandem_stock_exhausted",
        text="Tariffs of which nothing is left to sell",
        sql="SELECT count(*) FROM tariffs WHERE stock = 0",
        every=SELDOM,
    ),
)
