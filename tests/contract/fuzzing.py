"""Runs schemathesis over one service of a running pair, and gathers what it found.

`SCHEMATHESIS_EXAMPLES` is how much is made up per operation: 3 in CI, 100 for a night.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import schemathesis
from schemathesis import AuthContext, Case, CheckContext, Config, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import Status, events, from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER
from schemathesis.schemas import BaseSchema

from shared.contract.problems import MALFORMED_REQUEST, PROBLEM_MEDIA_TYPE
from tests.contract.documents import scheme_of
from tests.contract.world import World

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3"))
# The world knows which ids a run may break; ids out of answers would lead to the run's own partner.
OWN_IDS = {"extra-data-sources": {"responses": False}}
SEED = 20_240_501
ROUNDS = 6
SETTINGS: dict[str, Any] = {
    "continue-on-failure": True,
    "request-timeout": 20,
    # A stream never ends: its first event is looked at here, the rest of it in test_stream.
    "max-stream-events": 1,
    "cache": {"enabled": False},
    "generation": {"max-examples": EXAMPLES, "database": "none"},
    "phases": {
        "examples": OWN_IDS,
        # Two wrong methods per path tell as much as seven.
        "coverage": {**OWN_IDS, "unexpected-methods": ["put", "trace"]},
        "fuzzing": OWN_IDS,
        "stateful": {"max-steps": 6},
    },
    # Whether a well-formed wish is granted is a matter of money, stock and state, not of its form.
    "checks": {"positive_data_acceptance": {"enabled": False}},
}
# These end sessions, or make the next login another one.
ENDING = (
    "/logout",
    "/me/password",
    "/second-factor",
    "/second-factor/confirm",
    "/second-factor/recovery-codes",
    "/second-factor/disable",
)
# Good tokens of others, by scheme, for as long as a run lasts; and how often they asked.
# What is on sale is there for every client.
_FOR_ALL = {"GET /client/v1/tariffs/{tariff_id}"}
_STRANGERS: dict[str, str] = {}
_ASKED_BY_STRANGERS: Counter[str] = Counter()
# Headers that say where a request ends; made up, they make it none.
FRAMING = {"transfer-encoding", "content-length", "host", "connection", "upgrade", "expect"}
LEAKS = re.compile(r"function-|lax-or-strict|constrained-|json-or-python|\[key\]")


@dataclass
class Findings:
    """What failed, with a command to try it again, and how often each operation answered what."""

    failures: list[str] = field(default_factory=list)
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def take(self, event: events.EngineEvent) -> None:
        """Remember what an event of the run tells."""
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            self.failures.append(f"{event.label}: {event.info.title}: {event.info.message}")
        if isinstance(event, events.ScenarioFinished):
            self._count(event)
            self.failures += _failed(event)

    @property
    def asked_by_strangers(self) -> Counter[str]:
        """How often somebody else asked for what an owner had got, by operation."""
        return _ASKED_BY_STRANGERS

    def never_succeeded(self) -> set[str]:
        """Operations that answered nothing below 300."""
        return {
            label
            for label, statuses in self.answers.items()
            if all(code >= 300 for code in statuses)
        }

    def _count(self, event: events.ScenarioFinished) -> None:
        for case_id, interaction in event.recorder.interactions.items():
            if interaction.response is not None:
                label = event.recorder.cases[case_id].value.operation.label
                self.answers[label][interaction.response.status_code] += 1


def _failed(event: events.ScenarioFinished) -> Iterator[str]:
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            info = check.failure_info
            if check.status is Status.FAILURE and info is not None:
                answer = event.recorder.interactions[case_id].response
                said = (
                    "no answer" if answer is None else f"{answer.status_code} {answer.text[:1000]}"
                )
                label = event.recorder.cases[case_id].value.operation.label
                what = f"{label}, {check.name}: {info.failure.title}: {info.failure.message}"
                yield f"{what}\n{info.code_sample}\n{said[:1000]}"


def fuzz(world: World, *, out_of_reach: Collection[str] = ()) -> Findings:
    """Ask the world's service everything that its document holds.

    What had no luck is asked again, some times at the most: few examples may all be made wrong, or
    meet a service that is just being changed. Operations `out_of_reach` can't succeed.
    """
    findings = Findings()
    _STRANGERS.clear()
    _STRANGERS.update(world.strangers)
    with _asking_for_what_exists(world):
        _ask(world, findings)
        for again in range(1, ROUNDS):
            if unlucky := findings.never_succeeded().difference(out_of_reach):
                _ask(world, findings, only=unlucky, again=again)
    return findings


def _ask(world: World, findings: Findings, *, only: Collection[str] = (), again: int = 0) -> None:
    config = Config.from_dict({**SETTINGS, "seed": SEED + again})
    every = schemathesis.openapi.from_url(f"{world.base_url}/openapi.json", config=config)
    schema = every.include(name=sorted(only)) if only else every
    _identify(schema, world)
    world.label = ""
    for event in from_schema(schema).execute():
        findings.take(event)


@schemathesis.check
def problem_is_declared(_context: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """The code of a problem is among those declared, for the status that it has."""
    if response.status_code < 400 or response.status_code == 405:
        return None
    if response.headers.get("content-type", [""])[0] != PROBLEM_MEDIA_TYPE:
        return None  # The check of the content type says so.
    label, problem = case.operation.label, response.json()
    if problem["code"] == MALFORMED_REQUEST.code and FRAMING & {
        name.lower() for name in case.headers
    }:
        return None  # Said before it is known what is asked for: it wasn't HTTP.
    declared = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    codes = declared.get("content", {}).get(PROBLEM_MEDIA_TYPE, {}).get("examples", {})
    if problem["code"] not in codes:
        message = f"`{problem['code']}` isn't among {sorted(codes)}"
        raise Failure(operation=label, title="Undeclared problem", message=message)
    if (problem["status"], problem["type"]) != (
        response.status_code,
        f"/problems#{problem['code']}",
    ):
        raise Failure(operation=label, title="Problem contradicts itself", message=response.text)
    if any(LEAKS.search(error["path"]) for error in problem["errors"]):
        raise Failure(operation=label, title="Names of the code on the wire", message=response.text)
    return None


@schemathesis.check
def only_its_owner_sees_it(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """What a partner or a client reads by its id, another one with a good key can't.

    Schemathesis' own check of this wants its own kind of logins; `ignored_auth` and
    `use_after_free` are on by default, as are all others.
    """
    scheme = scheme_of(*case.operation.label.split())
    stranger = _STRANGERS.get(scheme or "")
    mine = case.method == "GET" and response.status_code < 300 and case.path_parameters
    if stranger is None or not mine or case.operation.label in _FOR_ALL:
        return
    told = {"Authorization": f"Bearer {stranger}"}
    answer = httpx.get(str(response.request.url), headers=told, timeout=20, trust_env=False)
    if answer.status_code not in {404, 410, 429}:
        title, label = "Somebody else's object", case.operation.label
        raise Failure(operation=label, title=title, message=answer.text[:500])
    _ASKED_BY_STRANGERS[case.operation.label] += 1


def _identify(schema: BaseSchema, world: World) -> None:
    """Let each operation be asked by the one whom it is for."""

    @schema.auth(refresh_interval=None)
    class Credentials:
        def get(self, case: Case[Any], _context: AuthContext) -> str | None:
            label = case.operation.label
            if "/me/sessions" in label or label.endswith(ENDING):
                # These end sessions, so they get one that may end.
                return world.session_to_lose(label)
            scheme = scheme_of(*label.split())
            return world.tokens[scheme] if scheme else None

        def set(self, case: Case[Any], token: str, _context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {token}"


@contextmanager
def _asking_for_what_exists(world: World) -> Iterator[None]:
    """While the block runs, real values take the places of well-formed made-up ones."""

    def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
        label = case.operation.label
        if label != world.label:
            world.look(label)
            world.label = label
        world.tame(case)
        if world.is_real_turn(label):
            _make_real(world, case)

    schemathesis.hook(before_call)
    try:
        yield
    finally:
        GLOBAL_HOOK_DISPATCHER.unregister(before_call)


def _make_real(world: World, case: Case[Any]) -> None:
    """What was made wrong on purpose stays wrong."""

    def well_formed(location: ParameterLocation) -> bool:
        return case.meta is None or not case.meta.is_negative_at(location)

    if well_formed(ParameterLocation.PATH):
        case.path_parameters = world.real(case.path_parameters)
    if well_formed(ParameterLocation.HEADER):
        for name in set(case.headers) & set(world.values):
            case.headers[name] = world.pick(name)
    if well_formed(ParameterLocation.BODY):
        case.body = world.real(case.body)
