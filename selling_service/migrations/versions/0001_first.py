"""First tables."""

from alembic import op

from selling_service.database import TENANT_COLUMN, TENANT_SETTING, Base
from selling_service.partners.models import guard_partners
from shared.kit import rls
from shared.kit.bookkeeping import floor_trigger, zero_sum_trigger
from shared.kit.people import seal_audit

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STAFF_ONLY = {
    "staff",
    "staff_sessions",
    "staff_lockouts",
    "audit_entries",
    "simulated_platforms",
    "simulated_users",
    "simulated_vms",
}


def upgrade() -> None:
    """Forward."""
    connection = op.get_bind()
    Base.metadata.create_all(connection)
    for statement in [*zero_sum_trigger("entries"), *floor_trigger("balances")]:
        op.execute(statement)
    for table in Base.metadata.sorted_tables:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {rls.STAFF_ROLE}")
        if table.name not in _STAFF_ONLY:
            op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {rls.APP_ROLE}")
        if TENANT_COLUMN in table.c:
            for statement in rls.protect(table.name, column=TENANT_COLUMN, setting=TENANT_SETTING):
                op.execute(statement)
    for statement in [*seal_audit(), *guard_partners()]:
        op.execute(statement)
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {rls.APP_ROLE}, {rls.STAFF_ROLE}")
    # The health check of every process compares it with the migrations it knows.
    op.execute(f"GRANT SELECT ON alembic_version TO {rls.APP_ROLE}, {rls.STAFF_ROLE}")


def downgrade() -> None:
    """Back."""
    Base.metadata.drop_all(op.get_bind())
    op.execute("DROP FUNCTION IF EXISTS entries_zero_sum, balances_floor")
    op.execute("DROP FUNCTION IF EXISTS partner_key_lookup(uuid)")
