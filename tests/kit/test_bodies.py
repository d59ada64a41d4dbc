"""JSON that two readers could understand differently is refused before anybody works with it."""

import contextlib
import gc
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.bodies import DEEPEST, judge
from shared.kit.problems import ProblemError

A_MEGABYTE = 1_000_000
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" * 10_000 + b"]" * 10_000, "32 deep"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "32 deep"),
        (b'{"a": 1, "a": 2}', "same key twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "same key twice"),
        (b'{"a": 9223372036854775808}', "64 bits"),
        (b'{"a": -9223372036854775809}', "64 bits"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "64 bits"),
        (b'{"a": 1e400}', "64 bits"),
        (b'{"a": NaN}', "no number"),
        (b'{"a": -Infinity}', "no number"),
        (b'{"\\ud800": 1}', "surrogate"),
        (b'{"a": ["\\udfff"]}', "surrogate"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        ('{"a": 1}'.encode("utf-32"), "UTF-8"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": 1}\x00', "UTF-8"),
    ],
)
def test_what_may_be_understood_differently_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(ProblemError, match=words) as caught:
        judge(body)
    assert caught.value.type.code == "malformed_request"
    assert not caught.value.type.refused


@given(VALUES)
def test_what_json_writes_passes(value: Any) -> None:
    judge(json.dumps(value).encode())
    judge(json.dumps(value, ensure_ascii=False).encode())


@given(st.binary(max_size=200))
def test_whatever_comes_it_is_refused_or_passes(body: bytes) -> None:
    with contextlib.suppress(ProblemError):
        judge(body)


def test_brackets_inside_strings_are_no_depth() -> None:
    judge(json.dumps({"a": "[{" * DEEPEST * 2, 'b"\\[': '\\"[[[' * DEEPEST}).encode())
    judge(b"[" * DEEPEST + b"]" * DEEPEST)


@pytest.mark.parametrize(
    "body_of",
    [
        lambda size: b"[" + b"[]," * (size // 3) + b"[]]",
        lambda size: b'["' + b'\\"' * (size // 2) + b"[" * 40,
        lambda size: b'"' * size + b"[" * 40,
        lambda size: b"[" * 40 + b'"' + b"\\" * size,
    ],
    ids=["flat lists", "an open string", "quotes", "backslashes"],
)
def test_time_grows_with_the_length_only(body_of: Callable[[int], bytes]) -> None:
    """Eight times the length takes no 24 times as long; by the square it would be 64 times."""
    short, long = (seconds_to_judge(body_of(size)) for size in (A_MEGABYTE // 8, A_MEGABYTE))
    assert long < 24 * short + 0.05


def seconds_to_judge(body: bytes) -> float:
    """Of the processor; the best of three, for others are at it, too.

    Without the collector: what it takes depends on all else that this process has in memory.
    """
    found = []
    gc.disable()
    try:
        for _ in range(3):
            began = time.process_time()
            with contextlib.suppress(ProblemError):
                judge(body)
            found.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(found)
