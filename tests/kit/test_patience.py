"""A Retry-After says how long to wait, in either of its forms, and never longer than we would."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.patience import retry_after_seconds

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
LONGEST = 3600.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Thu, 01 May 2031 12:00:30 GMT", 30.0),
        ("Thu, 01 May 2031 11:00:00 GMT", 0.0),
        ("99999999999999999999", LONGEST),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("²", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, now=NOW, longest=LONGEST) == seconds


@given(st.text(max_size=40))
def test_retry_after_never_fails(value: str) -> None:
    seconds = retry_after_seconds(value, now=NOW, longest=LONGEST)
    assert seconds is None or 0 <= seconds <= LONGEST
