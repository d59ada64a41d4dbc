"""The reseller's command line: what an operator does first. It acts through the rooms' actions.

It works on the database of `RESELLING_DATABASE_URL` directly, and is audited as `cli`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from reselling_service.clients.actions import profile
from reselling_service.clients.actions.adding import Profile
from reselling_service.clients.queries import find_by_email
from reselling_service.clients.schemas import ClientCreate
from reselling_service.database import TENANT_SETTING, Base, Job, ResellingRuntime
from reselling_service.ledger.actions import Payment
from reselling_service.ledger.actions import top_up as add_payment
from reselling_service.ledger.schemas import TopUpAmount, TopUpRequest
from reselling_service.reconciliation.actions.running import run_once
from reselling_service.reconciliation.models import DESK
from reselling_service.sellers.actions.connect import connect_seller
from reselling_service.sellers.client import client_for, open_line
from reselling_service.sellers.queries import SellerAccess, list_accesses
from reselling_service.sellers.rules import check_address
from reselling_service.sellers.schemas import NewSeller
from reselling_service.settings import get_settings
from reselling_service.staff.actions import create_staff
from reselling_service.staff.models import PEOPLE
from reselling_service.staff.rules import KEPT_JOBS
from reselling_service.tariffs.actions.importing import ImportWish, fetch_catalog, import_tariffs
from reselling_service.tariffs.rules import OfferDiff
from reselling_service.tariffs.schemas import ImportRequest
from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.people import Role, Unattended
from shared.kit.people.job_commands import job_commands
from shared.kit.people.schemas import StaffInput
from shared.kit.principals import ClientId
from shared.kit.reconciling.report import read_report
from shared.kit.reconciling.schemas import ReportView
from shared.kit.runtime import Runtime
from shared.kit.telemetry import configure_logging
from shared.kit.terminal import new_password, plain_errors, secret
from shared.kit.upkeep import add_upkeep

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="The reseller's service: staff, sellers, tariffs, clients, money.",
)
add_upkeep(
    app,
    make_runtime=lambda: ResellingRuntime(get_settings(), tenant_setting=TENANT_SETTING),
    people=PEOPLE,
    metadata=Base.metadata,
    package="reselling_service",
)
_CLI = Unattended.CLI
Done = TypeVar("Done")
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Generate = Annotated[bool, typer.Option("--generate", help="Make one up, and show it once.")]


@app.command("create-staff")
def make_staff(
    email: str,
    *,
    name: Annotated[str, typer.Option(help="Without: the e-mail address.")] = "",
    role: Annotated[Role, typer.Option()] = Role.OWNER,
    password_stdin: FromStdin = False,
    generate: Generate = False,
) -> None:
    """Make a person of the staff. Without an option, the password is asked for."""
    password = new_password(from_stdin=password_stdin, generate=generate)

    async def act(runtime: ResellingRuntime) -> UUID:
        wanted = StaffInput(email=email, name=name or email, role=role, password=password)
        async with runtime.staff.write() as session:
            return await create_staff(session, _CLI, **dict(wanted))

    typer.echo(f"staff {_run(act)}")
    if generate:
        typer.echo(f"password {password}")


@app.command("connect")
def connect(
    name: Annotated[str, typer.Argument(help="Our name for the seller.")],
    url: Annotated[str, typer.Argument(help="Where it is reached.")],
    *,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key from standard input.")
    ] = False,
    authority: Annotated[
        Path | None, typer.Option(help="PEM: only what this signs is believed to be the seller.")
    ] = None,
    pin: Annotated[
        str | None, typer.Option(help="SHA-256 of the seller's certificate, as hex.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM: our own certificate; its key lies in --key-file.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="PEM: the key of our certificate.")] = None,
) -> None:
    """Connect a seller. Its key is asked for: a command line would show it to everybody here."""
    key = secret("Key", from_stdin=key_stdin)

    async def act(runtime: ResellingRuntime) -> UUID:
        tls = {
            "authority": _text(authority),
            "pin": pin,
            "certificate": _text(certificate),
            "key": _text(key_file),
        }
        new = NewSeller.model_validate({"name": name, "url": url, "key": key, "tls": tls})
        check_address(new.url, private_addresses=runtime.settings.seller_private_addresses)
        trust = new.tls.trust()
        about = await client_for(runtime, url=new.url, key=key, trust=trust).about()
        async with runtime.staff.write() as session:
            made = await connect_seller(
                session, _CLI, name=new.name, url=new.url, key=key, about=about, trust=trust
            )
            return made.id

    typer.echo(f"seller {_run(act)}")


@app.command("import")
def import_from(
    seller: Annotated[str, typer.Argument(help="Name or id of the seller.")],
    *,
    markup: Annotated[str, typer.Option(help="Percent on top of what the seller charges.")],
    name: Annotated[
        list[str] | None, typer.Option(help="Our name for a tariff: CODE=NAME. Repeat it.")
    ] = None,
    enable: Annotated[bool, typer.Option("--enable", help="Sell them at once.")] = False,
) -> None:
    """Import all tariffs of a seller, or bring them up to date."""

    async def act(runtime: ResellingRuntime) -> list[OfferDiff]:
        wanted = ImportRequest.model_validate(
            {"markup_percent": markup, "names": _pairs(name or []), "enable": enable}
        )
        async with runtime.staff.read() as session:
            access = await _seller(session, seller)
        catalog = await fetch_catalog(runtime, access)
        wish = ImportWish(
            upstream_ids=None,
            markup_percent=wanted.markup_percent,
            names=wanted.names,
            enable=wanted.enable,
        )
        async with runtime.staff.write() as session:
            return await import_tariffs(session, _CLI, access.seller_id, catalog, wish)

    for diff in _run(act):
        typer.echo(f"{diff.difference} {diff.described.code}")


@app.command("create-client")
def make_client(
    email: str,
    *,
    name: Annotated[str, typer.Option(help="Without: the e-mail address.")] = "",
    password_stdin: FromStdin = False,
    generate: Generate = False,
) -> None:
    """Make a client who can log in. Without an option, the password is asked for."""
    password = new_password(from_stdin=password_stdin, generate=generate)

    async def act(runtime: ResellingRuntime) -> UUID:
        wanted = ClientCreate(email=email, name=name or email, password=password)
        told = Profile(email=wanted.email, name=wanted.name, phone=None, address=None)
        async with runtime.staff.write() as session:
            made = await profile.create(session, _CLI, told, password=password, note=None)
            return made.id

    typer.echo(f"client {_run(act)}")
    if generate:
        typer.echo(f"password {password}")


@app.command("top-up")
def top_up(
    client: Annotated[str, typer.Argument(help="The client's e-mail address.")],
    amount: Annotated[int, typer.Argument(help="In minor units: 10000 is 100.00.")],
    *,
    text: Annotated[str, typer.Option(help="The client reads it.")] = "Top-up",
    reference: Annotated[
        UUID | None, typer.Option(help="The same reference is added once.")
    ] = None,
) -> None:
    """Add money to a client's balance."""

    async def act(runtime: ResellingRuntime) -> int | None:
        money = TopUpAmount(amount=amount, currency=runtime.settings.currency)
        wanted = TopUpRequest(reference=reference or new_id(), amount=money, text=text)
        payment = Payment(
            reference=wanted.reference, amount=amount, currency=money.currency, text=wanted.text
        )
        async with runtime.staff.write() as session:
            found = await find_by_email(session, email=client)
            if found is None:
                raise ValueError(f"there is no client {client}")
            entry = await add_payment(session, _CLI, ClientId(found.id), payment)
            return entry.balance_after

    typer.echo(f"balance {_run(act)}")


@app.command("reconcile")
def reconcile(
    *,
    run: Annotated[bool, typer.Option("--run", help="Compare everything first, here.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Print what differs between us and the sellers, and what would put it right."""

    async def act(runtime: ResellingRuntime) -> ReportView:
        if run:
            await run_once(runtime, asked_by=_CLI)
        async with runtime.staff.read() as session:
            return await read_report(session, DESK)

    report = _run(act)
    typer.echo(report.model_dump_json(indent=2) if as_json else report.text)


def _run(act: Callable[[ResellingRuntime], Awaitable[Done]]) -> Done:
    """Act with databases and the line to the sellers open; say errors in plain words."""

    async def run() -> Done:
        runtime: ResellingRuntime = Runtime(get_settings(), tenant_setting=TENANT_SETTING)
        async with runtime.running(), open_line(runtime):
            return await act(runtime)

    with plain_errors():
        return asyncio.run(run())
    raise typer.Exit(1)


def _text(file: Path | None) -> str | None:
    return None if file is None else file.read_text(encoding="ascii")


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given]
    if not all(middle for _, middle, _ in pairs):
        raise ValueError("names are given as CODE=NAME")
    return {code: name for code, _, name in pairs}


async def _seller(session: ReadSession, wanted: str) -> SellerAccess:
    for access in await list_accesses(session):
        if wanted in {access.name, str(access.seller_id)}:
            return access
    raise ValueError(f"there is no enabled seller {wanted}")


def _as_staff(act: Callable[[WriteSession], Awaitable[Done]]) -> Done:
    """One transaction; errors in plain words."""

    async def act_in_one(runtime: ResellingRuntime) -> Done:
        async with runtime.staff.write() as session:
            return await act(session)

    return _run(act_in_one)


app.add_typer(job_commands(_as_staff, PEOPLE, jobs=Job, kept=KEPT_JOBS), name="jobs")


if __name__ == "__main__":
    # What is logged must not get among what a command prints, e.g. a key.
    configure_logging(service="reselling-cli", level="WARNING", json_lines=False)
    app()
