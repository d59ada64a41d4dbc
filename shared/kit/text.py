"""Types of text that people send: what a database can't keep or a reader can't see is refused.

Text is kept as NFC, so that what looks the same is the same. Characters that only turn the line
around or take no room (bidirectional controls, zero-width spaces) make one name look like another:
they are refused. Joiners stay, which Persian and Indian scripts need.
"""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

_UNSEEN = r"\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
_ONE_LINE = rf"\u0000-\u001f\u007f-\u009f\u2028\u2029{_UNSEEN}"
_SOME_LINES = rf"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f{_UNSEEN}"
_CONTROLS = re.compile(f"[{_ONE_LINE}\U000e0000-\U000e007f]")
_CONTROLS_BUT_LINES = re.compile(f"[{_SOME_LINES}\U000e0000-\U000e007f]")


def _one_line(value: str) -> str:
    if _CONTROLS.search(value):
        message = "control characters, invisible ones and line breaks aren't allowed here"
        raise ValueError(message)
    return unicodedata.normalize("NFC", value)


def _some_lines(value: str) -> str:
    if _CONTROLS_BUT_LINES.search(value):
        message = "control characters and invisible ones aren't allowed here"
        raise ValueError(message)
    return unicodedata.normalize("NFC", value)


def same_email(email: str) -> str:
    """The address as it is kept and looked for, whatever way it was typed.

    In lower case; wide letters, ligatures and the like are those that they stand for.
    """
    return unicodedata.normalize("NFKC", email).strip().lower()


def _same_email(value: object) -> object:
    return same_email(value) if isinstance(value, str) else value


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_one_line),
    Field(json_schema_extra={"pattern": f"^[^{_ONE_LINE}]*$"}),
]
Lines = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=4000),
    AfterValidator(_some_lines),
    Field(json_schema_extra={"pattern": f"^[^{_SOME_LINES}]*$"}),
]
# Before an address is judged it gets the form it is kept in: some characters stand for an @.
IN_ONE_FORM = BeforeValidator(_same_email)
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=rf"^[^\s@{_ONE_LINE}]+@[^\s@{_ONE_LINE}]+$"),
    IN_ONE_FORM,
    Field(examples=["olga@example.com"]),
]
# A password that is only compared: of any length, since only whether it fits is looked at.
GivenPassword = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
    Field(examples=["correct horse battery"]),
]
# A new one of a person; `shared.kit.passwords` also looks whether it is a common one.
NewPassword = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=12, max_length=200, pattern=r"^[^\x00]*$"),
    Field(examples=["correct horse battery"]),
]
# Of a VM. Not stripped, and of any characters but NUL, which C libraries take for the end.
Password = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=10, max_length=200, pattern=r"^[^\x00]*$"),
    Field(examples=["correct horse battery"]),
]
