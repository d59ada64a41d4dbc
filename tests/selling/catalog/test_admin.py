"""The catalogue's administration over HTTP."""

from datetime import timedelta

import httpx
import pytest

from shared.kit.ids import new_id
from shared.kit.people import Role
from tests.selling.catalog.shop import Shop, data_center, os_template, tariff, version


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_tariff_is_answered_as_it_was_made(shop: Shop) -> None:
    made = await shop.stock_shelves(stock=5)
    assert (made["code"], made["stock"], made["version"], made["withdrawn"]) == (
        "vps-1",
        5,
        1,
        False,
    )
    assert made["versions"][0]["prices"] == {
        "hour": {"price": "1.388888", "setup_fee": "0.000000"},
        "month": {"price": "990.000000", "setup_fee": "150.000000"},
    }
    reader = await shop.as_staff(Role.READ_ONLY)
    assert (await reader.get(f"/tariffs/{made['id']}")).json() == made
    assert (await reader.get("/tariffs")).json() == {"items": [made], "next": None}


async def test_every_change_is_audited_with_before_and_after(shop: Shop) -> None:
    made = await shop.stock_shelves(stock=5)
    operator = await shop.as_staff(Role.OPERATOR)
    partner = await shop.new_partner()
    path = f"/tariffs/{made['id']}"
    await operator.patch(path, json={"title": "VPS One", "withdrawn": True})
    await operator.patch(path, json={"title": "VPS One"})
    await operator.put(f"{path}/stock", json={"stock": None})
    await operator.post(f"{path}/versions", json=version(vcpu=2))
    await shop.offer(partner, made, "10")
    await shop.offer(partner, made, "10")
    await shop.offer(partner, made, "20")
    await operator.delete(f"/partners/{partner.id}/offers/{made['id']}")
    rows = await shop.query(
        "SELECT action, before, after FROM audit_entries WHERE actor_kind = 'staff' ORDER BY id"
    )
    done = [row.action for row in rows if not row.action.startswith("staff")]
    assert done == [
        "data_center.create",
        "os_template.create",
        "tariff.create",
        "tariff.change",
        "tariff.stock",
        "tariff.add_version",
        "offer.grant",
        "offer.grant",
        "offer.remove",
    ]
    change = next(row for row in rows if row.action == "tariff.change")
    assert change.before == {"title": "VPS 1", "withdrawn": False}
    assert change.after == {"title": "VPS One", "withdrawn": True}
    granted = [row for row in rows if row.action == "offer.grant"]
    assert granted[1].before["discount_percent"] == "10.00"
    assert granted[1].after["discount_percent"] == "20"


async def test_refused_change_leaves_no_audit(shop: Shop) -> None:
    await shop.stock_shelves()
    operator = await shop.as_staff(Role.OPERATOR)
    assert code(await operator.post("/tariffs", json=tariff())) == (409, "code_taken")
    rows = await shop.query("SELECT 1 FROM audit_entries WHERE action = 'tariff.create'")
    assert len(rows) == 1
    assert len(await shop.query("SELECT 1 FROM tariffs")) == 1


@pytest.mark.parametrize("role", [Role.FINANCE, Role.READ_ONLY])
async def test_other_roles_read_and_change_nothing(shop: Shop, role: Role) -> None:
    made = await shop.stock_shelves()
    partner = await shop.new_partner()
    person = await shop.as_staff(role)
    offer = f"/partners/{partner.id}/offers/{made['id']}"
    for path in ("/tariffs", "/data-centers", "/os-templates", f"/partners/{partner.id}/offers"):
        assert (await person.get(path)).status_code == 200
    refused = [
        await person.post("/tariffs", json=tariff(code="other")),
        await person.patch(f"/tariffs/{made['id']}", json={"withdrawn": True}),
        await person.post(f"/tariffs/{made['id']}/versions", json=version()),
        await person.put(f"/tariffs/{made['id']}/stock", json={"stock": 1}),
        await person.post(f"/tariffs/{made['id']}/stock/adjust", json={"by": 1}),
        await person.post("/data-centers", json=data_center(code="other")),
        await person.post("/os-templates", json=os_template(code="other")),
        await person.patch("/os-templates/debian-12", json={"title": "x"}),
        await person.put(offer, json={}),
        await person.delete(offer),
        await person.post("/catalogue/load", json={}),
    ]
    assert {code(answer) for answer in refused} == {(403, "role_required")}


async def test_nobody_gets_in_without_a_login(shop: Shop) -> None:
    partner = await shop.new_partner()
    anybody = await shop.client("", "/admin/v1")
    with_partner_key = await shop.client(
        partner.http.headers["Authorization"].removeprefix("Bearer "), "/admin/v1"
    )
    for person in (anybody, with_partner_key):
        assert code(await person.get("/tariffs")) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"code": "Bad Code"}, "body.code"),
        ({"code": "vps\n1"}, "body.code"),
        ({"title": "a\x00b"}, "body.title"),
        ({"title": " "}, "body.title"),
        ({"data_center": "mars1"}, "body.data_center"),
        ({"os_templates": ["windows-95"]}, "body.os_templates"),
        ({"os_templates": ["a\x00b"]}, "body.os_templates.0"),
        ({"os_templates": []}, "body.os_templates"),
        ({"vcpu": 0}, "body.vcpu"),
        ({"vcpu": 2**31}, "body.vcpu"),
        ({"stock": -1}, "body.stock"),
        ({"stock": 2**31}, "body.stock"),
        ({"prices": {}}, "body.prices"),
        ({"prices": {"decade": {"price": "1"}}}, "body.prices.decade"),
        ({"prices": {"month": {"price": "-1"}}}, "body.prices.month.price"),
        ({"prices": {"month": {"price": "0.0000001"}}}, "body.prices.month.price"),
        ({"prices": {"month": {"price": "1e999999"}}}, "body.prices.month.price"),
        ({"prices": {"month": {"price": "NaN"}}}, "body.prices.month.price"),
        ({"effective_from": "2026-03-01T00:00:00"}, "body.effective_from"),
        ({"effective_from": "0001-01-01T00:00:00+14:00"}, "body.effective_from"),
        ({"effective_from": "9999-12-31T23:59:59-14:00"}, "body.effective_from"),
        ({"colour": "red"}, "body.colour"),
    ],
    ids=str,
)
async def test_wrong_tariff_is_refused_with_the_place(
    shop: Shop, changes: dict[str, object], path: str
) -> None:
    operator = await shop.as_staff(Role.OPERATOR)
    await operator.post("/data-centers", json=data_center())
    await operator.post("/os-templates", json=os_template())
    answer = await operator.post("/tariffs", json=tariff(**changes))
    assert code(answer) == (422, "invalid_request")
    assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert await shop.query("SELECT 1 FROM tariffs") == []


async def test_unknown_ids_are_not_found(shop: Shop) -> None:
    made = await shop.stock_shelves()
    operator = await shop.as_staff(Role.OPERATOR)
    partner = await shop.new_partner()
    nobody = new_id()
    answers = [
        await operator.get(f"/tariffs/{nobody}"),
        await operator.patch(f"/tariffs/{nobody}", json={}),
        await operator.post(f"/tariffs/{nobody}/versions", json=version()),
        await operator.put(f"/tariffs/{nobody}/stock", json={"stock": 1}),
        await operator.patch(f"/data-centers/{nobody}", json={}),
        await operator.patch("/os-templates/windows-95", json={}),
        await operator.get(f"/partners/{nobody}/offers"),
        await operator.put(f"/partners/{nobody}/offers/{made['id']}", json={}),
        await operator.put(f"/partners/{partner.id}/offers/{nobody}", json={}),
        await operator.delete(f"/partners/{partner.id}/offers/{made['id']}"),
    ]
    assert {code(answer) for answer in answers} == {(404, "not_found")}


async def test_nul_in_a_path_or_query_is_a_problem_and_no_crash(shop: Shop) -> None:
    operator = await shop.as_staff(Role.OPERATOR)
    answers = [
        await operator.patch("/os-templates/a%00b", json={}),
        await operator.get("/tariffs/a%00b"),
        await operator.get("/tariffs?limit=%00"),
    ]
    assert {code(answer) for answer in answers} == {(422, "invalid_request")}
    assert code(await operator.get("/tariffs?after=a%00b")) == (400, "cursor_invalid")


async def test_stock_is_set_and_adjusted(shop: Shop) -> None:
    made = await shop.stock_shelves()
    operator = await shop.as_staff(Role.OPERATOR)
    path = f"/tariffs/{made['id']}/stock"
    assert code(await operator.post(f"{path}/adjust", json={"by": 1})) == (409, "stock_not_counted")
    assert (await operator.put(path, json={"stock": 5})).json()["stock"] == 5
    assert (await operator.post(f"{path}/adjust", json={"by": -5})).json()["stock"] == 0
    assert code(await operator.post(f"{path}/adjust", json={"by": -1})) == (409, "stock_too_low")
    most = 2**31 - 1
    assert (await operator.post(f"{path}/adjust", json={"by": most})).json()["stock"] == most
    assert code(await operator.post(f"{path}/adjust", json={"by": 1})) == (422, "invalid_request")
    assert (await operator.put(path, json={"stock": None})).json()["stock"] is None
    assert code(await operator.put(path, json={})) == (422, "invalid_request")


async def test_version_before_the_latest_is_refused(shop: Shop) -> None:
    made = await shop.stock_shelves()
    operator = await shop.as_staff(Role.OPERATOR)
    path = f"/tariffs/{made['id']}/versions"
    later = (shop.clock.now() + timedelta(days=2)).isoformat()
    assert (await operator.post(path, json=version(effective_from=later))).status_code == 201
    assert code(await operator.post(path, json=version())) == (409, "effective_too_early")
    replaced = await operator.post(path, json=version(effective_from=later))
    assert [one["number"] for one in replaced.json()["versions"]] == [1, 2, 3]


async def test_tariffs_page_through_without_loss(shop: Shop) -> None:
    made = [await shop.stock_shelves()]
    operator = await shop.as_staff(Role.OPERATOR)
    answers = [await operator.post("/tariffs", json=tariff(code=f"vps-{n}")) for n in range(2, 6)]
    made += [answer.json() for answer in answers]
    page = (await operator.get("/tariffs?limit=2")).json()
    found = page["items"]
    while page["next"]:
        page = (await operator.get(f"/tariffs?limit=2&after={page['next']}")).json()
        found += page["items"]
    assert found == made


async def test_places_and_templates_are_changed(shop: Shop) -> None:
    await shop.stock_shelves()
    operator = await shop.as_staff(Role.OPERATOR)
    place = (await operator.get("/data-centers")).json()[0]
    assert place["vms"] == {"total": 100, "used": 0}
    answer = await operator.patch(f"/data-centers/{place['id']}", json={"open": False})
    assert answer.json() == place | {"open": False}
    template = await operator.patch("/os-templates/debian-12", json={"image": "debian-12.7"})
    assert template.json() == os_template(image="debian-12.7")
    assert (await operator.get("/os-templates")).json() == [template.json()]
    taken = await operator.post("/os-templates", json=os_template())
    assert code(taken) == (409, "code_taken")
    assert code(await operator.post("/data-centers", json=data_center())) == (409, "code_taken")


async def test_offers_are_listed_with_their_discounts(shop: Shop) -> None:
    made = await shop.stock_shelves()
    partner = await shop.new_partner()
    await shop.offer(partner, made, "12.25")
    reader = await shop.as_staff(Role.READ_ONLY)
    page = (await reader.get(f"/partners/{partner.id}/offers")).json()
    assert [(one["tariff"], one["discount_percent"]) for one in page["items"]] == [
        ("vps-1", "12.25")
    ]
    operator = await shop.as_staff(Role.OPERATOR)
    path = f"/partners/{partner.id}/offers/{made['id']}"
    for wrong in ("-0.01", "100.01", "1.001", "NaN"):
        answer = await operator.put(path, json={"discount_percent": wrong})
        assert code(answer) == (422, "invalid_request")
    assert (await operator.delete(path)).status_code == 204
    assert (await reader.get(f"/partners/{partner.id}/offers")).json()["items"] == []
