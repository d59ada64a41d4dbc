"""Whatever bytes come, a parser of ours says a clean no, or understands: nothing else is raised."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from reselling_service.sellers.rules import SSELines, clean_url, is_final
from shared.contract.events import Event, make_cursor, read_cursor
from shared.contract.problems import WIRE_PROBLEMS, Problem
from shared.contract.services import without_comment
from shared.kit.addresses import check_url, is_public
from shared.kit.ids import new_id
from shared.kit.keys import split_key
from shared.kit.pagination import decode_cursor, encode_cursor
from shared.kit.patience import retry_after_seconds
from shared.kit.problems import ProblemError
from shared.kit.telemetry import parse_traceparent
from shared.kit.tls import read_certificates, read_pin

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TEXT = st.text(max_size=100)
# Headers arrive as Latin-1.
HEADER = st.text(st.characters(max_codepoint=255), max_size=100)
LONGEST = 2000


@given(HEADER | st.from_regex(r"[0-9]{1,30}|-?[0-9.e]{1,10}", fullmatch=True) | TEXT)
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Thu, 99 Foo 99999999999 99:99:99 GMT")
@example("9" * 5000)
@example("\u0661\u0662")
@example("inf")
def test_retry_after(value: str) -> None:
    seconds = retry_after_seconds(value, now=NOW, longest=3600.0)
    assert seconds is None or 0 <= seconds <= 3600


@given(HEADER | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\n?", fullmatch=True))
@example("00-" + "a" * 32 + "-" + "b" * 16 + "-01\n")
def test_traceparent(value: str) -> None:
    trace = parse_traceparent(value)
    if trace is not None:
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace.header())


@given(TEXT | st.from_regex(r"[0-9]{1,25}-[0-9a-f]{12}", fullmatch=True))
@example("1-ffffffffffff\n")
@example("\u0661-ffffffffffff")
def test_cursor_of_a_feed(text: str) -> None:
    try:
        number, start = read_cursor(text)
    except ValueError:
        return
    assert text == f"{number}-{start}"
    assert number < 2**63


@given(st.integers(0, 10**18 - 1))
def test_cursor_of_a_feed_comes_back(number: int) -> None:
    event_id = new_id()
    assert read_cursor(make_cursor(number=number, event_id=event_id)) == (
        number,
        event_id.hex[-12:],
    )


@given(TEXT | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
@example("A" * 22)
@example("!!" + "A" * 22)
@example("A" * 21 + "B")
@example("\u00e9")
def test_cursor_of_a_list(text: str) -> None:
    try:
        found = decode_cursor(text)
    except ProblemError as problem:
        assert problem.type.code == "cursor_invalid"  # noqa: PT017 - anything else is an error
        return
    assert found is not None
    assert encode_cursor(found) == text


@given(HEADER | st.from_regex(r"tps_[0-9a-f-]{30,36}_.{0,10}", fullmatch=True))
@example("tps_" + "\u0661" * 32 + "_x")
@example("tps_{" + "0" * 32 + "}_x")
def test_key_of_a_partner(token: str) -> None:
    found = split_key(token, prefix="tps")
    assert found is None or found[1]


@given(st.lists(st.binary(max_size=80) | st.sampled_from([b"data: {}\n\n", b"\n", b":\n", b"id:"])))
def test_stream_of_events(chunks: list[bytes]) -> None:
    """However it is cut, the same comes of it; what grows too long is a ValueError."""
    whole, parts = SSELines(longest=LONGEST), SSELines(longest=LONGEST)
    try:
        once = whole.feed(b"".join(chunks))
    except ValueError:
        return
    found = []
    for chunk in chunks:
        try:
            found += parts.feed(chunk)
        except ValueError:
            return
    assert found == once


@given(st.integers(1, 50), st.integers(1, 100))
def test_stream_that_never_ends_an_event_is_given_up(size: int, times: int) -> None:
    lines = SSELines(longest=LONGEST)
    fed = 0
    try:
        for _ in range(times * 100):
            lines.feed(b"data:" + b"x" * size + b"\n")
            fed += size
    except ValueError:
        assert fed > LONGEST - 2 * size
        return
    assert fed <= LONGEST


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
_FIELDS = list(Problem.model_fields)
PROBLEMS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(_FIELDS, JSON),
        "code": st.sampled_from(sorted(WIRE_PROBLEMS)) | JSON,
        "outcome": st.sampled_from(["refused", None]) | JSON,
        "status": st.integers(0, 1000) | JSON,
    },
)


@given(
    PROBLEMS.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=100),
    st.integers(100, 599),
    st.sampled_from(["application/problem+json", "application/json", "text/html"]) | HEADER,
)
def test_problem_from_a_seller(body: bytes, status: int, media_type: str) -> None:
    """Only a refusal of the catalogue, whole and of the right kind, ends a command."""
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        problem = None
    if is_final(status=status, media_type=media_type, problem=problem):
        assert problem is not None
        assert WIRE_PROBLEMS[problem.code].refused
        assert (problem.outcome, problem.status) == ("refused", status)


@given(JSON.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200))
def test_event_from_a_seller(body: bytes) -> None:
    with pytest.raises(ValidationError):
        Event.model_validate_json(body)


@given(TEXT | TEXT.map(lambda rest: f"https://{rest}") | TEXT.map(lambda rest: f"http://[{rest}]"))
@example("https://[::1")
@example("https://\u2100.example.com")
@example("https://a:b:c")
@example("https://[v1.x]/")
def test_address_of_others(url: str) -> None:
    for check in (clean_url, lambda text: check_url(text, private_addresses=False)):
        try:
            check(url)
        except ValueError:
            continue
    assert is_public(url) in {True, False}


@given(TEXT)
def test_fingerprint_ssh_key_and_certificates(text: str) -> None:
    for read in (read_pin, without_comment, read_certificates):
        try:
            assert "\n" not in read(text)
        except ValueError:
            continue
