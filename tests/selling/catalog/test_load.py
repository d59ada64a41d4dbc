"""Loading a whole catalogue from a file."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from selling_service.catalog.actions import load_catalogue
from selling_service.catalog.schemas import LoadOutput, read_catalogue
from shared.kit.people import Role
from shared.kit.problems import ProblemError
from tests.selling.catalog.shop import Shop

FILE = """
data_centers:
  - {code: fra1, title: Frankfurt 1}
os_templates:
  - {code: debian-12, title: Debian 12, image: debian-12}
tariffs:
  - code: vps-1
    title: VPS 1
    data_center: fra1
    vcpu: 1
    ram_mib: 1024
    disk_gib: 10
    os_templates: [debian-12]
    stock: 10
    prices:
      hour: {price: 1.388888}
      month: {price: 990, setup_fee: 150}
offers:
  - {partner: Hosting A, tariff: vps-1, discount_percent: 12.5}
"""
ALL = ["data_center fra1", "os_template debian-12", "tariff vps-1", "offer vps-1 to Hosting A"]


async def load(shop: Shop, file: str) -> LoadOutput:
    async with shop.runtime.staff.write() as session:
        return await load_catalogue(session, read_catalogue(file), platforms={"simulated"})


async def test_file_makes_everything_and_is_audited_as_the_command_line(shop: Shop) -> None:
    partner = await shop.new_partner("Hosting A")
    assert (await load(shop, FILE)).created == ALL
    found = (await partner.http.get("/catalog")).json()["tariffs"][0]
    assert [price["price"]["amount"] for price in found["prices"]] == ["1.215277", "866.250000"]
    doers = await shop.query("SELECT actor_kind FROM audit_entries WHERE action = 'tariff.create'")
    assert doers == [("cli",)]


async def test_same_file_again_changes_nothing(shop: Shop) -> None:
    await shop.new_partner("Hosting A")
    await load(shop, FILE)
    before = await shop.query("SELECT count(*) FROM audit_entries")
    async with shop.runtime.staff.write() as session:
        await session.execute(text("UPDATE tariffs SET stock = 3"))
    again = await load(shop, FILE)
    assert (again.created, again.changed, again.unchanged) == ([], [], ALL)
    assert await shop.query("SELECT count(*) FROM audit_entries") == before
    assert await shop.query("SELECT stock FROM tariffs") == [(3,)]


@pytest.mark.parametrize(
    ("old", "new", "versions"),
    [
        ("price: 990", "price: 991", 2),
        ("setup_fee: 150", "setup_fee: 151", 2),
        ("vcpu: 1", "vcpu: 2", 2),
        ("      hour: {price: 1.388888}\n", "", 2),
        ("title: VPS 1", "title: VPS One", 1),
        ("stock: 10", "withdrawn: true", 1),
    ],
)
async def test_changed_tariff_gets_another_version_where_it_sells_something_else(
    shop: Shop, old: str, new: str, versions: int
) -> None:
    await shop.new_partner("Hosting A")
    await load(shop, FILE)
    shop.clock.advance(hours=1)
    assert (await load(shop, FILE.replace(old, new))).changed == ["tariff vps-1"]
    assert await shop.query("SELECT count(*) FROM tariff_versions") == [(versions,)]


async def test_changed_offer_place_and_template(shop: Shop) -> None:
    await shop.new_partner("Hosting A")
    await load(shop, FILE)
    file = FILE.replace("12.5", "20").replace("Frankfurt 1", "FRA").replace("Debian 12", "Debian")
    done = await load(shop, file)
    assert done.changed == [ALL[0], ALL[1], ALL[3]]
    assert done.unchanged == ["tariff vps-1"]


async def test_what_the_file_does_not_name_is_left(shop: Shop) -> None:
    await shop.new_partner("Hosting A")
    await load(shop, FILE)
    assert (await load(shop, "tariffs: []")).unchanged == []
    assert await shop.query("SELECT withdrawn FROM tariffs") == [(False,)]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("partner: Hosting A", "partner: Nobody", "body.offers.0.partner"),
        ("tariff: vps-1", "tariff: vps-9", "body.offers.0.tariff"),
        ("data_center: fra1", "data_center: mars1", "body.tariffs.0.data_center"),
        ("os_templates: [debian-12]", "os_templates: [beos]", "body.tariffs.0.os_templates"),
    ],
)
async def test_unknown_names_undo_the_whole_load(shop: Shop, old: str, new: str, path: str) -> None:
    await shop.new_partner("Hosting A")
    with pytest.raises(ProblemError) as refused:
        await load(shop, FILE.replace(old, new))
    assert [error.path for error in refused.value.errors] == [path]
    assert await shop.query("SELECT count(*) FROM data_centers") == [(0,)]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("a: [", "this isn't YAML"),
        ("- 1", "the file: "),
        ("tariffs: 1", "tariffs: Input should be a valid list"),
        (FILE.replace("price: 990", "price: cheap"), "tariffs.0.prices.month.price: "),
        (FILE.replace("vcpu: 1", "vcpus: 1"), "tariffs.0.vcpus: Extra inputs"),
        (FILE.replace("vcpu: 1", "vcpus: 1"), "tariffs.0.vcpu: Field required"),
        (
            "os_templates: [{code: a, title: A, image: a}, {code: a, title: B, image: b}]",
            "os_templates names a more than once",
        ),
        ("tariffs: !!python/object/apply:os.getcwd []", "this isn't YAML"),
    ],
)
def test_wrong_file_is_explained_by_place(file: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read_catalogue(file)


async def test_load_over_http_is_done_by_the_person(shop: Shop) -> None:
    await shop.new_partner("Hosting A")
    body: dict[str, Any] = read_catalogue(FILE).model_dump(mode="json", exclude_none=True)
    operator = await shop.as_staff(Role.OPERATOR)
    answer = await operator.post("/catalogue/load", json=body)
    assert (answer.status_code, answer.json()["created"]) == (200, ALL)
    doers = await shop.query("SELECT actor_kind FROM audit_entries WHERE action = 'tariff.create'")
    assert doers == [("staff",)]
