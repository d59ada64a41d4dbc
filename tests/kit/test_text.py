"""Text that people send: what can't be seen is refused, and what looks the same is the same."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.kit.text import Line, Lines

LINE: TypeAdapter[str] = TypeAdapter(Line)
LINES: TypeAdapter[str] = TypeAdapter(Lines)


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "a\x1bb",
        "Anna\u202egnp.exe",
        "\u2066Anna\u2069",
        "An\u200bna",
        "An\u00adna",
        "An\ufeffna",
        "Anna\U000e0041",
        "a\u061cb",
    ],
)
def test_characters_that_nobody_sees_are_refused(text: str) -> None:
    for kind in (LINE, LINES):
        with pytest.raises(ValidationError, match="aren't allowed here"):
            kind.validate_python(text)


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert LINE.validate_python("Zoe\u0308") == LINE.validate_python("Zo\u00eb") == "Zo\u00eb"
    assert LINES.validate_python("Zoe\u0308\nA") == "Zo\u00eb\nA"


@pytest.mark.parametrize("text", ["Анна", "می\u200cخواهم", "ক্\u200dষ", "日本語", "O'Brien <x>"])
def test_the_scripts_of_the_world_are_taken(text: str) -> None:
    assert LINE.validate_python(text) == text
