"""What command lines of both services share: secrets that are asked for, errors in plain words."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console

from shared.kit.db import DATABASE_AWAY
from shared.kit.problems import ProblemError

_errors = Console(stderr=True, soft_wrap=True)


def secret(label: str, *, from_stdin: bool, twice: bool = False) -> str:
    """A line of standard input, or what is typed unseen."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt(label, hide_input=True, confirmation_prompt=twice))


def new_password(*, from_stdin: bool, generate: bool) -> str:
    """A password that is made up, read or asked for."""
    if generate:
        return secrets.token_urlsafe(15)
    return secret("Password", from_stdin=from_stdin, twice=True)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Say what is wrong in a line, without a traceback and without the values; exit code 1."""
    try:
        yield
    except ProblemError as problem:
        _say(f"{problem.type.title}. {problem.detail}")
        for wrong in problem.errors:
            _say(f"  {wrong.path}: {wrong.message}")
    except ValidationError as invalid:
        for error in invalid.errors(include_input=False, include_url=False):
            place = ".".join(str(part) for part in error["loc"])
            _say(f"{place}: {error['msg']}")
    except (ValueError, FileExistsError, FileNotFoundError) as error:
        _say(str(error))
    except DATABASE_AWAY as error:
        _say(f"The database did not do it: {error}")
    else:
        return
    raise typer.Exit(1)


def _say(text: str) -> None:
    _errors.print(text, markup=False, highlight=False)
