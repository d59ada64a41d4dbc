"""The pure rules about sellers: addresses, back-off of the circuit, event streams."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reselling_service.sellers.rules import (
    FAILURES_BEFORE_OPEN,
    LONGEST_OPEN_SECONDS,
    Circuit,
    SSELines,
    after_failure,
    circuit,
    clean_url,
    speaks_our_contract,
)

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)


@given(st.text(max_size=60))
def test_address_is_refused_or_stays_clean(text: str) -> None:
    try:
        cleaned = clean_url(f"https://{text}")
    except ValueError:
        return
    assert clean_url(cleaned) == cleaned
    assert not set("@?# ") & set(cleaned.removeprefix("https://").split("/")[0])


def test_circuit_opens_after_failures_in_a_row_and_longer_each_time() -> None:
    failures, opened = 0, []
    for _ in range(FAILURES_BEFORE_OPEN + 8):
        found = after_failure(failures=failures, key=False, now=NOW)
        failures = found.failures
        opened.append(found.retry_at)
    assert opened[: FAILURES_BEFORE_OPEN - 1] == [None] * (FAILURES_BEFORE_OPEN - 1)
    waits = [(at - NOW).total_seconds() for at in opened if at is not None]
    assert waits == sorted(waits)
    assert waits[0] == 1.0
    assert waits[-1] == LONGEST_OPEN_SECONDS


def test_refused_key_opens_the_circuit_at_once() -> None:
    assert after_failure(failures=0, key=True, now=NOW).broken


def test_circuit_is_half_open_once_its_time_has_come() -> None:
    at = NOW + timedelta(seconds=5)
    assert circuit(retry_at=None, now=NOW) is Circuit.CLOSED
    assert circuit(retry_at=at, now=NOW) is Circuit.OPEN
    assert circuit(retry_at=at, now=at) is Circuit.HALF_OPEN


@pytest.mark.parametrize(
    ("lowest", "highest", "spoken"),
    [("1.0", "1.0", True), ("0.9", "2.0", True), ("2.0", "3.0", False), ("", "", False)],
)
def test_contract_ranges(lowest: str, highest: str, *, spoken: bool) -> None:
    assert speaks_our_contract(lowest=lowest, highest=highest) is spoken


STREAM = (
    'id: 1-a\nevent: x\ndata: {"a": "\u2028"}\n\n'
    ": beat\n\r\n"
    "id: 2-b\r\ndata: one\r\ndata: two\r\n\r\n"
)


@given(st.lists(st.integers(min_value=1, max_value=9), max_size=60))
def test_stream_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    raw, lines = STREAM.encode(), SSELines(longest=1000)
    found: list[tuple[str, bytes] | None] = []
    for size in [*cuts, len(raw)]:
        found += lines.feed(raw[:size])
        raw = raw[size:]
    assert found == [("1-a", '{"a": "\u2028"}'.encode()), None, ("2-b", b"one\ntwo")]


def test_endless_event_is_an_error() -> None:
    lines = SSELines(longest=10)
    with pytest.raises(ValueError, match="too long"):
        lines.feed(b"data: 0123456789")
