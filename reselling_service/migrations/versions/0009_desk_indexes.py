"""What the desk and the trail search by, built beside running writers."""

from shared.kit.migrating import build_index, run_script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    build_index(
        "ix_services_parked", "services (id) WHERE parked_at IS NOT NULL OR parked IS NOT NULL"
    )
    build_index(
        "ix_commands_desk",
        "commands (id) WHERE settled_at IS NULL OR state IN ('failed', 'refused')",
    )
    build_index("ix_commands_trace", "commands (substr(traceparent, 4, 32))")
    build_index("ix_command_attempts_at", "command_attempts (at)")
    build_index("ix_audit_entries_trace", "audit_entries (substr(traceparent, 4, 32))")


def downgrade() -> None:
    """Back."""
    run_script(__file__, ".down.sql")
