"""Keys and sessions in the wrong place, of the wrong person, or made up."""

from uuid import uuid4

import pytest

from tests.attacks.world import World, problem

# The first of them makes the world.
pytestmark = [pytest.mark.timeout(300)]
ABOUT = "/partner/v1/about"


def new_key(world: World, *scopes: str) -> str:
    return world.stack.admin.make_key(world.mallory.partner["id"], scopes=list(scopes))


def test_key_of_another_scope(world: World) -> None:
    key = new_key(world, "services:read")
    with world.unchanged():
        answer = world.ask(
            "POST",
            "/partner/v1/services",
            by=key,
            command=str(uuid4()),
            json=world.order(),
        )
        assert problem(answer) == (403, "insufficient_scope")
        path = f"/partner/v1/services/{world.mallorys_ref}/terminate"
        answer = world.ask("POST", path, by=key, command=str(uuid4()), json={"when": "now"})
        assert problem(answer) == (403, "insufficient_scope")
        assert problem(world.ask("GET", "/partner/v1/balance", by=key))[0] == 403
        assert problem(world.ask("GET", "/partner/v1/events", by=key))[0] == 403


@pytest.mark.parametrize("name", ["key", "access_token", "token", "api_key", "authorization"])
def test_key_in_the_query_string(world: World, name: str) -> None:
    for value in (world.mallory.key, f"Bearer {world.mallory.key}"):
        assert problem(world.ask("GET", ABOUT, params={name: value})) == (401, "unauthorized")


@pytest.mark.parametrize("header", ["Cookie", "X-API-Key", "Proxy-Authorization", "X-Token"])
def test_key_in_another_header(world: World, header: str) -> None:
    told = {header: f"Bearer {world.mallory.key}"}
    assert problem(world.ask("GET", ABOUT, headers=told)) == (401, "unauthorized")


def test_key_that_was_revoked(world: World) -> None:
    key = new_key(world, "services:read")
    key_id = key.split("_")[1]
    path = f"/admin/v1/partners/{world.mallory.partner['id']}/keys/{key_id}/revoke"
    assert world.ask("GET", ABOUT, by=key).status_code == 200
    world.stack.admin.post(path)
    assert problem(world.ask("GET", ABOUT, by=key)) == (401, "unauthorized")


def test_key_with_the_id_of_another_and_a_secret_of_ones_own(world: World) -> None:
    _, alices_id, _ = world.alice.key.split("_", 2)
    _, _, secret = world.mallory.key.split("_", 2)
    for forged in (f"tps_{alices_id}_{secret}", f"tps_{alices_id}_", f"tps__{secret}"):
        assert problem(world.ask("GET", ABOUT, by=forged)) == (401, "unauthorized")


@pytest.mark.parametrize("scheme", ["Basic", "bearer bearer", "Digest", "Token", ""])
def test_key_under_another_scheme(world: World, scheme: str) -> None:
    told = {"Authorization": f"{scheme} {world.mallory.key}".strip()}
    assert problem(world.ask("GET", ABOUT, headers=told)) == (401, "unauthorized")


def test_partners_key_at_the_staffs_api_and_the_other_way_round(world: World) -> None:
    session = world.stack.admin.http.headers["Authorization"].removeprefix("Bearer ")
    with world.unchanged():
        answer = world.ask("GET", "/admin/v1/partners", by=world.mallory)
        assert problem(answer) == (401, "unauthorized")
        assert problem(world.ask("GET", ABOUT, by=session)) == (401, "unauthorized")


def test_clients_session_at_the_staffs_api(world: World) -> None:
    session = world.mike.http.headers["Authorization"].removeprefix("Bearer ")
    with world.unchanged():
        body = {
            "reference": str(uuid4()),
            "amount": {"amount": 100, "currency": "EUR"},
            "text": "x",
        }
        path = f"/staff/v1/clients/{world.mike.id}/top-ups"
        answer = world.ask("POST", path, by=session, at="reselling", json=body)
        assert problem(answer) == (401, "unauthorized")
        answer = world.ask("GET", "/staff/v1/clients", by=session, at="reselling")
        assert problem(answer) == (401, "unauthorized")


def test_service_of_another_partner_is_as_one_that_is_not_there(world: World) -> None:
    with world.unchanged():
        answers = [
            world.ask("GET", f"/partner/v1/services/{ref}", by=world.mallory)
            for ref in (world.alices_ref, str(uuid4()))
        ]
        assert [problem(answer) for answer in answers] == [(404, "not_found")] * 2
        first, second = (answer.json()["detail"] for answer in answers)
        assert first == second
        for verb in ("suspend", "stop", "start", "terminate", "restart"):
            assert problem(world.send(verb, {}, ref=world.alices_ref)) == (404, "not_found")


def test_service_of_another_client_is_as_one_that_is_not_there(world: World) -> None:
    with world.unchanged():
        path = f"/client/v1/services/{world.service_id}"
        assert problem(world.mike.http.get(path)) == (404, "not_found")
        bodies = {"rename": {"hostname": "mine.example.com"}, "terminate": {"when": "now"}}
        for verb in ("suspend", "stop", "terminate", "rename"):
            body = bodies.get(verb)
            answer = world.mike.http.post(f"{path}/{verb}", json=body)
            assert problem(answer) == (404, "not_found")


def test_session_fixation(world: World) -> None:
    """A token that the attacker chose beforehand is no session after the victim's login."""
    chosen = "a" * 43
    body = {"email": world.anna.email, "password": world.anna.password}
    told = {"Authorization": f"Bearer {chosen}", "Cookie": f"session={chosen}"}
    answer = world.ask("POST", "/client/v1/login", at="reselling", json=body, headers=told)
    assert answer.status_code in {200, 201}
    assert answer.json()["token"] != chosen
    assert "set-cookie" not in answer.headers
    me = world.ask("GET", "/client/v1/me", by=chosen, at="reselling")
    assert problem(me) == (401, "unauthorized")


def test_session_after_its_logout(world: World) -> None:
    body = {"email": world.mike.email, "password": world.mike.password}
    answer = world.ask("POST", "/client/v1/login", at="reselling", json=body)
    token = answer.json()["token"]
    assert world.ask("GET", "/client/v1/me", by=token, at="reselling").status_code == 200
    world.ask("POST", "/client/v1/logout", by=token, at="reselling")
    assert problem(world.ask("GET", "/client/v1/me", by=token, at="reselling"))[0] == 401


def test_wrong_passwords_in_other_letters_count_against_one_login(world: World) -> None:
    victim = world.stack.new_client(name="Vera", paid_in=0)
    seen = set()
    for number in range(12):
        email = victim.email.upper() if number % 2 else f" {victim.email}"
        body = {"email": email, "password": "wrong horse battery"}
        answer = world.ask("POST", "/client/v1/login", at="reselling", json=body)
        seen.add(problem(answer)[0])
    right = {"email": victim.email, "password": victim.password}
    locked = world.ask("POST", "/client/v1/login", at="reselling", json=right)
    assert problem(locked)[0] == 429
    assert seen == {401, 429}


def test_login_tells_no_difference_between_nobody_and_a_wrong_password(world: World) -> None:
    details = set()
    for email in (world.mike.email, f"{uuid4().hex}@example.com"):
        body = {"email": email, "password": "wrong horse battery"}
        answer = world.ask("POST", "/client/v1/login", at="reselling", json=body)
        assert problem(answer)[0] == 401
        details.add((answer.json()["code"], answer.json()["detail"]))
    assert len(details) == 1


def test_staff_who_only_read_make_themselves_owner(world: World) -> None:
    email = f"{uuid4().hex}@example.com"
    body = {
        "email": email,
        "name": "Rita",
        "role": "read_only",
        "password": "correct horse battery",
    }
    rita = world.stack.admin.post("/admin/v1/staff", body)
    login = {"email": email, "password": "correct horse battery"}
    token = world.ask("POST", "/admin/v1/login", json=login).json()["token"]
    with world.unchanged():
        path = f"/admin/v1/staff/{rita['id']}"
        answer = world.ask("PATCH", path, by=token, json={"role": "owner"})
        assert problem(answer) == (403, "role_required")
        answer = world.ask("POST", "/admin/v1/staff", by=token, json=body | {"role": "owner"})
        assert problem(answer) == (403, "role_required")
