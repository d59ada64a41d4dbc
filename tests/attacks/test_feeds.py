"""Feeds, cursors and hints of others, made up, altered or too many."""

import base64
import contextlib
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from shared.kit.clock import SystemClock
from tests.attacks.world import World, problem

# The first of them makes the world.
pytestmark = [pytest.mark.timeout(300)]
EVENTS = "/partner/v1/events"
STRANGE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_event_feed_of_another(world: World) -> None:
    answer = world.ask("GET", EVENTS, by=world.mallory, params={"limit": 500})
    assert answer.status_code == 200
    assert answer.json()["items"]
    assert world.alices_ref not in answer.text
    assert {one["service_ref"] for one in answer.json()["items"]}.isdisjoint({world.alices_ref})


def test_cursor_of_anothers_feed(world: World) -> None:
    theirs = world.ask("GET", EVENTS, by=world.alice).json()["items"][-1]["cursor"]
    answer = world.ask("GET", EVENTS, by=world.mallory, params={"after": theirs})
    assert problem(answer) == (410, "cursor_lost")


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        ("1-ffffffffffff", (410, "cursor_lost")),
        ("999999999999999999-ffffffffffff", (410, "cursor_lost")),
        ("9999999999999999999-ffffffffffff", (400, "cursor_invalid")),
        ("-1-ffffffffffff", (400, "cursor_invalid")),
        ("1-FFFFFFFFFFFF", (400, "cursor_invalid")),
        ("1-ffffffffffff\n", (400, "cursor_invalid")),
        ("\u0661-ffffffffffff", (400, "cursor_invalid")),
        ("1' OR '1'='1", (400, "cursor_invalid")),
        ("x" * 65, (422, "invalid_request")),
    ],
)
def test_cursor_forgery_in_the_feed(world: World, cursor: str, expected: tuple[int, str]) -> None:
    answer = world.ask("GET", EVENTS, by=world.mallory, params={"after": cursor})
    assert problem(answer) == expected


@pytest.mark.parametrize(
    "cursor", ["", "AAAA", "!!!!", "\u00e9" * 10, "A" * 23, "%00", "../../etc/passwd"]
)
def test_cursor_forgery_in_a_list(world: World, cursor: str) -> None:
    answer = world.ask("GET", "/partner/v1/services", by=world.mallory, params={"after": cursor})
    assert problem(answer) == (400, "cursor_invalid")


def test_cursor_that_points_into_anothers_list(world: World) -> None:
    """A place in the list of another is no place, as one that there never was."""
    alices = world.stack.admin.service(world.alices_ref, world.alice.partner["id"])
    for place in (UUID(int=0), UUID(alices["id"])):
        cursor = base64.urlsafe_b64encode(place.bytes).decode().rstrip("=")
        params = {"after": cursor, "limit": 200}
        answer = world.ask("GET", "/partner/v1/services", by=world.mallory, params=params)
        assert problem(answer) == (400, "cursor_invalid")
        assert world.alices_ref not in answer.text


def test_open_streams_exhaustion(world: World) -> None:
    url = f"{world.stack.urls['selling']}{EVENTS}/stream"
    told = {"Authorization": f"Bearer {world.mallory.key}"}
    with contextlib.ExitStack() as open_ones:
        client = open_ones.enter_context(httpx.Client(trust_env=False, timeout=20))
        for _ in range(3):
            stream = open_ones.enter_context(client.stream("GET", url, headers=told))
            assert stream.status_code == 200
        assert problem(client.get(url, headers=told)) == (429, "too_many_streams")
        # Everything else goes on, and so does everybody else.
        assert client.get(url.replace("/events/stream", "/about"), headers=told).is_success
        others = {"Authorization": f"Bearer {world.alice.key}"}
        with client.stream("GET", url, headers=others) as stream:
            assert stream.status_code == 200


def hint(world: World, headers: dict[str, str | bytes], body: str) -> httpx.Response:
    seller = world.shop.seller["id"]
    url = f"{world.stack.urls['reselling']}/hooks/{seller}"
    return httpx.post(url, content=body, headers=headers, trust_env=False)  # type: ignore[arg-type]


def signed(body: str, *, age: timedelta = timedelta(0)) -> dict[str, str | bytes]:
    at = SystemClock().now() - age
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(STRANGE).sign(msg_id="msg_1", timestamp=at, data=body),
    }


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-timestamp": "inf"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1," + "A" * 20_000},
        {"webhook-signature": "v1,\u00e9".encode()},
        {"webhook-signature": "v1a,AAAA v1,BBBB " * 500 + "v1,CCCC"},
        {"webhook-id": ""},
    ],
)
def test_hint_with_a_signature_that_is_not_the_sellers(
    world: World, change: dict[str, str | bytes]
) -> None:
    with world.unchanged():
        answer = hint(world, signed("{}") | change, "{}")
        assert problem(answer) == (401, "unauthorized")


def test_hint_for_a_seller_that_is_not_there(world: World) -> None:
    for seller in (uuid4(), "x", "..%2f..%2fstaff%2fv1%2fsellers"):
        url = f"{world.stack.urls['reselling']}/hooks/{seller}"
        answer = httpx.post(url, content="{}", headers=signed("{}"), trust_env=False)  # type: ignore[arg-type]
        assert problem(answer)[0] in {401, 404, 422}


@pytest.mark.parametrize(
    "url",
    [
        "http://reseller.example.com/hooks",
        "https://127.0.0.1/hooks",
        "https://[::1]/hooks",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[64:ff9b:1::1]/",
        "https://[2002:7f00:1::]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://user:secret@reseller.example.com/",
        "https://reseller.example.com\\@10.0.0.1/",
        "https://reseller.example.com/\r\nX: 1",
        "https://reseller.example.com/#x",
        "file:///etc/passwd",
        "gopher://127.0.0.1:5432/_x",
        "https://b\u0430nk.example.com/",
    ],
)
def test_ssrf_by_the_address_of_a_webhook(world: World, url: str) -> None:
    with world.unchanged():
        answer = world.ask(
            "POST", "/partner/v1/webhook-endpoints", by=world.mallory, json={"url": url}
        )
        assert problem(answer) == (422, "webhook_address")
