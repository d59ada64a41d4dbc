"""What the desk and the trail search by, built beside running writers."""

from shared.kit.migrating import build_index, run_script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    build_index("ix_services_parked", "services (id) WHERE parked_at IS NOT NULL")
    build_index("ix_operations_desk", "operations (id) WHERE state IN ('waiting', 'failed')")
    build_index("ix_operations_trace", "operations (substr(traceparent, 4, 32))")
    build_index("ix_received_commands_trace", "received_commands (substr(traceparent, 4, 32))")
    build_index("ix_events_trace", "events (substr(traceparent, 4, 32))")
    build_index("ix_audit_entries_trace", "audit_entries (substr(traceparent, 4, 32))")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
