"""Whom the reseller believes to be its seller, and what it shows of itself, over real TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import trustme
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.datastructures import State

from reselling_service.sellers.client import Line, SellerClient
from reselling_service.sellers.errors import SellerProblem
from shared.kit.clock import SystemClock
from shared.kit.serving import Server, configure
from shared.kit.settings import ServiceSettings
from shared.kit.tls import Trust, fingerprint
from shared.kit.vault import Vault
from tests.kit.stage import eventually
from tests.ports import free_port
from tests.reselling.house import code_of, open_house
from tests.reselling.sellers.fake import FakeSeller

LOCAL = "127.0.0.1"
OURS = trustme.CA()
OTHERS = trustme.CA()


def pem(cert: trustme.LeafCert) -> str:
    return b"".join(part.bytes() for part in cert.cert_chain_pems).decode()


def authority(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


def shown_by(ca: trustme.CA) -> Trust:
    """Ours for the server, and a client's certificate of `ca`."""
    mine = ca.issue_cert("reseller.example.com")
    key = mine.private_key_pem.bytes().decode()
    return Trust(authority=authority(OURS), certificate=pem(mine), key=key)


@asynccontextmanager
async def seller(
    folder: Path, cert: trustme.LeafCert, *, client_ca: trustme.CA | None = None
) -> AsyncIterator[FakeSeller]:
    """A seller that is served as the real ones are, with this certificate."""
    (folder / "server.pem").write_text(pem(cert))
    (folder / "server-key.pem").write_bytes(cert.private_key_pem.bytes())
    if client_ca is not None:
        (folder / "clients.pem").write_text(authority(client_ca))
    settings = ServiceSettings(
        database_url=SecretStr("postgresql+asyncpg:///nowhere"),
        secret_keys=[SecretStr(Vault.new_key())],
        tls_certificate=folder / "server.pem",
        tls_key=folder / "server-key.pem",
        tls_client_ca=folder / "clients.pem" if client_ca else None,
    )
    fake, port = FakeSeller(), free_port()
    fake.url = f"https://{LOCAL}:{port}"
    config = configure(cast("FastAPI", fake), host=LOCAL, port=port, settings=settings)
    config.lifespan = "off"
    state = State({"draining": asyncio.Event(), "stopping": asyncio.Event()})
    server = Server(config, state=state)
    running = asyncio.create_task(server._serve())

    async def is_up() -> bool:
        return server.started

    await eventually(is_up)
    try:
        yield fake
    finally:
        server.should_exit = True
        await running


async def ask(fake: FakeSeller, trust: Trust) -> str:
    """The edition that the seller tells; raises SellerProblem."""
    line = Line(clock=SystemClock(), timeout_seconds=5, silence_seconds=5, private_addresses=True)
    try:
        client = SellerClient(line, url=fake.url, key=fake.key, trust=trust)
        return (await client.about()).edition
    finally:
        await line.aclose()


async def test_seller_of_our_own_authority_is_believed(tmp_path: Path) -> None:
    async with seller(tmp_path, OURS.issue_cert(LOCAL)) as fake:
        assert await ask(fake, Trust(authority=authority(OURS))) == "hosting_cloud"


@pytest.mark.parametrize("whom", ["nobody", "others", "the system's"])
async def test_seller_of_a_strange_authority_is_told_nothing(tmp_path: Path, whom: str) -> None:
    trust = {
        "nobody": Trust(pin="0" * 64),
        "others": Trust(authority=authority(OTHERS)),
        "the system's": Trust(),
    }[whom]
    async with seller(tmp_path, OURS.issue_cert(LOCAL)) as fake:
        with pytest.raises(SellerProblem, match="seller_unreachable"):
            await ask(fake, trust)
        assert fake.requests == []


async def test_expired_certificate_is_not_believed(tmp_path: Path) -> None:
    over = OURS.issue_cert(LOCAL, not_after=datetime.now(UTC) - timedelta(days=1))  # noqa: TID251
    async with seller(tmp_path, over) as fake:
        with pytest.raises(SellerProblem, match="seller_unreachable"):
            await ask(fake, Trust(authority=authority(OURS)))
        assert fake.requests == []


async def test_certificate_of_another_name_is_not_believed(tmp_path: Path) -> None:
    async with seller(tmp_path, OURS.issue_cert("elsewhere.example.com")) as fake:
        with pytest.raises(SellerProblem, match="seller_unreachable"):
            await ask(fake, Trust(authority=authority(OURS)))
        assert fake.requests == []


async def test_pinned_certificate_needs_no_authority(tmp_path: Path) -> None:
    cert = OTHERS.issue_cert("whatever.example.com")
    async with seller(tmp_path, cert) as fake:
        assert await ask(fake, Trust(pin=fingerprint(pem(cert)))) == "hosting_cloud"


async def test_wrong_pin_is_refused_also_where_the_authority_is_right(tmp_path: Path) -> None:
    cert, another = OURS.issue_cert(LOCAL), OURS.issue_cert(LOCAL)
    async with seller(tmp_path, cert) as fake:
        wrong = Trust(authority=authority(OURS), pin=fingerprint(pem(another)))
        with pytest.raises(SellerProblem, match="seller_unreachable"):
            await ask(fake, wrong)
        assert fake.requests == []
        right = Trust(authority=authority(OURS), pin=fingerprint(pem(cert)))
        assert await ask(fake, right) == "hosting_cloud"


async def test_client_certificate_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    seen: list[str | None] = []
    trust = shown_by(OTHERS)
    async with seller(tmp_path, OURS.issue_cert(LOCAL), client_ca=OTHERS) as fake:
        inner = fake.__call__

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["extensions"]["client_certificate"]["sha256"])
            await inner(scope, receive, send)

        fake.__class__ = type("Watched", (FakeSeller,), {"__call__": staticmethod(watched)})
        assert await ask(fake, trust) == "hosting_cloud"
        assert await ask(fake, Trust(authority=authority(OURS))) == "hosting_cloud"
    assert trust.certificate is not None
    assert seen == [fingerprint(trust.certificate), None]


async def test_client_certificate_of_a_strange_authority_ends_the_connection(
    tmp_path: Path,
) -> None:
    async with seller(tmp_path, OURS.issue_cert(LOCAL), client_ca=OTHERS) as fake:
        with pytest.raises(SellerProblem, match="seller_unreachable"):
            await ask(fake, shown_by(OURS))
        assert fake.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_versions_before_1_2_are_not_spoken(tmp_path: Path) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLError):
        old.set_ciphers("ALL:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with seller(tmp_path, OURS.issue_cert(LOCAL)) as fake:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(LOCAL, int(fake.url.rsplit(":")[-1]), ssl=old)


async def test_staff_set_tls_and_only_what_works_is_kept(
    reselling_database_url: str, tmp_path: Path
) -> None:
    cert = OURS.issue_cert(LOCAL)
    trust = shown_by(OTHERS)
    path = "/staff/v1/sellers"
    async with (
        seller(tmp_path, cert, client_ca=OTHERS) as fake,
        open_house(reselling_database_url, call_timeout_seconds=5) as house,
    ):
        new = {"name": "Hosting A", "url": fake.url, "key": fake.key}
        assert code_of(await house.owner.ask("POST", path, json=new)) == (424, "seller_unreachable")
        made = await house.owner.post(path, {**new, "tls": {"authority": authority(OURS)}})
        below = f"{path}/{made['id']}/tls"
        wrong = await house.owner.ask("PUT", below, json={"pin": "0" * 64})
        assert code_of(wrong) == (424, "seller_unreachable")
        assert await house.owner.get(f"{path}/{made['id']}") == made
        tls = {"pin": fingerprint(pem(cert)), "certificate": trust.certificate, "key": trust.key}
        changed = await house.owner.ask("PUT", below, json=tls)
        assert changed.json()["tls"] == {
            "authority": None,
            "pin": tls["pin"],
            "certificate": fingerprint(trust.certificate or ""),
        }
        assert (trust.key or "").splitlines()[1] not in changed.text
        for body in ({"certificate": trust.certificate}, {**tls, "key": "no PEM"}, {"pin": "12"}):
            answer = await house.owner.ask("PUT", below, json=body)
            assert code_of(answer) == (422, "invalid_request")
