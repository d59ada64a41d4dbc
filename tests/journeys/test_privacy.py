"""Who a client is stays at the reseller: not on the wire, not in the seller's database or logs.

Every free-text field at the reseller carries a mark of its own. The marks are looked for in all the
forms that a copy of them could take; that the search works is shown at home, where they must be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from local_stack.demo.callers import JSON, Client, euros
from local_stack.home import PROGRAMS
from tests.journeys.behind import dump
from tests.journeys.invariants import check_all, settle
from tests.journeys.marks import found, make_marks
from tests.journeys.stack import OS, Stack
from tests.journeys.wires import Wire, wired

pytestmark = pytest.mark.slow

FIELDS = (
    "name",
    "email",
    "phone",
    "address",
    "note",
    "other_name",
    "order_name",
    "display_name",
    "suspend_note",
    "payment_text",
    "tariff_name",
    "seller_name",
    "key_comment",
    "password",
    "vm_password",
)
# What is kept as a hash, cut off or encrypted at home can't be found there.
UNSEEN_AT_HOME = {"password", "vm_password", "key_comment"}
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlaXNwaWVsYmVpc3BpZWxiZWlzcGllbGJlaXNw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was written where: the marks, and all bytes that left the reseller or lie elsewhere."""

    marks: Mapping[str, str]
    client: Client
    places: Mapping[str, bytes]
    home: bytes


def come_as_client(stack: Stack, marks: Mapping[str, str]) -> Client:
    """Sign up with a mark in every field; staff adds a note and books a payment."""
    email = f"{marks['email']}@example.com"
    client = Client(stack.urls["reselling"], name=marks["name"], email=email)
    client.password = marks["password"]
    body = {
        "email": email,
        "name": marks["name"],
        "password": client.password,
        "phone": f"+49 {marks['phone']}",
        "address": f"{marks['address']} 1\nBerlin",
    }
    session = client.post("/client/v1/sign-up", body)
    client.id = session["client_id"]
    client.bear(session["token"])
    stack.staff.patch(f"/staff/v1/clients/{client.id}", {"note": f"Called: {marks['note']}"})
    payment = {
        "reference": str(uuid4()),
        "amount": euros(50_000),
        "text": f"From {marks['payment_text']}",
    }
    stack.staff.post(f"/staff/v1/clients/{client.id}/top-ups", payment)
    return client


def live_through_everything(wire: Wire, client: Client, marks: Mapping[str, str]) -> None:
    """Order, suspend, resume, switch, renew, end and restore, with marks on the way.

    One VM stays suspended, so that the note stands where it belongs.
    """
    service_id, other_id = order(wire, client, marks)
    client.patch(f"/client/v1/services/{service_id}", {"name": marks["display_name"]})
    note = {"cause": "client_debt", "reason": "unpaid", "note": f"Owed by {marks['suspend_note']}"}
    for each in (service_id, other_id):
        client.wait_until(each, state="active")
        wire.stack.staff.wish(each, "suspend", note)
        client.wait_until(each, state="suspended", power="stopped")
    wire.stack.staff.patch(f"/staff/v1/clients/{client.id}", {"name": marks["other_name"]})
    wire.stack.staff.wish(service_id, "resume", {"cause": "client_debt"})
    client.wait_until(service_id, state="active", power="running")
    client.wish(service_id, "suspend")
    client.wait_until(service_id, state="suspended")
    client.wish(service_id, "resume")
    client.wait_until(service_id, state="active")
    for verb, body in (("stop", None), ("start", None), ("restart", None), ("renew", {})):
        client.wish(service_id, verb, body)
        client.wait_until(service_id, state="active")
    client.wish(service_id, "terminate", {"when": "now"})
    client.wait_until(service_id, state="terminated")
    client.wish(service_id, "restore", {"renew": False})
    client.wait_until(service_id, state="active")


def order(wire: Wire, client: Client, marks: Mapping[str, str]) -> tuple[str, str]:
    """Order by the client, and once more by staff in the client's name; both services."""
    options = {
        "os": OS,
        "hostname": "web-1.example.com",
        "ssh_keys": [f"{SSH_KEY} {marks['key_comment']}@laptop"],
        "password": marks["vm_password"],
    }
    body: JSON = {
        "tariff_id": wire.shop.tariff["id"],
        "period": "month",
        "name": marks["order_name"],
        "auto_renew": False,
        "options": options,
    }
    placed = client.post("/client/v1/orders", body, key=marks["order_name"])
    again = wire.stack.staff.post(f"/staff/v1/clients/{client.id}/orders", body)
    return placed["service_id"], again["service_id"]


@pytest.fixture(scope="module")
def told(common_stack: Stack) -> Iterator[Told]:
    marks = make_marks(FIELDS)
    logs = [common_stack.log(name) for name in PROGRAMS if name.startswith("selling")]
    with wired(common_stack, paid_in=10**6) as wire:
        seller, tariff = wire.shop.seller["id"], wire.shop.tariff["id"]
        common_stack.staff.patch(f"/staff/v1/sellers/{seller}", {"name": marks["seller_name"]})
        common_stack.staff.patch(f"/staff/v1/tariffs/{tariff}", {"name": marks["tariff_name"]})
        client = come_as_client(common_stack, marks)
        # What happened before the feed is followed is learnt from the inventory instead.
        common_stack.wait_until_followed(seller)
        with client:
            live_through_everything(wire, client, marks)
            settle(common_stack)
            places = {
                "the wire": wire.proxy.traffic,
                "the seller's database": dump(common_stack.selling_database),
                "the seller's logs": b"".join(map(Path.read_bytes, logs)),
            }
            home = dump(common_stack.reselling_database)
            yield Told(marks=marks, client=client, places=places, home=home)


@pytest.mark.parametrize("field", FIELDS)
def test_what_a_client_is_called_does_not_leave_the_reseller(told: Told, field: str) -> None:
    leaked = [place for place, said in told.places.items() if found(told.marks[field], said)]
    assert leaked == []


@pytest.mark.parametrize("field", sorted(set(FIELDS) - UNSEEN_AT_HOME))
def test_search_finds_the_mark_where_it_must_be(told: Told, field: str) -> None:
    assert found(told.marks[field], told.home)


def test_ids_of_the_house_do_not_leave_it_either(told: Told) -> None:
    at_home = {
        "the client's id": told.client.id,
        "a service's id": told.client.services()[0]["id"],
        "an order's id": told.client.every("/client/v1/orders")[0]["id"],
        "the staff's login": "owner@reselling.example.com",
    }
    for what, found_at_home in at_home.items():
        assert found(found_at_home, told.home), what
        assert [place for place, said in told.places.items() if found(found_at_home, said)] == []


def test_clients_content_for_the_vm_is_on_the_wire_but_not_readable_at_rest(told: Told) -> None:
    key = SSH_KEY.split()[1]
    assert found(key, told.places["the wire"])
    assert not found(key, told.places["the seller's database"])
    assert not found("web-1.example.com", told.places["the seller's logs"])


def test_everything_that_was_recorded_is_what_really_happened(
    told: Told, common_stack: Stack
) -> None:
    traffic = told.places["the wire"]
    assert traffic.count(b"POST /partner/v1/services ") == 2
    for verb in (b"suspend", b"resume", b"stop", b"start", b"restart", b"renew", b"terminate"):
        assert b"/" + verb + b" HTTP" in traffic
    assert b"service.activated" in traffic
    check_all(common_stack)
