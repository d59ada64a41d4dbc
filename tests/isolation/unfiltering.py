"""Takes conditions out of statements, as a forgotten WHERE would; parameters stay in use."""

import re
from collections.abc import Callable
from dataclasses import dataclass

# `services.partner_id = $1::UUID`, however it is cast.
_TENANT = re.compile(
    r"\b(?:\w+\.)?(?:partner_id|client_id|partners\.id)\s=\s"
    r"(\$\d+(?:::UUID)?|CAST\(\$\d+ AS UUID\)|cast\(\$\d+ as uuid\))",
    re.IGNORECASE,
)
# Where a condition ends, outside of all parentheses that it opens itself.
_ENDS = re.compile(
    r"\b(?:ORDER BY|GROUP BY|HAVING|LIMIT|OFFSET|FETCH|FOR UPDATE|FOR NO KEY|FOR SHARE|FOR KEY|"
    r"UNION|INTERSECT|EXCEPT|RETURNING|ON CONFLICT|WINDOW|WHEN|THEN|END)\b",
    re.IGNORECASE,
)
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)


@dataclass(slots=True)
class Unfilter:
    """Rewrites statements, and counts what it took out."""

    how: Callable[[str], tuple[str, int]]
    removed: int = 0

    def __call__(self, statement: str) -> str:
        """The statement without it."""
        rewritten, count = self.how(statement)
        self.removed += count
        return rewritten


def without_tenant(statement: str) -> tuple[str, int]:
    """Without the conditions that compare a row's tenant with whoever asks."""
    return _TENANT.subn(r"(\1 IS NOT NULL)", statement)


def without_any(statement: str) -> tuple[str, int]:
    """With each WHERE fulfilled by every row, in subqueries too."""
    found, position, count = statement, 0, 0
    while where := _WHERE.search(found, position):
        begin = where.end()
        end = _end_of_condition(found, begin)
        condition = found[begin:end].strip()
        found = f"{found[:begin]} (({condition}) OR TRUE) {found[end:]}"
        # What stands inside the condition comes next: its subqueries have conditions as well.
        position = begin
        count += 1
    return found, count


def _end_of_condition(text: str, begin: int) -> int:
    depth, position = 0, begin
    while position < len(text):
        sign = text[position]
        if sign == "'":
            position = text.index("'", position + 1)
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth < 0:
                return position
        elif depth == 0 and _ENDS.match(text, position) and not text[position - 1].isalnum():
            return position
        position += 1
    return len(text)
