"""Files and functions stay small enough to be read in one go."""

import ast

from tests.architecture.source import EVERYTHING, sources

LONGEST_FILE = 400
LONGEST_FUNCTION = 50


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {str(source.path): source.text.count("\n") for source in sources(*EVERYTHING)}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = [
        f"{source.path}:{node.lineno} {node.name}"
        for source in sources(*EVERYTHING)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []
