"""A key for fingerprints; see `0005_fingerprint_key.sql`."""

from shared.kit.migrating import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    run_script(__file__, ".sql")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
