"""The roles of the second wall, row-level security: owner, app and staff.

`app` sees the rows of the tenant that its transaction has named, and none
without; `staff` and `owner` see all.
"""

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
