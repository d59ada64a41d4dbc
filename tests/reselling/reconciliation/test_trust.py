"""Whom the comparison believes to be the seller: whoever the link to it does."""

from pathlib import Path

from tests.reselling.reconciliation.counterpart import Counterpart
from tests.reselling.reconciliation.pair import open_pair
from tests.reselling.sellers.test_tls import LOCAL, OURS, authority, seller
from tests.reselling.services.shop import execute


async def test_seller_of_an_authority_of_its_own_is_compared_with(
    reselling_database_url: str, tmp_path: Path
) -> None:
    async with (
        seller(tmp_path, OURS.issue_cert(LOCAL)) as fake,
        open_pair(reselling_database_url, Counterpart()) as pair,
    ):
        await execute(
            pair.shop,
            "UPDATE sellers SET url = :url, tls_authority = :authority",
            url=fake.url,
            authority=authority(OURS),
        )
        await pair.compare()
        assert fake.sent("/inventory/charges")
