"""Bodies made to be read wrongly, too deep, too large or too clever."""

import gzip
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.attacks.world import World, problem

# The first of them makes the world.
pytestmark = [pytest.mark.timeout(300)]


def written(world: World, **changes: Any) -> str:
    return json.dumps(world.order(**changes))


def test_json_of_depth_10000(world: World) -> None:
    with world.unchanged():
        answer = world.place_raw(b'{"a":' * 10_000 + b"1" + b"}" * 10_000)
        assert problem(answer) == (400, "malformed_request")


def test_number_beyond_64_bits(world: World) -> None:
    body = written(world).replace('"amount": 1000000000', f'"amount": {2**64}')
    with world.unchanged():
        assert problem(world.place_raw(body.encode())) == (400, "malformed_request")


def test_number_of_a_hundred_thousand_digits(world: World) -> None:
    body = written(world).replace("1000000000", "9" * 100_000)
    with world.unchanged():
        assert problem(world.place_raw(body.encode())) == (400, "malformed_request")


@pytest.mark.parametrize("number", ["1e400", "NaN", "-Infinity"])
def test_number_that_is_none(world: World, number: str) -> None:
    body = written(world).replace("1000000000", number)
    with world.unchanged():
        assert problem(world.place_raw(body.encode())) == (400, "malformed_request")


def test_key_given_twice(world: World) -> None:
    """A proxy that checks the first `max_price`, a service that obeys the second."""
    body = written(world)[:-1] + ', "max_price": {"amount": 1, "currency": "EUR"}}'
    with world.unchanged():
        assert problem(world.place_raw(body.encode())) == (400, "malformed_request")


def test_half_a_character_as_a_key(world: World) -> None:
    body = written(world)[:-1] + ', "\\ud800": 1}'
    with world.unchanged():
        assert problem(world.place_raw(body.encode())) == (400, "malformed_request")


def test_json_in_utf_16(world: World) -> None:
    with world.unchanged():
        answer = world.place_raw(written(world).encode("utf-16"))
        assert problem(answer) == (400, "malformed_request")


def test_decompression_bomb(world: World) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    with world.unchanged():
        answer = world.place_raw(bomb, Content_Encoding="gzip")
        assert problem(answer) == (415, "encoding_not_supported")


def test_body_larger_than_any_route_takes(world: World) -> None:
    with world.unchanged():
        assert problem(world.place_raw(b" " * 1_000_001)) == (413, "body_too_large")


def test_oversized_user_data(world: World) -> None:
    order = world.order()
    order["options"]["user_data"] = "#!/bin/sh\n" + "x" * 65_536
    with world.unchanged():
        assert problem(world.place(order)) == (422, "invalid_request")


def test_json_under_another_content_type(world: World) -> None:
    with world.unchanged():
        answer = world.place_raw(written(world).encode(), Content_Type="text/plain")
        assert problem(answer) == (422, "invalid_request")


MASS: dict[str, Any] = {
    "partner_id": "0196f0c4-7c1d-7c5e-9c57-3d4f6a1b2c3d",
    "installation_id": "0196f0c4-7c1d-7c5e-9c57-3d4f6a1b2c3d",
    "role": "owner",
    "balance": 10**9,
    "state": "active",
    "price": {"amount": 0, "currency": "EUR"},
    "paid_until": "2099-01-01T00:00:00Z",
    "__proto__": {"admin": True},
}


@pytest.mark.parametrize("field", MASS)
def test_mass_assignment_in_an_order(world: World, field: str) -> None:
    with world.unchanged():
        answer = world.place(world.order(**{field: MASS[field]}))
        assert problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize("field", ["id", "client_id", "state", "balance", "email", "role"])
def test_mass_assignment_in_a_clients_own_profile(world: World, field: str) -> None:
    body = {"name": "Mike", field: str(uuid4())}
    with world.unchanged():
        answer = world.mike.http.patch("/client/v1/me", json=body)
        assert problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize("field", ["state", "client_id", "note", "balance", "is_staff"])
def test_mass_assignment_in_a_sign_up(world: World, field: str) -> None:
    body = {
        "email": f"{uuid4().hex}@example.com",
        "name": "Mike",
        "password": "correct horse battery",
        field: "active",
    }
    with world.unchanged():
        answer = world.ask("POST", "/client/v1/sign-up", at="reselling", json=body)
        assert problem(answer) == (422, "invalid_request")
