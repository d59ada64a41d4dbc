"""Jobs that take their workers along are counted; see `0007_jobs.sql`."""

from shared.kit.migrating import build_index, run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    run_script(__file__, ".sql")
    build_index("ix_jobs_suspect", "jobs (run_at) WHERE crashes >= 3")
    build_index("ix_jobs_dead", "jobs (id) WHERE state = 'dead'")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
