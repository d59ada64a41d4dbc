"""Where the real ids of a tenant are found, by the name that a parameter or field has.

A name that is missing here fails the matrix: add it, with the SQL that finds one of a tenant's own.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from shared.kit.pagination import encode_cursor
from tests.isolation.catalogue import Catalogue
from tests.journeys.behind import one, rows

_SERVICE = "SELECT %s FROM services WHERE partner_id = $1 ORDER BY state <> 'active', id LIMIT 1"
# SQL that gives one value; $1 is the tenant.
PLACES: Mapping[str, Mapping[str, str]] = {
    "selling": {
        "partner_id": "SELECT $1::uuid",
        "service_id": _SERVICE % "id",
        "service_ref": _SERVICE % "service_ref",
        "client_ref": _SERVICE % "client_ref",
        "operation_id": "SELECT id FROM operations WHERE partner_id = $1 ORDER BY id LIMIT 1",
        "command_id": "SELECT command_id FROM received_commands WHERE partner_id = $1"
        " AND operation_id IS NOT NULL ORDER BY received_at LIMIT 1",
        "endpoint_id": "SELECT id FROM webhook_endpoints WHERE partner_id = $1 LIMIT 1",
        "delivery_id": "SELECT id FROM webhook_deliveries WHERE partner_id = $1 LIMIT 1",
        "tariff_id": "SELECT tariff_id FROM offers WHERE partner_id = $1 LIMIT 1",
        "installation_id": "SELECT id FROM installations WHERE partner_id = $1 ORDER BY id LIMIT 1",
        "key_id": "SELECT id FROM partner_keys WHERE partner_id = $1 AND revoked_at IS NULL"
        " AND expires_at IS NULL ORDER BY id LIMIT 1",
        "prefix": "SELECT left(service_ref::text, 2) FROM services WHERE partner_id = $1 LIMIT 1",
        "trace_id": "SELECT split_part(traceparent, '-', 2) FROM operations"
        " WHERE partner_id = $1 AND traceparent IS NOT NULL ORDER BY id LIMIT 1",
    },
    "reselling": {
        "client_id": "SELECT $1::uuid",
        "service_id": "SELECT id FROM services WHERE client_id = $1"
        " ORDER BY heard_state <> 'active', id LIMIT 1",
        "session_id": "SELECT id FROM client_sessions WHERE client_id = $1 ORDER BY id LIMIT 1",
        "order_id": "SELECT id FROM orders WHERE client_id = $1 ORDER BY id LIMIT 1",
        "command_id": "SELECT id FROM commands WHERE client_id = $1 ORDER BY id LIMIT 1",
    },
}
# What belongs to no tenant: SQL that gives one value for staff to ask for.
COMMON: Mapping[str, Mapping[str, str]] = {
    "selling": {
        "staff_id": "SELECT id FROM staff ORDER BY id DESC LIMIT 1",
        "data_center_id": "SELECT id FROM data_centers LIMIT 1",
        "code": "SELECT code FROM os_templates LIMIT 1",
        "kind": "SELECT 'operation'",
        "session_id": "SELECT id FROM staff_sessions ORDER BY created_at LIMIT 1",
        "job_id": "SELECT coalesce(max(id), 1) FROM jobs",
        "difference_id": "SELECT gen_random_uuid()",
        "item_id": "SELECT id FROM operations ORDER BY id LIMIT 1",
    },
    "reselling": {
        "staff_id": "SELECT id FROM staff ORDER BY id DESC LIMIT 1",
        "session_id": "SELECT id FROM staff_sessions ORDER BY created_at LIMIT 1",
        "job_id": "SELECT coalesce(max(id), 1) FROM jobs",
        "difference_id": "SELECT gen_random_uuid()",
        "kind": "SELECT 'service'",
        "item_id": "SELECT id FROM services ORDER BY id LIMIT 1",
        "trace_id": "SELECT split_part(traceparent, '-', 2) FROM commands"
        " WHERE traceparent IS NOT NULL ORDER BY id LIMIT 1",
        "seller_id": "SELECT id FROM sellers ORDER BY id LIMIT 1",
        "tariff_id": "SELECT id FROM tariffs ORDER BY id LIMIT 1",
    },
}
# Of these a stranger's value means nothing: they aren't ids.
NEUTRAL = {"limit", "wait", "state", "from", "to", "if-none-match", "Idempotency-Key"}


def values_of(url: str, service: str, tenant_id: UUID) -> dict[str, str]:
    """A tenant's own ids by name."""
    return {name: str(one(url, sql, tenant_id)) for name, sql in PLACES[service].items()}


def common_values(url: str, service: str) -> dict[str, str]:
    """What staff may ask for, of no tenant."""
    return {name: str(one(url, sql)) for name, sql in COMMON[service].items()}


def ids_in_rows(url: str, catalogue: Catalogue, tenant_id: UUID) -> set[str]:
    """Every id that stands in any row of a tenant, in whichever table there is."""
    found: set[str] = set()
    for name in catalogue.of_a_tenant:
        columns = catalogue.tables[name]["columns"]
        key = catalogue.tenant_column if catalogue.tenant_column in columns else "id"
        if key == "id" and name != catalogue.tenant_table:
            continue
        for row in rows(url, f"SELECT * FROM {name} WHERE {key} = $1", tenant_id):  # noqa: S608
            found |= {str(value) for value in row.values() if isinstance(value, UUID)}
    return found


def ids_among(values: Mapping[str, str]) -> dict[str, str]:
    """Those whose name means the same in a body as in a path."""
    return {name: value for name, value in values.items() if name.endswith(("_id", "_ref"))}


def unknown_like(name: str, value: str) -> str:
    """What nothing has, in the form of this value."""
    if name != "after":
        return str(uuid4()) if "-" in value else uuid4().hex[: len(value)]
    number, dash, _ = value.partition("-")
    return f"{number}-{uuid4().hex[:12]}" if dash and number.isdigit() else encode_cursor(uuid4())


def filled(node: Any, values: Mapping[str, Any]) -> Any:
    """A body with these values in the places that have their names, however deep."""
    if isinstance(node, list):
        return [filled(inner, values) for inner in node]
    if isinstance(node, dict):
        return {
            name: values[name] if name in values else filled(inner, values)
            for name, inner in node.items()
        }
    return node


def names_in(node: Any) -> set[str]:
    """The names of all fields of a body, however deep."""
    if isinstance(node, list):
        return set().union(*map(names_in, node))
    if isinstance(node, dict):
        return set(node) | set().union(*map(names_in, node.values()))
    return set()
