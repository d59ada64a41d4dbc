"""The catalogue as a partner sees it."""

from shared.contract.basics import Scope
from shared.contract.offers import Catalog
from shared.kit.people import Role
from tests.selling.catalog.shop import Shop, os_template, version


async def test_catalogue_has_the_partners_own_prices(shop: Shop) -> None:
    made = await shop.stock_shelves(stock=3)
    partner = await shop.new_partner()
    await shop.offer(partner, made, "12.5")
    answer = await partner.http.get("/catalog")
    assert answer.status_code == 200
    body = answer.json()
    assert answer.headers["ETag"] == f'"{body["version"]}"'
    assert Catalog.model_validate(body).currency == "EUR"
    assert body["tariffs"] == [
        {
            "tariff_id": made["id"],
            "version": 1,
            "code": "vps-1",
            "title": "VPS 1",
            "data_center": "fra1",
            "resources": {"vcpu": 1, "ram_mib": 1024, "disk_gib": 10, "ipv4": 1},
            "os_templates": [{"code": "debian-12", "title": "Debian 12"}],
            "prices": [
                {
                    "period": "hour",
                    "price": {"amount": "1.215277", "currency": "EUR"},
                    "setup_fee": {"amount": "0.000000", "currency": "EUR"},
                },
                {
                    "period": "month",
                    "price": {"amount": "866.250000", "currency": "EUR"},
                    "setup_fee": {"amount": "131.250000", "currency": "EUR"},
                },
            ],
            "in_stock": 3,
            "capabilities": None,
            "orderable": True,
            "effective_from": "2026-03-01T12:00:00Z",
        }
    ]


async def test_partners_see_what_is_offered_to_them_only(shop: Shop) -> None:
    made = await shop.stock_shelves()
    first, second = await shop.new_partner("A"), await shop.new_partner("B")
    await shop.offer(first, made, "0")
    assert len((await first.http.get("/catalog")).json()["tariffs"]) == 1
    assert (await second.http.get("/catalog")).json()["tariffs"] == []


async def test_copy_that_is_still_good_is_answered_by_304(shop: Shop) -> None:
    made = await shop.stock_shelves()
    partner = await shop.new_partner()
    await shop.offer(partner, made, "0")
    etag = (await partner.http.get("/catalog")).headers["ETag"]
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await partner.http.get("/catalog", headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
    other = await partner.http.get("/catalog", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


async def test_etag_moves_with_every_change(shop: Shop) -> None:
    made = await shop.stock_shelves(stock=5)
    partner = await shop.new_partner()
    await shop.offer(partner, made, "0")
    operator = await shop.as_staff(Role.OPERATOR)
    path = f"/tariffs/{made['id']}"
    place = (await operator.get("/data-centers")).json()[0]["id"]
    etags = [(await partner.http.get("/catalog")).headers["ETag"]]

    async def changed(*, orderable: bool) -> bool:
        answer = await partner.http.get("/catalog", headers={"If-None-Match": etags[-1]})
        etags.append(answer.headers["ETag"])
        return answer.status_code == 200 and answer.json()["tariffs"][0]["orderable"] is orderable

    await operator.patch(path, json={"title": "VPS One"})
    assert await changed(orderable=True)
    await operator.patch("/os-templates/debian-12", json={"title": "Debian"})
    assert await changed(orderable=True)
    await shop.offer(partner, made, "5")
    assert await changed(orderable=True)
    await operator.post(f"{path}/versions", json=version(vcpu=2))
    assert await changed(orderable=True)
    await operator.put(f"{path}/stock", json={"stock": 0})
    assert await changed(orderable=False)
    await operator.put(f"{path}/stock", json={"stock": None})
    assert await changed(orderable=True)
    await operator.patch(f"/data-centers/{place}", json={"open": False})
    assert await changed(orderable=False)
    await operator.patch(f"/data-centers/{place}", json={"open": True})
    assert await changed(orderable=True)
    await operator.patch(path, json={"withdrawn": True})
    assert await changed(orderable=False)
    await operator.delete(f"/partners/{partner.id}/offers/{made['id']}")
    assert (await partner.http.get("/catalog")).json()["tariffs"] == []


async def test_unrelated_change_keeps_the_etag(shop: Shop) -> None:
    made = await shop.stock_shelves()
    partner = await shop.new_partner()
    await shop.offer(partner, made, "0")
    before = (await partner.http.get("/catalog")).headers["ETag"]
    operator = await shop.as_staff(Role.OPERATOR)
    await operator.post("/os-templates", json=os_template(code="debian-13", title="Debian 13"))
    shop.clock.advance(days=1)
    assert (await partner.http.get("/catalog")).headers["ETag"] == before


async def test_scope_is_needed(shop: Shop) -> None:
    partner = await shop.new_partner(scopes=[Scope.MONEY_READ])
    answer = await partner.http.get("/catalog")
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_login_of_staff_is_no_key(shop: Shop) -> None:
    operator = await shop.as_staff(Role.OPERATOR)
    token = operator.headers["Authorization"].removeprefix("Bearer ")
    stranger = await shop.client(token, "/partner/v1")
    answer = await stranger.get("/catalog")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
