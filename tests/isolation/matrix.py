"""Asks every route of both documents as everybody who must not get in, and finds who did.

A cell is one request by one stranger. What is somebody else's must be answered as what doesn't
exist: the same problem, field by field, after the same statements.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

from shared.contract.basics import Scope
from shared.kit.openapi import operations
from shared.kit.people import Role
from tests.contract.documents import SERVICES, document, scheme_of
from tests.isolation import rules
from tests.isolation.asking import Answer, Ask
from tests.isolation.places import (
    NEUTRAL,
    PLACES,
    filled,
    ids_among,
    names_in,
    unknown_like,
)
from tests.isolation.rules import MAKES_ITS_OWN, REFUSALS, UNAUTHORIZED, Route
from tests.isolation.world import Tenant, World

# Differs from one answer to the next, whoever asks for what.
OF_THE_REQUEST = {"request_id", "trace_id", "instance"}
HEADERS_OF_THE_REQUEST = {
    "x-request-id",
    "request-id",
    "x-trace-id",
    "traceparent",
    "ratelimit",
    "content-length",
}
# What makes the documents' examples fit this world.
FITTING = {
    "os": "debian-12",
    "os_templates": ["debian-12"],
    "max_price": {"amount": 10**11, "currency": "EUR"},
    "url": "https://localhost/somewhere",
}
FITS = Callable[[str], bool]
Who = TypeVar("Who", bound=str)


@dataclass(slots=True)
class Report:
    """How many cells of each kind were asked, and what leaked or wasn't as declared."""

    cells: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)

    def count(self, kind: str, route: Route, wrong: Iterator[str]) -> None:
        """One cell, with what is wrong about it."""
        self.cells[kind] += 1
        self.leaks += [f"{route.label} as {kind}: {what}" for what in wrong]

    def __str__(self) -> str:
        kinds = "".join(f"\n  {count:5} {kind}" for kind, count in sorted(self.cells.items()))
        return f"{self.cells.total()} cells, {len(self.leaks)} leaks{kinds}"


def routes() -> list[Route]:
    """Every operation of both documents. The scheme is told apart by service: who works where."""
    found = []
    for service in SERVICES:
        for method, path, operation in operations(document(service)):
            scheme = scheme_of(method, path)
            if (service, scheme) == ("selling", "staff_session"):
                scheme = "admin_session"
            found.append(
                Route(service=service, method=method, path=path, scheme=scheme, operation=operation)
            )
    return found


@dataclass(slots=True)
class Matrix:
    """The whole of it, on one world. `only` picks routes by label."""

    world: World
    only: FITS = lambda _label: True
    report: Report = field(default_factory=Report)

    def run(self) -> Report:
        """Ask everything."""
        for route in filter(lambda each: self.only(each.label), routes()):
            if route.scheme is None:
                self._open(route)
                continue
            self._strangers(route)
            if route.scheme == "partner_key":
                self._keys(route)
            if route.scheme in self.world.by_role:
                self._roles(route)
                self._mixed_parents(route)
            else:
                self._tenants(route)
        return self.report

    # ------------------------------------------------------------------------------ whose turn

    def _open(self, route: Route) -> None:
        """Nobody need say who they are, and nothing of anybody is told."""
        for body in self._bodies(route, {}):
            ask = Ask(method=route.method, path=route.path, body=body)
            wrong = self._markers(self.send(route, ask), ask, *self.world.victims.values())
            self.report.count("anybody, where it is open", route, wrong)

    def _strangers(self, route: Route) -> None:
        """Whose credentials aren't good here learns nothing but that, whatever they ask for."""
        victims = self.world.victims
        victim = (
            victims.get(str(route.scheme))
            or victims["partner_key" if route.service == "selling" else "client_session"]
        )
        ask = self.ask_for(route, victim.values)
        strangers = {**self.world.strangers[str(route.scheme)]}
        strangers.pop("blocked", None)
        for kind, answer in self._answers(route, ask, strangers).items():
            wanted = REFUSALS.get(kind, UNAUTHORIZED)
            self.report.count(kind, route, self._refused(answer, ask, wanted, victim))

    def _keys(self, route: Route) -> None:
        """A key that lacks the scope, and one of a partner that is blocked."""
        victim, scope = self.world.victims["partner_key"], rules.scope_of(route.label)
        ask = self.ask_for(route, victim.values)
        if scope is not None:
            lacking = replace(ask, token=self.world.by_scope[scope])
            wanted = REFUSALS["missing scope"]
            answer = self.send(route, lacking)
            self.report.count("missing scope", route, self._refused(answer, ask, wanted, victim))
            for other, token in self.world.by_scope.items():
                if other != scope:
                    answer = self.send(route, replace(ask, token=token))
                    self.report.count("enough scopes", route, _let_in(answer))
        blocked = replace(ask, token=self.world.strangers["partner_key"]["blocked"])
        answer = self.send(route, blocked)
        if rules.works_while_blocked(route.label):
            wrong = self._markers(answer, ask, victim)
        else:
            wrong = self._refused(answer, ask, REFUSALS["blocked"], victim)
        self.report.count("blocked partner", route, wrong)

    def _roles(self, route: Route) -> None:
        """Each role: let in, or told which one it takes."""
        allowed = rules.roles_of(route.label)
        self._of_another_person(route)
        victim = self._victim_of(route)
        ask = self.ask_for(route, victim.values)
        tokens = self.world.by_role[str(route.scheme)]
        for role, answer in self._answers(route, ask, tokens).items():
            if role in allowed:
                self.report.count(f"staff: {role}, allowed", route, _let_in(answer))
            else:
                wrong = self._refused(answer, ask, REFUSALS["other role"], victim)
                self.report.count(f"staff: {role}, not allowed", route, wrong)

    def _of_another_person(self, route: Route) -> None:
        """What is somebody's own below `/me` isn't there for a colleague."""
        names = set(_path_names(route))
        if "/me/" in route.path and names:
            token = self.world.by_role[str(route.scheme)][Role.READ_ONLY]
            values = {name: self.world.common[route.service][name] for name in names}
            self._like_unknown(route, values, names, token, "colleague")

    def _mixed_parents(self, route: Route) -> None:
        """What belongs to one tenant isn't found below another one, for staff either."""
        own = [name for name in _path_names(route) if name in PLACES[route.service]]
        if len(own) < 2 or route.label in rules.NOT_OF_ITS_PARENT:
            return
        victim, other = self._victim_of(route), self._victim_of(route, of=self.world.others)
        token = self.world.by_role[str(route.scheme)][Role.OWNER]
        for name in own[1:]:
            values = {**other.values, name: victim.values[name]}
            self._like_unknown(route, values, {name}, token, "child of another parent")

    def _tenants(self, route: Route) -> None:
        """The other partner or client asks for what is the victim's."""
        scheme = str(route.scheme)
        victim, other = self.world.victims[scheme], self.world.others[scheme]
        self._own(route, victim)
        named = self._named(route)
        if not named:
            ask = self.ask_for(route, other.values)
            answer = self.send(route, replace(ask, token=other.token))
            self.report.count(
                "other tenant, own things", route, self._own_only(answer, ask, scheme)
            )
        for names in _subsets(named):
            values = {**other.values, **{name: victim.values[name] for name in names}}
            self._like_unknown(route, values, names, other.token, "other tenant")
        if re.match(rules.OF_AN_INSTALLATION, route.label):
            sibling = self.world.by_scope[Scope.MONEY_READ]
            self._like_unknown(route, victim.values, {"endpoint_id"}, sibling, "other installation")
        for name in self._queries(route):
            value = self._value(route, victim, name)
            if value is not None:
                self._by_query(route, name, value, other)

    def _own(self, route: Route, tenant: Tenant) -> None:
        """The ids are real: their owner gets in with them."""
        ask = replace(self.ask_for(route, tenant.values), token=tenant.token)
        answer = self.send(route, ask)
        self.report.count("owner", route, _found(answer))

    # ---------------------------------------------------------------------------- how it's asked

    def ask_for(self, route: Route, values: Mapping[str, str], body: Any = None) -> Ask:
        known = {**self.world.common[route.service], **values}
        missing = [name for name in _path_names(route) if name not in known]
        if missing:
            raise LookupError(
                f"{route.label}: say in tests/isolation/places.py where {missing} are"
            )
        bodies = self._bodies(route, ids_among(known))
        return Ask(
            method=route.method,
            path=route.path.format(**known),
            headers={"Idempotency-Key": str(uuid4())},
            body=body if body is not None else next(iter(bodies), None),
        )

    def _bodies(self, route: Route, values: Mapping[str, str]) -> list[Any]:
        """The document's examples, with what exists in the places of ids."""
        wanted: Any = route.operation.get("requestBody")
        if wanted is None:
            return []
        reference = wanted["content"]["application/json"]["schema"]["$ref"].rsplit("/")[-1]
        examples = document(route.service)["components"]["schemas"][reference]["examples"]
        return [filled(each, {**FITTING, **values}) for each in examples]

    def _named(self, route: Route) -> set[str]:
        """Which of a tenant's ids its path and its bodies name."""
        in_bodies = set().union(*(names_in(body) for body in self._bodies(route, {})), set())
        return ({*_path_names(route)} | in_bodies) & set(PLACES[route.service])

    def _queries(self, route: Route) -> list[str]:
        parameters: Any = route.operation.get("parameters", [])
        names = [each["name"] for each in parameters if each["in"] != "path"]
        places = {*PLACES[route.service], *NEUTRAL, "after", "last-event-id"}
        if unknown := set(names) - places:
            raise LookupError(f"{route.label}: say in tests/isolation/places.py what {unknown} are")
        return [name for name in names if name not in NEUTRAL]

    def _value(self, route: Route, victim: Tenant, name: str) -> str | None:
        """What the victim would send there: for a cursor, the one after its own first row."""
        if name not in {"after", "last-event-id"}:
            return victim.values[name]
        path = route.path.removesuffix("/stream").format(**victim.values)
        ask = Ask(method="GET", path=path, query="limit=1", token=victim.token)
        found: str | None = self.send(route, ask).json["next"]
        return found

    def _answers(
        self, route: Route, ask: Ask, tokens: Mapping[Who, str | None]
    ) -> dict[Who, Answer]:
        """The same asked by several, side by side."""
        asks = [replace(ask, token=token) for token in tokens.values()]
        return dict(zip(tokens, self.world.ask_all(route.service, asks), strict=True))

    def send(self, route: Route, ask: Ask) -> Answer:
        """A stream is read until its reader's last event; others' end at once."""
        head = self.world.heads.get(ask.token or "", "")
        return self.world.ask(route.service, replace(ask, until=head))

    # ----------------------------------------------------------------------------- what is wrong

    def _like_unknown(
        self, route: Route, values: Mapping[str, str], names: set[str], token: str, kind: str
    ) -> None:
        """Somebody's and nobody's ids are answered alike, for each example of a body."""
        nothing = {**values, **{name: unknown_like(name, values[name]) for name in names}}
        in_path = bool(names & set(_path_names(route)))
        bodies = self._bodies(route, values) or [None]
        others = self._bodies(route, nothing) or [None]
        for body, other_body in zip(bodies, others, strict=True):
            if not in_path and not names & names_in(body):
                continue
            ask = replace(self.ask_for(route, values, body), token=token)
            other = replace(self.ask_for(route, nothing, other_body), token=token)
            sent = {values[name]: nothing[name] for name in names}
            wrong = self._alike(route, ask, other, sent, in_path=in_path)
            self.report.count(f"{kind}: {', '.join(sorted(names))}", route, wrong)

    def _by_query(self, route: Route, name: str, value: str, other: Tenant) -> None:
        nothing = unknown_like("after" if name == "last-event-id" else name, value)
        made = replace(self.ask_for(route, other.values), token=other.token)

        def with_value(found: str) -> Ask:
            if name == "last-event-id":
                return replace(made, headers={**made.headers, name: found})
            return replace(made, query=urlencode({name: found}))

        ask, unknown = with_value(value), with_value(nothing)
        wrong = self._alike(route, ask, unknown, {value: nothing}, in_path=False)
        self.report.count(f"other tenant: ?{name}", route, wrong)

    def _alike(
        self, route: Route, ask: Ask, unknown: Ask, sent: Mapping[str, str], *, in_path: bool
    ) -> Iterator[str]:
        found, nothing = self.send(route, ask), self.send(route, unknown)
        if in_path:
            wanted = MAKES_ITS_OWN.get(route.label, REFUSALS["foreign object"][0])
            if found.status != wanted:
                yield f"{found.status} {found.text[:200]} instead of {wanted}"
        if (found.status, found.code) != (nothing.status, nothing.code):
            yield f"{found.status} {found.code}, but {nothing.status} {nothing.code} for an unknown"
        elif found.is_problem:
            yield from _differences(found, nothing, sent)
        if (found.is_problem or route.method != "GET") and found.statements != nothing.statements:
            yield "other statements than for what doesn't exist"
        yield from self._own_only(found, ask, str(route.scheme))

    def _own_only(self, answer: Answer, ask: Ask, scheme: str) -> Iterator[str]:
        victim = self.world.victims.get(scheme)
        if answer.status >= 500:
            yield f"{answer.status} {answer.text[:200]}"
        if victim is not None:
            yield from self._markers(answer, ask, victim)

    def _refused(
        self, answer: Answer, ask: Ask, wanted: tuple[int, str], victim: Tenant
    ) -> Iterator[str]:
        if (answer.status, answer.code) != wanted:
            yield f"{answer.status} {answer.text[:200]} instead of {wanted}"
        yield from self._markers(answer, ask, victim)

    def _markers(self, answer: Answer, ask: Ask, *victims: Tenant) -> Iterator[str]:
        """What only a victim knows, and who asks didn't say themselves."""
        said = f"{answer.text} {answer.headers}"
        for victim in victims:
            for marker in victim.markers:
                if marker in said and marker not in ask.sent:
                    yield f"it tells {marker}: {answer.text[:200]}"

    def _victim_of(self, route: Route, *, of: Mapping[str, Tenant] | None = None) -> Tenant:
        scheme = "partner_key" if route.service == "selling" else "client_session"
        return (of or self.world.victims)[scheme]


def _path_names(route: Route) -> list[str]:
    return re.findall(r"{(\w+)}", route.path)


def _subsets(names: set[str]) -> Iterator[set[str]]:
    """Each of them alone, and all of them."""
    for name in sorted(names):
        yield {name}
    if len(names) > 1:
        yield names


def _let_in(answer: Answer) -> Iterator[str]:
    """Refused for whatever reason, but not for who it is."""
    refused = answer.status in {401, 403} and answer.code != "wrong_password"
    if refused or answer.status >= 500:
        yield f"{answer.status} {answer.text[:200]}, though it is allowed"


def _found(answer: Answer) -> Iterator[str]:
    refused = answer.status in {400, 401, 403, 404, 405, 422} and answer.code != "wrong_password"
    if refused or answer.status >= 500:
        yield f"{answer.status} {answer.text[:300]}: so what others hear shows nothing"


def _differences(found: Answer, nothing: Answer, sent: Mapping[str, str]) -> Iterator[str]:
    """Field by field, and header by header, but for what names the request."""
    here, there = found.json, nothing.json
    for name in sorted(set(here) | set(there)):
        left, right = str(here.get(name, "missing")), str(there.get(name, "missing"))
        for value, other in sent.items():
            left = left.replace(value, other)
        if left != right and name not in OF_THE_REQUEST:
            yield f"{name} is {left}, but {right} for what doesn't exist"
    for name in sorted(set(found.headers) | set(nothing.headers)):
        left, right = found.headers.get(name, "none"), nothing.headers.get(name, "none")
        if left != right and name not in HEADERS_OF_THE_REQUEST:
            yield f"header {name} is {left}, but {right} for what doesn't exist"
