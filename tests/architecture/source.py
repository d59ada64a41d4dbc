"""Reads the house's own Python files for the tests of its architecture; judges nothing."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = ("shared", "selling_service", "reselling_service")
EVERYTHING = (*APPLICATION, "local_stack", "bench", "tests")
SERVICES = ("selling_service", "reselling_service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file: its path from the root, its text, its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """The dotted name, e.g. `selling_service.ledger.rules`."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources(*packages: str) -> tuple[Source, ...]:
    """Return every Python file of these top-level packages."""
    paths = sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))
    return tuple(read(path) for path in paths)


def read(path: Path) -> Source:
    """Return one file, parsed."""
    text = path.read_text()
    return Source(path=path.relative_to(ROOT), text=text, tree=ast.parse(text, str(path)))


def rooms() -> list[Path]:
    """Return the folders of all rooms of both services."""
    return sorted(
        folder
        for service in SERVICES
        for folder in (ROOT / service).iterdir()
        if (folder / "__init__.py").exists() and folder.name != "migrations"
    )


def imports(source: Source) -> Iterator[str]:
    """Yield the dotted names of everything that the file imports, also inside functions."""
    package = source.module.split(".")
    if source.path.name != "__init__.py":
        package.pop()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def docstrings(tree: ast.Module) -> set[int]:
    """Return the ids of the nodes that are docstrings."""
    return {
        id(node.value)
        for owner in ast.walk(tree)
        if isinstance(owner, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for node in owner.body[:1]
        if isinstance(node, ast.Expr)
    }
