"""Names that look like others, lead elsewhere, or would be obeyed by whoever shows them."""

import csv
import io
from typing import Any
from uuid import uuid4

import pytest

from tests.attacks.world import World, problem

# The first of them makes the world.
pytestmark = [pytest.mark.timeout(300)]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlaXNwaWVsYmVpc3BpZWxiZWlzcGllbGJlaXNw"


def sign_up(world: World, **changes: Any) -> Any:
    body = {
        "email": f"{uuid4().hex}@example.com",
        "name": "Mike",
        "password": "correct horse battery",
    }
    return world.ask("POST", "/client/v1/sign-up", at="reselling", json=body | changes)


@pytest.mark.parametrize("name", ["Mi\x00ke", "Mike\x1b[2J", "Mike\r\nX: 1", "Mi\u0085ke"])
def test_nul_and_control_characters_in_a_name(world: World, name: str) -> None:
    with world.unchanged():
        assert problem(sign_up(world, name=name)) == (422, "invalid_request")


@pytest.mark.parametrize(
    "name", ["Anna\u202eekiM", "\u2066Anna\u2069", "An\u200bna", "Anna\ufeff.", "Anna\U000e0041"]
)
def test_bidi_and_invisible_characters_in_a_name(world: World, name: str) -> None:
    with world.unchanged():
        assert problem(sign_up(world, name=name)) == (422, "invalid_request")


@pytest.mark.parametrize(
    "hostname",
    [
        "b\u0430nk.example.com",  # a Cyrillic a
        "bank\u2024example.com",  # a dot of another kind
        "\uff42ank.example.com",
        "bank\n.example.com",
        "bank\x00.example.com",
        "../../etc/passwd",
        "a/b",
        "$(reboot)",
        "-oProxyCommand=x",
        "a..b",
        "<script>",
        "x" * 64,
        ".".join(["a" * 60] * 5),
    ],
)
def test_host_name_that_is_a_homoglyph_a_path_or_a_command(world: World, hostname: str) -> None:
    order = world.order()
    order["options"]["hostname"] = hostname
    with world.unchanged():
        assert problem(world.place(order)) == (422, "invalid_request")
        answer = world.send("rename", {"hostname": hostname})
        assert problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize(
    "key",
    [
        f"{KEY}\n{KEY}",
        f"{KEY} me\nssh-rsa AAAA",
        f'command="rm -rf /" {KEY}',
        f"no-pty,permitopen=* {KEY}",
        f"{KEY}\x00",
        "ssh-ed25519",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_ssh_key_with_line_breaks_or_options(world: World, key: str) -> None:
    order = world.order()
    order["options"]["ssh_keys"] = [key]
    with world.unchanged():
        assert problem(world.place(order)) == (422, "invalid_request")


@pytest.mark.parametrize("hash_", ["$6$a$b\nroot:x", "plain", "$1$weak$x", "$6$a:b"])
def test_password_hash_that_would_become_another_line(world: World, hash_: str) -> None:
    order = world.order()
    order["options"]["password_hash"] = hash_
    with world.unchanged():
        assert problem(world.place(order)) == (422, "invalid_request")


def test_html_in_a_name_is_only_ever_text(world: World) -> None:
    name = "<script>alert(1)</script>"
    made = sign_up(world, name=name)
    assert made.status_code == 201
    token = made.json()["token"]
    shown = world.ask("GET", "/client/v1/me", by=token, at="reselling")
    assert shown.json()["name"] == name
    assert shown.headers["content-type"] == "application/json"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "path", ["/problems?%3Cscript%3E", "/docs?x=%3Cscript%3Ealert(1)%3C/script%3E"]
)
def test_html_in_an_address_comes_back_on_no_page(world: World, path: str) -> None:
    page = world.ask("GET", path)
    assert page.status_code == 200
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("search", ["%", "_", "\\", "%%%", "' OR '1'='1", "'; DROP TABLE clients"])
def test_sql_wildcards_and_quotes_in_a_filter_are_letters(world: World, search: str) -> None:
    with world.unchanged():
        answer = world.stack.staff.http.get("/staff/v1/clients", params={"search": search})
    assert (answer.status_code, answer.json()["items"]) == (200, [])


@pytest.mark.parametrize("state", ["active' OR '1'='1", "%", "active,deleted", "ACTIVE"])
def test_sql_in_a_filter_of_fixed_words(world: World, state: str) -> None:
    answer = world.ask("GET", "/partner/v1/services", by=world.mallory, params={"state": state})
    assert problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize(
    "email",
    [
        "mike@example.com\x00@evil.com",
        "mike@example.com\r\nBcc: all@example.com",
        "mike\u202e@example.com",
        '"mike@evil.com> "@example.com',
        "mike@[127.0.0.1]",
        "mike@localhost",
        "mike@example.com,anna@example.com",
        "mike\uff20evil.com@example.com",
        "mike\ufc5e@example.com",
    ],
)
def test_email_that_means_another_address(world: World, email: str) -> None:
    with world.unchanged():
        assert problem(sign_up(world, email=email)) == (422, "invalid_request")


def test_email_of_somebody_else_in_other_letters(world: World) -> None:
    local, _, domain = world.anna.email.partition("@")
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in local)
    kelvin = world.anna.email.upper().replace("K", "\u212a")
    for email in (world.anna.email.upper(), f" {world.anna.email} ", f"{local}@{domain.upper()}"):
        with world.unchanged():
            assert problem(sign_up(world, email=email)) == (409, "email_taken")
    for email in (f"{wide}@{domain}", kelvin):
        with world.unchanged():
            answer = sign_up(world, email=email)
            assert problem(answer) in {(409, "email_taken"), (422, "invalid_request")}


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1+1", "-2+3", "@SUM(A1)", "\uff1d1+1", " =1"])
def test_csv_formula_injection_in_an_export(world: World, text: str) -> None:
    amount = {"amount": 1, "currency": "EUR"}
    body = {"reference": str(uuid4()), "amount": amount, "text": text}
    world.stack.staff.post(f"/staff/v1/clients/{world.mike.id}/top-ups", body)
    answer = world.mike.http.get("/client/v1/statement.csv")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
    assert f"'{text.strip()}" in cells
    texts = [cell for cell in cells if not cell.lstrip("-").isdigit()]
    assert [cell for cell in texts if cell.strip()[:1] in set("=+-@\uff1d")] == []
