"""SQL of the second wall: row-level security with the roles owner, app and staff.

Used by migrations only. `app` sees the rows of the tenant that its transaction has named, and none
without; `staff` and `owner` see all.
"""

from collections.abc import Iterable

OWNER_ROLE = "tandem_owner"
APP_ROLE = "tandem_app"
STAFF_ROLE = "tandem_staff"


def create_roles() -> list[str]:
    """Roles of the cluster, made where they are missing, and granted to whoever migrates."""
    statements = []
    for role in (OWNER_ROLE, APP_ROLE, STAFF_ROLE):
        statements.append(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        statements.append(
            f"DO $$ BEGIN IF NOT pg_has_role(current_user, '{role}', 'MEMBER') "
            f"THEN EXECUTE format('GRANT {role} TO %I', current_user); END IF; END $$"
        )
    return statements


def protect(table: str, *, column: str, setting: str) -> list[str]:
    """Enable and force policies on a table whose `column` (uuid) names the tenant."""
    mine = f"{column} = nullif(current_setting('{setting}', true), '')::uuid"
    everybody = f"{OWNER_ROLE}, {STAFF_ROLE} USING (true) WITH CHECK (true)"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} TO {APP_ROLE} USING ({mine}) WITH CHECK ({mine})",
        f"CREATE POLICY everything ON {table} TO {everybody}",
    ]


def grant(tables: Iterable[str], *, role: str, rights: str) -> list[str]:
    """Grant rights, e.g. `SELECT, INSERT`, on tables."""
    return [f"GRANT {rights} ON {table} TO {role}" for table in tables]
