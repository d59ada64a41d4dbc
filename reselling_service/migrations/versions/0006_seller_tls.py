"""How TLS is done with each seller; see `0006_seller_tls.sql`."""

from shared.kit.migrating import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    run_script(__file__, ".sql")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
