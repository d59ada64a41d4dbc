"""Reads the body of a request whole, within limits, and judges JSON before anybody works with it.

What two readers could understand differently is refused: a key twice in one object, a number that
not every reader keeps, text that isn't UTF-8.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers

from shared.contract import problems as catalogue
from shared.kit.problems import ProblemError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

DEEPEST = 32
BODY_SECONDS = 20.0
_JUDGED = frozenset({"POST", "PUT", "PATCH"})
_NOTHING_DONE = frozenset({"", "identity"})
# A string is passed over in one step; an open end of one, too, so that the time stays linear.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
_LONGEST_INTEGER = 20
_MOST = 2**63
# The connection may hold more of a body that nobody will read.
_CLOSE = {"Connection": "close"}


class Gone(Exception):
    """The one who asked has hung up before everything was said."""


async def read_body(method: str, headers: Headers, receive: Receive, *, most: int) -> Receive:
    """Read the body, and return what gives it to the application as one message.

    Raises ProblemError (`encoding_not_supported`, `body_too_large`, `request_too_slow`,
    `malformed_request`) and Gone.
    """
    if headers.get("content-encoding", "").strip().lower() not in _NOTHING_DONE:
        detail = "Send the body as it is, without Content-Encoding."
        raise ProblemError(catalogue.ENCODING_NOT_SUPPORTED, detail, headers=_CLOSE)
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        return receive
    if length is not None and not (length.isascii() and length.isdigit() and int(length) <= most):
        raise _too_large(most)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _collect(receive, most=most)
    except TimeoutError:
        detail = f"The whole body must come within {BODY_SECONDS:.0f} s."
        raise ProblemError(catalogue.REQUEST_TOO_SLOW, detail, headers=_CLOSE) from None
    if body and method in _JUDGED and "json" in headers.get("content-type", "").lower():
        judge(body)
    return _given(body, receive)


async def _collect(receive: Receive, *, most: int) -> bytes:
    parts = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts += message.get("body", b"")
        if len(parts) > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return bytes(parts)


def _given(body: bytes, receive: Receive) -> Receive:
    """The whole body once, then whatever comes after it."""
    left = [body]

    async def give() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return give


def judge(body: bytes) -> None:
    """Raise `malformed_request` for JSON that may be understood differently, or not at all.

    What isn't JSON passes: the application says what is wrong with that.
    """
    if b"\0" in body:
        raise _malformed("The body must be JSON in UTF-8.")
    _judge_depth(body)
    try:
        text = body.decode("utf-8-sig")
        found = json.loads(
            text,
            object_pairs_hook=_once_each,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
        if _HALF_CHARACTER.search(body):
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise _malformed("The body must be JSON in UTF-8.") from None
    except UnicodeEncodeError:
        raise _malformed("The body has half of a surrogate pair, which is no character.") from None
    except json.JSONDecodeError:
        return


def _judge_depth(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth = 0
    for found in _BRACKETS.finditer(body):
        first = body[found.start()]
        if first in b"[{":
            depth += 1
            if depth > DEEPEST:
                raise _malformed(f"Objects and lists may lie in each other {DEEPEST} deep.")
        elif first in b"]}":
            depth -= 1


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _malformed("An object has the same key twice; which one is meant?")
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER or not -_MOST <= (value := int(text)) < _MOST:
        raise _malformed("A number is beyond 64 bits.")
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise _malformed("A number is beyond 64 bits.")
    return value


def _constant(text: str) -> None:
    raise _malformed(f"{text} is no number of JSON.")


def _malformed(detail: str) -> ProblemError:
    return ProblemError(catalogue.MALFORMED_REQUEST, detail)


def _too_large(most: int) -> ProblemError:
    detail = f"At most {most} bytes are taken."
    return ProblemError(catalogue.BODY_TOO_LARGE, detail, headers=_CLOSE)
