"""What PostgreSQL itself says of tables, policies and grants; knows no model and no migration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import asyncpg

from tests.isolation.logins import connected

# Columns of each table, its policies, and what `tandem_app` may do with it or with columns of it.
_TABLES = """
SELECT c.relname AS name, c.relkind::text AS kind,
    c.relrowsecurity AND c.relforcerowsecurity AS walled,
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
          AND NOT attisdropped) AS columns,
    ARRAY(SELECT word FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) word
          WHERE has_table_privilege('tandem_app', c.oid, word)) AS rights,
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
          AND NOT attisdropped
          AND has_column_privilege('tandem_app', c.oid, attnum, 'SELECT')) AS readable
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_POLICIES = """
SELECT tablename AS table, policyname AS name, permissive, roles::text[] AS roles, cmd,
    qual, with_check
FROM pg_policies WHERE schemaname = 'public'
"""
_REFERENCES = """
SELECT conrelid::regclass::text AS from, confrelid::regclass::text AS to
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""
_FUNCTIONS = """
SELECT proname::text AS name FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prosecdef
AND has_function_privilege('tandem_app', oid, 'EXECUTE')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """One database as its catalogue shows it, for the column that names a tenant."""

    tenant_column: str
    tenant_table: str
    tables: Mapping[str, asyncpg.Record]
    policies: Mapping[str, list[asyncpg.Record]]
    references: set[tuple[str, str]]
    functions: set[str]

    @property
    def of_a_tenant(self) -> set[str]:
        """Tables that name the tenant, are the tenant, or point at such a table in some steps."""
        found = {
            name for name, table in self.tables.items() if self.tenant_column in table["columns"]
        }
        found.add(self.tenant_table)
        while more := {one for one, other in self.references if other in found} - found:
            found |= more
        return found

    @property
    def open_to_app(self) -> set[str]:
        """Tables of which the application's role can do or read anything."""
        return {name for name, table in self.tables.items() if table["rights"] or table["readable"]}

    def holes(self, name: str, *, setting: str) -> Iterator[str]:
        """What is missing from the walls around a tenant's table."""
        table, policies = self.tables[name], self.policies.get(name, [])
        if table["kind"] not in "rp":
            yield f"{name} is a view: its owner's rights would count, not the reader's"
        if not table["walled"]:
            yield f"{name} lacks ENABLE or FORCE ROW LEVEL SECURITY"
        column = self.tenant_column if self.tenant_column in table["columns"] else "id"
        mine = f"({column} = (NULLIF(current_setting('{setting}'::text, true), ''::text))::uuid)"
        for policy in policies:
            binds = {"tandem_app", "public"} & set(policy["roles"])
            whole = (policy["qual"], policy["with_check"], policy["cmd"]) == (mine, mine, "ALL")
            if binds and policy["permissive"] == "PERMISSIVE" and not whole:
                yield f"{name}: the policy {policy['name']} shows {policy['qual']}"
        if not any("tandem_app" in policy["roles"] for policy in policies):
            yield f"{name} has no policy for tandem_app"


async def read_catalogue(url: str, *, tenant_column: str, tenant_table: str) -> Catalogue:
    """Read it as whoever the URL names."""
    async with connected(url) as connection:
        policies: dict[str, list[asyncpg.Record]] = {}
        for policy in await connection.fetch(_POLICIES):
            policies.setdefault(policy["table"], []).append(policy)
        references = await connection.fetch(_REFERENCES)
        return Catalogue(
            tenant_column=tenant_column,
            tenant_table=tenant_table,
            tables={row["name"]: row for row in await connection.fetch(_TABLES)},
            policies=policies,
            references={(row["from"], row["to"]) for row in references},
            functions={row["name"] for row in await connection.fetch(_FUNCTIONS)},
        )
