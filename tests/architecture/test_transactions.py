"""Transactions, clocks and lazy loading are nobody's private business."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import APPLICATION, Source, docstrings, sources

KIT = Path("shared/kit")
DATABASE_CLOCK = re.compile(
    r"\b(now\s*\(\s*\)|transaction_timestamp\s*\(|current_timestamp\b|localtimestamp\b|current_date\b)",
    re.IGNORECASE,
)


def calls(source: Source) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call with the last name of what is called."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute):
                yield node, called.attr
            elif isinstance(called, ast.Name):
                yield node, called.id


def places(found: Iterator[tuple[Source, int]]) -> list[str]:
    return [f"{source.path}:{line}" for source, line in found]


def test_only_the_kit_commits() -> None:
    def commits() -> Iterator[tuple[Source, int]]:
        for source in sources(*APPLICATION, "local_stack"):
            for call, name in calls(source):
                if name == "commit" and not source.path.is_relative_to(KIT):
                    yield source, call.lineno

    assert places(commits()) == []


def test_sql_never_asks_the_database_what_day_it_is() -> None:
    def asks() -> Iterator[tuple[Source, int]]:
        for source in sources(*APPLICATION):
            prose = docstrings(source.tree)
            for node in ast.walk(source.tree):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and id(node) not in prose
                    and DATABASE_CLOCK.search(node.value)
                ):
                    yield source, node.lineno

    assert places(asks()) == []


def test_sql_functions_never_ask_for_the_time_of_the_transaction() -> None:
    def asks() -> Iterator[tuple[Source, int]]:
        names = {"now", "current_timestamp", "current_date", "transaction_timestamp"}
        for source in sources(*APPLICATION):
            for call, name in calls(source):
                owner = call.func.value if isinstance(call.func, ast.Attribute) else None
                if name in names and isinstance(owner, ast.Name) and owner.id == "func":
                    yield source, call.lineno

    assert places(asks()) == []


def test_relationships_are_never_loaded_by_surprise() -> None:
    def surprises() -> Iterator[tuple[Source, int]]:
        for source in sources(*APPLICATION):
            for call, name in calls(source):
                lazy = [word.value for word in call.keywords if word.arg == "lazy"]
                values = [value.value for value in lazy if isinstance(value, ast.Constant)]
                if name == "relationship" and values != ["raise"]:
                    yield source, call.lineno

    assert places(surprises()) == []
