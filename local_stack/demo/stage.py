"""Shows the story in a terminal: acts, steps, what each side sees; knows nothing of services."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from local_stack.demo.callers import Surprise

SIDES = {"provider": "cyan", "reseller": "magenta", "client": "green"}


class Stage:
    """Where the story is told."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._acts = 0
        self.checks = 0

    def act(self, title: str) -> None:
        """Begin a new part of the story."""
        self._acts += 1
        self._console.print()
        self._console.rule(f"[bold]{self._acts}. {escape(title)}", align="left")

    def tell(self, text: str) -> None:
        """Say what is done."""
        self._console.print(f"  [bold]·[/bold] {escape(text)}", highlight=False)

    def sees(self, side: str, text: str) -> None:
        """Say what one side sees: `provider`, `reseller` or `client`."""
        colour = SIDES[side]
        self._console.print(f"      [{colour}]{side:>8} sees[/] {escape(text)}", highlight=False)

    def table(self, *columns: str, rows: Iterable[Sequence[str]]) -> None:
        """Show rows."""
        shown = Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")
        for row in rows:
            shown.add_row(*(escape(cell) for cell in row))
        self._console.print(Padding(shown, (0, 0, 0, 6)))

    def check(self, *, that: str, holds: bool) -> None:
        """Prove what was said; Surprise where it doesn't hold."""
        if not holds:
            raise Surprise(f"this should be so, and isn't: {that}")
        self.checks += 1
        self._console.print(f"      [green]✓[/green] {escape(that)}", highlight=False)

    def end(self, *, seconds: float) -> None:
        """Close the story."""
        self._console.print()
        self._console.print(
            f"[bold green]The story holds:[/] {self.checks} checks in {seconds:.1f} s."
        )


def cents(amount: int) -> str:
    """Return `12.34 €` for 1234."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02} €"


def short(ref: str) -> str:
    """Return the end of an id, which tells it from others."""
    return f"…{ref[-8:]}"
