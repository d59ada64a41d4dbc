"""Types of text that people send: what a database can't keep or a terminal obeys is refused."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROLS_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _one_line(value: str) -> str:
    if _CONTROLS.search(value):
        message = "control characters and line breaks aren't allowed here"
        raise ValueError(message)
    return value


def _some_lines(value: str) -> str:
    if _CONTROLS_BUT_LINES.search(value):
        message = "control characters aren't allowed here"
        raise ValueError(message)
    return value


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_one_line),
    Field(json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"}),
]
Lines = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=4000),
    AfterValidator(_some_lines),
    Field(
        json_schema_extra={"pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"}
    ),
]
# Not stripped, and of any characters but NUL, which C libraries take for the end.
Password = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=10, max_length=200, pattern=r"^[^\x00]*$"),
    Field(examples=["correct horse battery"]),
]
