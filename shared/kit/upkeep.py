"""What an operator of either service does with its secrets and its audit, on the command line."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy import MetaData

from shared.kit.db import DATABASE_AWAY
from shared.kit.fingerprints import WrongSecretKeys
from shared.kit.people import People, Unattended, audit
from shared.kit.people.chain import START, Broken, Head, read_head, verify_chain
from shared.kit.rotation import Counts, UnknownColumns, count_secrets, load_models, rotate_secrets
from shared.kit.runtime import Runtime
from shared.kit.terminal import plain_errors

Done = TypeVar("Done")
KnownHead = Annotated[
    str | None, typer.Option("--head", help="A head that was kept elsewhere; it must be in it.")
]


def add_upkeep(
    app: typer.Typer,
    *,
    make_runtime: Callable[[], Runtime[Any]],
    people: People,
    metadata: MetaData,
    package: str,
) -> None:
    """Add `audit head`, `audit verify`, `secrets status` and `secrets rotate` to a command line."""
    load_models(package)

    def run(act: Callable[[Runtime[Any]], Awaitable[Done]]) -> Done:
        async def connected() -> Done:
            runtime = make_runtime()
            async with runtime.running():
                return await act(runtime)

        with plain_errors():
            try:
                return asyncio.run(connected())
            except (WrongSecretKeys, UnknownColumns, *DATABASE_AWAY) as error:
                raise ValueError(str(error)) from error
        raise typer.Exit(1)

    app.add_typer(_audit_commands(run, people), name="audit")
    app.add_typer(_secret_commands(run, people, metadata), name="secrets")


def _audit_commands(run: Callable[..., Any], people: People) -> typer.Typer:
    commands = typer.Typer(no_args_is_help=True, help="The chain of what staff changed.")

    @commands.command("head")
    def head() -> None:
        """Print where the chain ends. Keep it where nobody with the database can write."""

        async def act(runtime: Runtime[Any]) -> Head:
            async with runtime.staff.read() as session:
                return await read_head(session, people)

        try:
            typer.echo(run(act))
        except Broken as broken:
            _fail(f"broken at {broken}")

    @commands.command("verify")
    def verify(*, head: KnownHead = None) -> None:
        """Walk the whole chain. Exits with 1 and says where it is broken first, and why."""
        with plain_errors():
            known = Head.parse(head) if head else START
        try:
            found = run(lambda runtime: verify_chain(runtime.staff, people, known=known))
        except Broken as broken:
            _fail(f"broken at {broken}")
        typer.echo(f"the chain holds, {found.number} entries")
        typer.echo(f"head {found}")

    return commands


def _secret_commands(run: Callable[..., Any], people: People, metadata: MetaData) -> typer.Typer:
    commands = typer.Typer(no_args_is_help=True, help="What is encrypted, and under which key.")

    @commands.command("status")
    def status() -> None:
        """Count what is under older keys. Exits with 0 when these may be taken out."""
        _show(run(lambda runtime: count_secrets(runtime.staff, metadata)))

    @commands.command("rotate")
    def rotate() -> None:
        """Encrypt everything under the newest key. May be ended and begun anew at any time."""

        async def act(runtime: Runtime[Any]) -> tuple[int, Counts]:
            changed = await rotate_secrets(runtime.staff, metadata)
            if changed:
                async with runtime.staff.write() as session:
                    await audit(
                        session,
                        people,
                        Unattended.CLI,
                        "secrets.rotate",
                        object_type="database",
                        object_id="encrypted columns",
                        after={"rows": changed},
                    )
            return changed, await count_secrets(runtime.staff, metadata)

        changed, counts = run(act)
        typer.echo(f"{changed} rows encrypted anew")
        _show(counts)

    return commands


def _show(counts: Counts) -> None:
    for name, count in counts.columns.items():
        typer.echo(
            f"{name}: {count.values} values, {count.older} under older keys,"
            f" {count.unreadable} that no key opens"
        )
    if counts.unreadable:
        _fail("some values were encrypted with a key that isn't in the settings: put it back")
    if counts.older:
        _fail("older keys are still needed: run `secrets rotate`, again where it was just done")
    typer.echo("nothing is left under older keys: they may be taken out of the settings")


def _fail(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(1)
