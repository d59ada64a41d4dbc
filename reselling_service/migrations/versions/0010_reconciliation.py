"""Reconciliation; see `0010_reconciliation.sql`."""

from shared.kit.migrating import run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    run_script(__file__, ".sql")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
