"""First tables."""

from alembic import op

from reselling_service.database import TENANT_COLUMN, TENANT_SETTING, Base
from shared.kit import rls
from shared.kit.bookkeeping import floor_trigger, zero_sum_trigger

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STAFF_ONLY = {
    "staff",
    "staff_sessions",
    "audit_entries",
    "partner_keys",
    "sellers",
    "seller_feeds",
}
# What clients may look at and only staff may change.
_APP_READS = {"tariffs", "tariff_prices"}

# Before somebody has logged in there is no principal, so the policies show nothing: these functions
# answer the two questions of a login, and no others, as the owner.
_SIGNATURES = "client_login(text), client_session(bytea, timestamptz)"
_LOOKUPS = [
    """
    CREATE FUNCTION client_login(wanted_email text)
    RETURNS TABLE (id uuid, hash text, failures integer, locked timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT client_id, password_hash, failed_logins, locked_until
        FROM clients WHERE email = wanted_email AND state = 'active'
    $$
    """,
    """
    CREATE FUNCTION client_session(wanted_hash bytea, at timestamptz) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT client_id FROM client_sessions JOIN clients USING (client_id)
        WHERE token_hash = wanted_hash AND expires_at > at AND state = 'active'
    $$
    """,
    f"REVOKE ALL ON FUNCTION {_SIGNATURES} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {_SIGNATURES} TO {rls.APP_ROLE}",
]


def upgrade() -> None:
    """Forward."""
    connection = op.get_bind()
    Base.metadata.create_all(connection)
    for statement in [*zero_sum_trigger("entries"), *floor_trigger("balances"), *_LOOKUPS]:
        op.execute(statement)
    for table in Base.metadata.sorted_tables:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {rls.STAFF_ROLE}")
        if table.name not in _STAFF_ONLY:
            rights = "SELECT" if table.name in _APP_READS else "SELECT, INSERT, UPDATE, DELETE"
            op.execute(f"GRANT {rights} ON {table.name} TO {rls.APP_ROLE}")
        if TENANT_COLUMN in table.c:
            for statement in rls.protect(table.name, column=TENANT_COLUMN, setting=TENANT_SETTING):
                op.execute(statement)
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {rls.APP_ROLE}, {rls.STAFF_ROLE}")


def downgrade() -> None:
    """Back."""
    Base.metadata.drop_all(op.get_bind())
    op.execute("DROP FUNCTION IF EXISTS entries_zero_sum, balances_floor")
    op.execute("DROP FUNCTION IF EXISTS client_login, client_session")
