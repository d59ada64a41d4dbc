"""Privacy; see `0011_privacy.sql`."""

from shared.kit.migrating import build_index, run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    run_script(__file__, ".sql")
    build_index(
        "ix_services_to_forget",
        "services (heard_at) WHERE forgotten_at IS NULL AND heard_state IN ('deleted', 'failed')",
    )


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
