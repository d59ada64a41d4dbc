"""The second wall is whole: PostgreSQL's own catalogue says so, of every table that there is.

A table that is added later is walled off, or said here to be everybody's, with the reason.
"""

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.isolation.catalogue import Catalogue, read_catalogue
from tests.isolation.logins import execute

JOBS = "claimed across tenants; what they carry is in test_jobs.py"
COMMON_TO_ALL = {
    "alembic_version": "the version of the tables",
    "jobs": JOBS,
    "workers": "numbers and heartbeats of worker processes",
    "sandbox_clock": "one number of seconds",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What is expected of one service's database."""

    column: str
    table: str
    setting: str
    common: dict[str, str]
    # Of these the application reads some columns only.
    in_part: dict[str, set[str]] = field(default_factory=dict)
    # Functions that look behind the walls, before there is a principal.
    look_ups: set[str] = field(default_factory=set)


HOUSES = {
    "selling": House(
        column="partner_id",
        table="partners",
        setting="tandem.partner",
        common=COMMON_TO_ALL
        | {
            "platforms": "how much room each has; reserved by orders of all partners",
            "data_centers": "where tariffs are made",
            "os_templates": "what can be installed",
            "tariffs": "the catalogue; which of them a partner may resell is in offers",
            "tariff_versions": "the catalogue",
            "tariff_prices": "the catalogue; a partner's discount is in offers",
        },
        look_ups={"partner_key_lookup"},
    ),
    "reselling": House(
        column="client_id",
        table="clients",
        setting="tandem.client",
        common=COMMON_TO_ALL
        | {
            "tariffs": "what every client may order",
            "tariff_prices": "what every client pays; cost is in it, and in no answer to a client",
            "sellers": "whether a seller takes orders",
            "client_lockouts": "counts of failed logins by hash, before there is a principal",
        },
        in_part={"sellers": {"id", "enabled", "installation_id", "clock_offset_ms"}},
        look_ups={"client_login", "client_session", "client_session_seen"},
    ),
}


@pytest.fixture(params=HOUSES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def url(service: str, request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{service}_database_url")
    return found


def look(url: str, service: str) -> Catalogue:
    house = HOUSES[service]
    return asyncio.run(read_catalogue(url, tenant_column=house.column, tenant_table=house.table))


def holes(url: str, service: str) -> list[str]:
    """What isn't as it must be, in words."""
    found, house = look(url, service), HOUSES[service]
    walled = found.of_a_tenant
    wrong = [hole for name in sorted(walled) for hole in found.holes(name, setting=house.setting)]
    wrong += [
        f"{name} is open to tandem_app: wall it off, or say in COMMON why it is everybody's"
        for name in sorted(found.open_to_app - walled - set(house.common))
    ]
    return wrong


def test_every_table_of_a_tenant_is_walled_off_and_what_is_common_is_said(
    url: str, service: str
) -> None:
    assert holes(url, service) == []
    walled = look(url, service).of_a_tenant
    assert len(walled) >= 10
    assert not walled & set(HOUSES[service].common)


def test_what_is_said_to_be_common_is_there(url: str, service: str) -> None:
    found = look(url, service)
    assert set(HOUSES[service].common) <= found.open_to_app
    for name, columns in HOUSES[service].in_part.items():
        assert set(found.tables[name]["readable"]) == columns
        assert not found.tables[name]["rights"]


def test_only_the_look_ups_before_a_login_see_behind_the_walls(url: str, service: str) -> None:
    assert look(url, service).functions == HOUSES[service].look_ups


@pytest.mark.parametrize(
    ("statement", "hole"),
    [
        ("CREATE TABLE notes ({column} uuid)", "notes lacks ENABLE or FORCE"),
        ("CREATE TABLE notes (service_id uuid REFERENCES services (id))", "notes lacks ENABLE"),
        ("CREATE TABLE notes (text text); GRANT SELECT ON notes TO tandem_app", "notes is open"),
        ("CREATE TABLE notes (text text); GRANT SELECT (text) ON notes TO tandem_app", "notes is"),
        ("CREATE VIEW notes AS SELECT * FROM services", "notes is a view"),
        ("ALTER TABLE services NO FORCE ROW LEVEL SECURITY", "services lacks ENABLE or FORCE"),
        ("ALTER TABLE holds DISABLE ROW LEVEL SECURITY", "holds lacks ENABLE or FORCE"),
        ("DROP POLICY tenant ON entries", "entries has no policy"),
        ("CREATE POLICY more ON services FOR SELECT TO tandem_app USING (true)", "more shows true"),
        ("ALTER POLICY tenant ON services WITH CHECK (true)", "services: the policy tenant"),
    ],
)
def test_hole_in_the_walls_is_found(url: str, service: str, statement: str, hole: str) -> None:
    filled = statement.format(column=HOUSES[service].column)
    asyncio.run(execute(url, *filled.split(";")))
    assert any(found.startswith(hole) or hole in found for found in holes(url, service))
