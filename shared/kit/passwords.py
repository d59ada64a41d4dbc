"""Hashes and checks passwords of people with argon2id, in a thread: it takes 0.1 s.

New ones are long and none of the commonest, which is what NIST SP 800-63B asks for: no rules about
digits and signs, which people meet in ways that everybody guesses.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from pwdlib import PasswordHash

from shared.contract.problems import INVALID_REQUEST, FieldError
from shared.kit.problems import ProblemError

SHORTEST = 12
_HASHER = PasswordHash.recommended()

# What is left of the commonest passwords once digits, signs and usual substitutes are taken away.
_COMMON = frozenset(
    files("shared.kit").joinpath("commonest.txt").read_text(encoding="utf-8").split()
)
_SUBSTITUTES = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t"}
    | {
        "@": "a",
        "$": "s",
        "!": "i",
    }
)
_ROWS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_NO_LETTERS = re.compile(r"[\W\d_]+")
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_FEWEST_KINDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Whether a password fits its hash, and the hash to keep instead where parameters changed."""

    fits: bool
    newer: str | None = field(default=None, repr=False)


async def hash_password(password: str) -> str:
    """The encoded argon2id hash."""
    return await asyncio.to_thread(_HASHER.hash, password)


async def verify_password(password: str, encoded: str | None) -> bool:
    """Whether it fits; None as hash takes the same time and is always false."""
    return (await check_password(password, encoded)).fits


async def check_password(password: str, encoded: str | None) -> Checked:
    """As `verify_password`, with a newer hash where this one was made with other parameters."""
    decoy = await asyncio.to_thread(_decoy, _HASHER)  # asked for also where it isn't needed
    fits, newer = await asyncio.to_thread(_HASHER.verify_and_update, password, encoded or decoy)
    return Checked(fits=fits, newer=newer if fits else None) if encoded else Checked(fits=False)


@cache
def _decoy(hasher: PasswordHash) -> str:
    """Checked where there is no such login, so that the answer takes as long as with one.

    Made by the first check of a process: those that check nothing start sooner.
    """
    return hasher.hash("no such login")


def refuse_weak_password(password: str, *, personal: Iterable[str], path: str) -> None:
    """Raise `invalid_request` about the field at `path`, with what to do about it.

    `personal` are words of which the password mustn't be made: e-mail address and name.
    """
    reason = weakness(password, personal=personal)
    if reason is not None:
        detail = "Choose another password; a few words that don't belong together are good."
        raise ProblemError(INVALID_REQUEST, detail, errors=[FieldError(path=path, message=reason)])


def weakness(password: str, *, personal: Iterable[str]) -> str | None:
    """Why this password would be guessed early; None where nothing speaks against it."""
    plain = password.casefold()
    if len(password) < SHORTEST:
        return f"a password has at least {SHORTEST} characters"
    if len(set(plain)) < _FEWEST_KINDS or _is_repeated(plain) or _is_row(plain):
        return "this is a pattern that is tried first"
    cores = {_core(plain)} | {
        _core(part.translate(_SUBSTITUTES)) for part in (plain, _ENDS.sub("", plain))
    }
    if any(core in _COMMON or _is_repeated(core) for core in cores):
        return "this is one of the commonest passwords"
    if any(_core(word) in cores or plain == word for word in _words(personal)):
        return "this is your own name or e-mail address"
    return None


def _core(text: str) -> str:
    """The letters alone: what a year and an exclamation mark were added to."""
    return _NO_LETTERS.sub("", text)


def _words(personal: Iterable[str]) -> set[str]:
    found = set()
    for text in personal:
        plain = text.casefold()
        found |= {plain, plain.partition("@")[0], plain.partition("@")[2]}
    return {word for word in found if _core(word)}


def _is_repeated(text: str) -> bool:
    """Whether it is one short piece again and again."""
    return any(
        text == (text[:size] * len(text))[: len(text)] for size in range(1, len(text) // 2 + 1)
    )


def _is_row(text: str) -> bool:
    """Whether it runs along the alphabet, the digits or a row of keys."""
    return any(text in row * 3 or text[::-1] in row * 3 for row in _ROWS)
