"""The command `tandem`: a local pair of both services, and the command lines of each.

What it does stands in `stack`, `doctor` and `demo`; here are only words and tables.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from local_stack.backups import BackupError, check_ours, restore, take_backup
from local_stack.demo import Surprise, run
from local_stack.home import SERVICES, Home, HomeError
from local_stack.postgres_process import PostgresError
from local_stack.processes import wait_until
from local_stack.stack import (
    StackError,
    Status,
    bring_up,
    not_ready,
    read_status,
    take_down,
)
from shared.kit.clock import SystemClock

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Sell virtual machines through resellers: both services on this machine.",
)
_console = Console(soft_wrap=True)
_errors = Console(stderr=True, soft_wrap=True)
WIDTH_OF_LOGINS = 130
TITLES = {"selling": "provider", "reselling": "reseller"}
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Instead of the default.")]


@app.callback()
def main(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option(envvar="TANDEM_FOLDER", help="Where data, logs and secrets lie.")
    ] = Path(".tandem"),
) -> None:
    """Give every command the folder."""
    context.obj = Home(folder)


@app.command()
def up(
    context: typer.Context,
    *,
    detach: Annotated[bool, typer.Option(help="Return when both services answer.")] = True,
    sandbox: Annotated[bool, typer.Option(help="Let staff move the clocks on.")] = False,
    archive: Annotated[
        bool, typer.Option("--archive", help="Archive the log from now on: see `restore --to`.")
    ] = False,
    selling_port: Port = None,
    reselling_port: Port = None,
) -> None:
    """Start both services, their workers and databases; print addresses and first logins."""
    home: Home = context.obj
    ports = {"selling": selling_port, "reselling": reselling_port}
    with _clear_errors():
        given = {**os.environ, **_chosen(ports, sandbox=sandbox)}
        home.make()
        if archive and not home.wal.is_dir():
            if read_status(home).runs:
                raise StackError("the pair runs without an archive; `tandem down` first")
            home.wal.mkdir(mode=0o700)
        already = read_status(home).runs
        status = bring_up(home, home.environment(given), say=_say_phase)
        _console.print(f"The pair runs{' already' if already else ''}.")
        _show_differences(status, ports, sandbox=sandbox)
        _show(status)
        if not detach:
            _hold(home)


def _chosen(ports: dict[str, int | None], *, sandbox: bool) -> dict[str, str]:
    """Return the variables that options stand for."""
    chosen = {f"{name.upper()}_SANDBOX": str(sandbox).lower() for name in SERVICES}
    for name, port in ports.items():
        if port is not None:
            chosen[f"{name.upper()}_PORT"] = str(port)
    return chosen


def _say_phase(phase: str) -> None:
    _console.print(f"[dim]{phase if phase != 'running' else 'waiting for the services'} …[/dim]")


def _show_differences(status: Status, ports: dict[str, int | None], *, sandbox: bool) -> None:
    other = [
        f"{name} listens on port {status.state['ports'][name]['port']}"
        for name, port in ports.items()
        if port is not None and str(port) != status.state["ports"][name]["port"]
    ]
    if sandbox and not status.sandbox:
        other.append("it was not started as a sandbox")
    if other:
        _console.print(f"[yellow]But {' and '.join(other)}; `tandem down` first.[/yellow]")


def _show(status: Status) -> None:
    table = Table("service")
    for heading in ("API and its pages", "first login", "password"):
        # Folded, not cut: these are there to be copied.
        table.add_column(heading, overflow="fold")
    logins = status.home.read_logins()
    for name in SERVICES:
        email, password = logins.get(name, ("your own", ""))
        table.add_row(f"{name} ({TITLES[name]})", f"{status.url(name)}/docs", email, password)
    _print_whole(table)
    clocks = " · sandbox: the clocks can be moved on" if status.sandbox else ""
    _console.print(f"logs: {status.home.logs} · next: tandem demo · stop: tandem down{clocks}")


def _print_whole(table: Table) -> None:
    """Print it as wide as it is: a cut address or password is of no use."""
    Console(width=max(_console.width, WIDTH_OF_LOGINS)).print(table)


def _hold(home: Home) -> None:
    """Stay in the foreground until Ctrl-C or until the supervisor ends."""
    _console.print("Ctrl-C stops everything.")
    try:
        while not wait_until(lambda: not read_status(home).runs, seconds=60):
            pass
    except KeyboardInterrupt:
        _console.print("stopping …")
    take_down(home)


@app.command()
def down(
    context: typer.Context,
    *,
    vms: Annotated[bool, typer.Option("--vms", help="End the QEMU machines, too.")] = False,
) -> None:
    """Stop what `up` started, also after a crash; the data stay, and so do real VMs."""
    home: Home = context.obj
    with _clear_errors():
        stopped = take_down(home)
        _console.print("The pair is stopped; its data stay." if stopped else "Nothing runs.")
        if (home.folder / "qemu").exists():
            _tell_of_machines(home.environment(), end=vms)


def _tell_of_machines(environment: dict[str, str], *, end: bool) -> None:
    # The driver's modules, which those without QEMU needn't wait for.
    from local_stack.machines import end_machines, find_machines  # noqa: PLC0415

    if end:
        _console.print(f"{end_machines(environment)} virtual machines were ended.")
        return
    running = len(find_machines(environment))
    if running:
        _console.print(f"{running} virtual machines run on; `tandem down --vms` ends them.")


@app.command()
def status(context: typer.Context) -> None:
    """Say what runs; the exit code is 0 when everything does."""
    with _clear_errors():
        found = read_status(context.obj)
        if not found.runs:
            _console.print("Nothing runs; `tandem up` starts it.")
            raise typer.Exit(1)
        table = Table("process", "pid", "crashes", "state")
        supervisor = found.supervisor
        table.add_row("supervisor", str(supervisor.pid if supervisor else ""), "", found.phase)
        for name, program in found.programs.items():
            process = found.process(name)
            alive = process is not None and process.is_alive()
            pid = str(process.pid) if process and alive else ""
            table.add_row(name, pid, str(program["crashes"]), "runs" if alive else "waits to start")
        _print_whole(table)
        _show(found)
        problems = {name: not_ready(found, name) for name in SERVICES}
        for name, problem in problems.items():
            _console.print(f"{name}: {problem or 'ready'}")
        if any(problems.values()):
            raise typer.Exit(1)


@app.command()
def doctor(context: typer.Context) -> None:
    """Look at everything the pair needs, and say what to do where something is wrong."""
    # Most of a second, which the other commands needn't wait for.
    from local_stack.doctor import examine  # noqa: PLC0415

    home: Home = context.obj
    ill = 0
    with _clear_errors():
        for finding in examine(home, home.environment()):
            mark = "[green]ok [/green]" if finding.well else "[red]not[/red]"
            _console.print(f"{mark} {finding.subject}: {finding.text}", highlight=False)
            if not finding.well:
                ill += 1
                _console.print(f"      → {finding.remedy}", highlight=False)
    raise typer.Exit(1 if ill else 0)


@app.command()
def backup(context: typer.Context) -> None:
    """Copy the databases of the running pair, and its secrets, into the folder `backups`."""
    home: Home = context.obj
    with _clear_errors():
        check_ours(home, home.environment())
        made = take_backup(home, now=SystemClock().now())
        _console.print(f"Backup: {made.folder}; keep a copy of it on another machine.")
        if not home.wal.is_dir():
            _console.print("What comes after it isn't archived: `tandem up --archive` does that.")


@app.command(name="restore")
def restore_(
    context: typer.Context,
    *,
    to: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"], help="With offset."
        ),
    ] = None,
    only: Annotated[str | None, typer.Option(help="selling or reselling: that half alone.")] = None,
) -> None:
    """Go back to a moment, while the pair is down; without --to, as far as the archive reaches."""
    home: Home = context.obj
    with _clear_errors():
        if only not in (None, *SERVICES):
            raise StackError("--only takes selling or reselling")
        if read_status(home).runs:
            raise StackError("the pair runs; `tandem down` first")
        check_ours(home, home.environment())
        began, kept = restore(home, to=to, only=only, now=SystemClock().now())
        _console.print(f"Restored, from {began.folder.name}. What stood there is kept: {kept}")
        _console.print("`tandem up` starts it; then compare the halves as docs/operation.md says.")


_HANDED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=_HANDED_ON, add_help_option=False)
def selling(context: typer.Context) -> None:
    """The provider's commands: staff, partners, keys, tariffs (`tandem selling --help`)."""
    _hand_on(context)


@app.command(context_settings=_HANDED_ON, add_help_option=False)
def reselling(context: typer.Context) -> None:
    """The reseller's commands: staff, sellers, tariffs (`tandem reselling --help`)."""
    _hand_on(context)


def _hand_on(context: typer.Context) -> None:
    """Run a service's own command line with the pair's settings; imported only when wanted."""
    home: Home = context.obj
    service = str(context.info_name)
    if home.secrets.exists():
        with _clear_errors():
            os.environ.update(home.environment())
    commands: typer.Typer = import_module(f"{service}_service.cli").app
    commands(context.args, prog_name=f"tandem {service}")


@app.command()
def demo(context: typer.Context) -> None:
    """Tell the whole story of an order against the running pair, and check every step of it."""
    with _clear_errors():
        found = read_status(context.obj)
        if not found.runs:
            raise StackError("nothing runs; `tandem up` first")
        logins = found.home.read_logins()
        if set(logins) != set(SERVICES):
            raise StackError(
                f"{found.home.logins} doesn't hold the first logins of both services; the demo "
                "needs a pair whose databases `tandem up` made"
            )
        run(
            {name: found.url(name) for name in SERVICES},
            logins,
            sandbox=found.sandbox,
            console=_console,
            platform=found.platform,
        )


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Say what went wrong in a line, without a trace."""
    try:
        yield
    except (StackError, HomeError, PostgresError, BackupError, Surprise) as error:
        _errors.print(f"[bold red]tandem:[/bold red] {error}", highlight=False, markup=True)
        raise typer.Exit(1) from error
