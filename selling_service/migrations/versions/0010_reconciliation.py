"""Reconciliation; see `0010_reconciliation.sql`."""

from shared.kit.migrating import build_index, run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    run_script(__file__, ".sql")
    build_index("ix_services_created", "services (partner_id, created_at, id)")
    build_index("ix_entries_service", "entries (partner_id, service_id) WHERE book = 'balance'")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
