"""What is called a secret stands in no `repr`: not in a traceback, not in a line of a log."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import APPLICATION, Source, sources

SECRET = re.compile(
    r"(^|_)(password|password_hash|secret|secrets|token|user_data|content|recovery_codes|uri|key)$"
)
# `key` is the word for many things: of these classes it is one that opens something.
KEYS = {"NewSeller", "SellerChange", "SellerAccess", "CreatedKey"}
NO_SECRET = {
    # name of a field -> why it is shown all the same
    "content_hash": "a hash with a salt",
}


def fields(source: Source) -> Iterator[tuple[str, ast.AnnAssign]]:
    """Yield each field of a class of data, with `Class.field`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and not _is_table(node):
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    yield f"{node.name}.{line.target.id}", line


def _is_table(node: ast.ClassDef) -> bool:
    """A row's `repr` is the default one and tells no column."""
    return any("Mapped[" in ast.unparse(line) for line in node.body)


def shown(source: Source) -> Iterator[str]:
    """Yield the fields of secrets that a `repr` tells."""
    for name, line in fields(source):
        owner, _, field = name.partition(".")
        if not SECRET.search(field) or field in NO_SECRET:
            continue
        if field == "key" and owner not in KEYS:
            continue
        kind = ast.unparse(line.annotation)
        if not re.search(r"\b(str|bytes|Password|NewPassword|GivenPassword|CryptHash)\b", kind):
            continue
        if "repr=False" not in ast.unparse(line):
            yield f"{source.path}:{line.lineno} {name}"


def test_no_field_of_a_secret_is_in_a_repr() -> None:
    assert [
        place for source in sources(*APPLICATION, "local_stack") for place in shown(source)
    ] == []


def test_a_shown_secret_is_found() -> None:
    tree = ast.parse("class New:\n    password: str\n    token: str = field(repr=False)\n")
    made = Source(path=Path("new.py"), text="", tree=tree)
    assert [place.split()[-1] for place in shown(made)] == ["New.password"]
