"""The catalogue as one partner sees it, with its prices."""

import hashlib
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Header, Response

from selling_service.catalog.queries import list_offered, os_titles
from selling_service.catalog.rules import OfferedVersion, unit_price
from selling_service.database import RuntimeDep
from selling_service.partners.routes import FOR_KEYS, PartnerRead, needs
from selling_service.partners.rules import PartnerPrincipal
from shared.contract import problems as catalogue
from shared.contract.basics import Scope, UnitPrice
from shared.contract.offers import Catalog, CatalogTariff, OSTemplate, Resources, TariffPrice
from shared.kit.problems import declare

router = APIRouter(tags=["catalog"])


@router.get(
    "/catalog",
    summary="What may be resold, at which prices",
    description="All tariffs of this partner in the version in effect, discount included. "
    "Send `If-None-Match` with the ETag of the copy you have: 304 says that it is still good.",
    response_model=Catalog,
    responses={
        200: {"headers": {"ETag": {"schema": {"type": "string"}}}},
        304: {"description": "The copy that you have is still good"},
        **declare(
            *FOR_KEYS,
            catalogue.INVALID_REQUEST,
        ),
    },
)
async def get_catalog(
    principal: Annotated[PartnerPrincipal, needs(Scope.SERVICES_READ)],
    session: PartnerRead,
    runtime: RuntimeDep,
    response: Response,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Catalog | Response:
    """Answer with the catalogue, or 304."""
    offered = await list_offered(session, principal.partner_id)
    titles = await os_titles(session)
    currency = runtime.settings.currency
    found = Catalog(
        version="",
        currency=currency,
        tariffs=[_tariff(version, titles, currency) for version in offered],
    )
    digest = hashlib.sha256(found.model_dump_json().encode()).hexdigest()[:32]
    etag = f'"{digest}"'
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return found.model_copy(update={"version": digest})


def _matches(if_none_match: str, etag: str) -> bool:
    """Compare weakly, as RFC 9110 says for this header."""
    given = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return etag in given or "*" in given


def _tariff(offered: OfferedVersion, titles: dict[str, str], currency: str) -> CatalogTariff:
    def priced(listed: Decimal) -> UnitPrice:
        shown = unit_price(listed, discount_percent=offered.discount_percent)
        return UnitPrice(amount=shown, currency=currency)

    return CatalogTariff(
        tariff_id=offered.tariff_id,
        version=offered.version,
        code=offered.code,
        title=offered.title,
        data_center=offered.data_center_code,
        resources=Resources(
            vcpu=offered.vcpu,
            ram_mib=offered.ram_mib,
            disk_gib=offered.disk_gib,
            ipv4=offered.ipv4,
        ),
        os_templates=[OSTemplate(code=code, title=titles[code]) for code in offered.os_templates],
        prices=[
            TariffPrice(
                period=period,
                price=priced(listed.price),
                setup_fee=priced(listed.setup_fee),
            )
            for period, listed in offered.prices.items()
        ],
        in_stock=offered.stock,
        capabilities=None if offered.capabilities is None else sorted(offered.capabilities),
        orderable=offered.orderable,
        effective_from=offered.effective_from,
    )
