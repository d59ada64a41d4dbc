"""The audit as a chain; see `0003_audit_chain.sql`."""

from shared.kit.migrating import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    run_script(__file__, ".sql")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
