"""What goes out to partners' webhooks tells of nobody else, and of no client."""

import pytest

from tests.isolation.world import World

pytestmark = pytest.mark.slow


def test_hints_tell_a_partner_nothing_of_anybody_else(world: World) -> None:
    victim, other = world.victims["partner_key"], world.others["partner_key"]
    clients = world.victims["client_session"].markers | world.others["client_session"].markers
    for one, another in ((victim, other), (other, victim)):
        sent = world.hints[one.token].decode()
        assert [each for each in another.markers if each in sent] == []
        # A service is known to partner and client by other ids: what both know isn't in a hint.
        assert [each for each in clients if each in sent] == []


def test_hints_are_found_to_tell_whose_they_are(world: World) -> None:
    """So that the search above would find what stood there."""
    for one in (world.victims["partner_key"], world.others["partner_key"]):
        sent = world.hints[one.token].decode()
        assert '"type":"feed.advanced"' in sent
        assert "webhook-signature: v1," in sent
        assert any(each in sent for each in one.markers)
        assert one.token not in sent
