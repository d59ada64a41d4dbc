"""First tables; see `0001_first.sql`."""

from shared.kit.migrating import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    run_script(__file__, ".sql")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
