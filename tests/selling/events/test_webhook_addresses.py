"""A partner names an address to be called: none of our own neighbours is reached by it."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from selling_service.events.rules import Attempt
from selling_service.events.webhooks import Sender, check_url
from shared.kit.ids import new_id
from shared.kit.problems import ProblemError
from tests.selling.events.receiver import Receiver, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


def attempt(url: str) -> Attempt:
    return Attempt(
        delivery_id=new_id(),
        endpoint_id=new_id(),
        number=1,
        url=url,
        secrets=[SECRET],
        body="{}",
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://reseller.example.com/hooks",
        "ftp://reseller.example.com/hooks",
        "reseller.example.com/hooks",
        "https://",
        "https:///hooks",
        "https://user:secret@reseller.example.com/",
        "https://reseller.example.com/#there",
        "https://reseller.example.com\\@127.0.0.1/",
        "https://reseller.example.com:99999/",
        "https://reseller example.com/",
        "https://r\u0435seller.example.com/",
        "https://127.0.0.1/hooks",
        "https://[::1]/hooks",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/hooks",
    ],
)
def test_addresses_that_cannot_be_called_are_refused_by_their_look(url: str) -> None:
    with pytest.raises(ProblemError, match="webhook_address"):
        check_url(url, private_addresses=False)


def test_addresses_of_the_internet_are_taken() -> None:
    check_url("https://reseller.example.com/hooks?for=provider-a", private_addresses=False)
    check_url("https://8.8.8.8:8443/hooks", private_addresses=False)


def port_of(receiver: Receiver) -> int:
    return int(receiver.url.split(":")[2].partition("/")[0])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0"]
)
async def test_no_private_address_is_reached_however_it_is_written(
    receiver: Receiver, host: str
) -> None:
    sender = Sender(private_addresses=False)
    outcome = await sender.send(attempt(f"http://{host}:{port_of(receiver)}/hooks"))
    await sender.aclose()
    assert outcome.problem is not None
    assert receiver.came == []


async def test_name_that_changes_its_mind_is_judged_by_the_address_that_is_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First it leads to the internet, then to us: only what the connection goes to counts."""
    answers = ["8.8.8.8", "127.0.0.1", "127.0.0.1"]
    asked: list[str] = []

    def resolve(host: str, port: int, *_more: Any, **_rest: Any) -> list[Any]:
        asked.append(host)
        address = answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    url = f"http://rebound.example.com:{port_of(receiver)}/hooks"
    check_url(url.replace("http://", "https://"), private_addresses=False)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    answers.pop(0)
    sender = Sender(private_addresses=False)
    outcome = await sender.send(attempt(url))
    await sender.aclose()
    assert asked == ["rebound.example.com"]
    assert outcome.problem is not None
    assert receiver.came == []


async def test_redirect_to_ourselves_is_not_followed(receiver: Receiver) -> None:
    receiver.answers.append((307, {"location": receiver.url}))
    sender = Sender(private_addresses=True)
    outcome = await sender.send(attempt(receiver.url))
    await sender.aclose()
    assert (outcome.status, len(receiver.came)) == (307, 1)
