"""What monitoring sees of the reseller: counts and ages of what waits, by seller at the most."""

from shared.kit.figures import JOBS, MONEY, Figure

FIGURES = (
    *JOBS,
    *MONEY,
    Figure(
        name="tandem_commands_unanswered",
        text="Commands that no seller has answered for good",
        sql="""SELECT count(*) FROM commands
               WHERE settled_at IS NULL AND state IN ('queued', 'unanswered', 'cancelling')""",
    ),
    Figure(
        name="tandem_commands_unanswered_seconds",
        text="Age of the oldest command that no seller has answered, by seller",
        sql="""SELECT seller_id, extract(epoch FROM cast(:now AS timestamptz) - min(created_at)) age
               FROM commands
               WHERE settled_at IS NULL AND state IN ('queued', 'unanswered', 'cancelling')
               GROUP BY seller_id ORDER BY age DESC""",
        label="seller",
        every=15.0,
    ),
    Figure(
        name="tandem_seller_feed_silent_seconds",
        text="Since when nothing was read from an enabled seller's feed, a sign of life neither",
        sql="""SELECT s.id, extract(epoch FROM cast(:now AS timestamptz)
                                    - coalesce(f.read_at, s.created_at)) age
               FROM sellers s JOIN seller_feeds f ON f.seller_id = s.id
               WHERE s.enabled ORDER BY age DESC""",
        label="seller",
    ),
    Figure(
        name="tandem_seller_link_broken",
        text="1 where calls to an enabled seller are held back",
        sql="""SELECT id, (link = 'broken')::int broken FROM sellers
               WHERE enabled ORDER BY broken DESC""",
        label="seller",
    ),
    Figure(
        name="tandem_services_parked",
        text="Services set aside: an event can't be applied, or books contradict themselves",
        sql="SELECT count(*) FROM services WHERE parked_at IS NOT NULL OR parked IS NOT NULL",
        every=30.0,
    ),
)
