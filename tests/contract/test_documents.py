"""What each OpenAPI document must have, so that a person or a generator can work from it."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from shared.contract.problems import PROBLEM_MEDIA_TYPE
from shared.kit.openapi import operations, problem_codes
from tests.contract.documents import SERVICES, application, document, scheme_of

COMPONENT_NAME = re.compile(r"^[A-Za-z0-9._-]+$")
READABLE = re.compile(r"^(partner|admin|staff|client)(_[a-z0-9]+){2,}$")
CODE_WORD = re.compile(r"(?<![\w-])(None|True|False|kwargs|dict|str|UUIDv\d)(?![\w-])")
# What is served beside the documents: they show these to nobody, so that no test made from them
# asks these. They hold nothing of anybody; hints are attacked by tests of their own.
UNDOCUMENTED = {
    "/openapi.json",
    "/docs",
    "/docs/assets",
    "/redoc",
    "/problems",
    "HEAD /healthz",
    "HEAD /readyz",
}
HINTS = "POST /hooks/{seller_id}"
# Answers of the whole application, not of a route's own making.
HEALTH = {"/healthz", "/readyz", "/metrics"}

pytestmark = pytest.mark.parametrize("service", SERVICES)


def routes(service: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for method, path, operation in operations(document(service)):
        yield f"{method} {path}", operation


def named(found: Iterator[tuple[str, bool]]) -> list[str]:
    """The routes of which it isn't so."""
    return [name for name, good in found if not good]


def texts(node: Any, key: str) -> Iterator[str]:
    """Every text under this key, wherever it is."""
    if isinstance(node, dict):
        if isinstance(node.get(key), str):
            yield node[key]
        for inner in node.values():
            yield from texts(inner, key)
    elif isinstance(node, list):
        for inner in node:
            yield from texts(inner, key)


def test_no_route_is_hidden_from_the_tests_that_are_made_of_the_documents(service: str) -> None:
    documented = {name for name, _ in routes(service)}
    served = set()
    for route in iter_route_contexts(application(service).routes):
        methods = (route.methods or set()) - ({"HEAD"} if "GET" in (route.methods or ()) else set())
        names = {f"{method} {route.path}" for method in methods} or {str(route.path)}
        served |= {str(route.path)} if route.path in UNDOCUMENTED else names
    hidden = served - documented - UNDOCUMENTED
    assert hidden == ({HINTS} if service == "reselling" else set())


def test_every_route_says_what_it_does(service: str) -> None:
    assert named((name, bool(one.get("summary"))) for name, one in routes(service)) == []
    summaries = Counter(
        (one["tags"][0], one["summary"], name.split("/")[1]) for name, one in routes(service)
    )
    assert [what for what, times in summaries.items() if times > 1] == []


def test_every_route_has_one_tag_that_is_described(service: str) -> None:
    described = {tag["name"] for tag in document(service)["tags"] if tag["description"]}
    assert (
        named(
            (name, len(one.get("tags", [])) == 1 and set(one["tags"]) <= described)
            for name, one in routes(service)
        )
        == []
    )
    assert described == {tag for _, one in routes(service) for tag in one["tags"]}


def test_every_operation_has_a_name_of_its_own_that_can_be_read(service: str) -> None:
    ids = Counter(one["operationId"] for _, one in routes(service))
    assert [name for name, times in ids.items() if times > 1] == []
    assert (
        named(
            (one["operationId"], bool(READABLE.match(one["operationId"])))
            for name, one in routes(service)
            if name.split()[1] not in HEALTH
        )
        == []
    )


def test_every_route_asks_for_the_right_credentials(service: str) -> None:
    def right(name: str, one: dict[str, Any]) -> bool:
        scheme = scheme_of(*name.split())
        return one.get("security") == ([{scheme: []}] if scheme else None)

    assert named((name, right(name, one)) for name, one in routes(service)) == []
    schemes = document(service)["components"]["securitySchemes"]
    for scheme in schemes.values():
        assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
        assert scheme["description"]


def test_every_problem_has_its_own_media_type_and_shape(service: str) -> None:
    def is_problem(response: dict[str, Any]) -> bool:
        content = response["content"]
        return set(content) == {PROBLEM_MEDIA_TYPE} and content[PROBLEM_MEDIA_TYPE]["schema"] == {
            "$ref": "#/components/schemas/Problem"
        }

    assert (
        named(
            (f"{name} {status}", is_problem(response))
            for name, one in routes(service)
            for status, response in one["responses"].items()
            if int(status) >= 400 and (name, status) != ("GET /readyz", "503")
        )
        == []
    )


def test_every_problem_stands_under_its_own_status(service: str) -> None:
    examples = document(service)["components"]["examples"]
    for name, one in routes(service):
        for status, codes in problem_codes(one).items():
            assert codes, (name, status)
            assert {examples[code]["value"]["status"] for code in codes} == {int(status)}, name


def test_every_route_declares_what_may_happen_to_any_of_its_kind(service: str) -> None:
    def missing(name: str, one: dict[str, Any]) -> set[str]:
        declared = set().union(*problem_codes(one).values())
        path = name.split()[1]
        wanted = {"internal_error", "body_too_large", "request_too_slow", "headers_too_large"}
        if path not in HEALTH:
            wanted |= {"unavailable"}
        if one.get("security"):
            wanted |= {"unauthorized"}
        if path.startswith("/partner/"):
            wanted |= {"rate_limited", "address_not_allowed", "certificate_required"}
        if any(part["in"] != "header" for part in one.get("parameters", ())):
            wanted |= {"invalid_request"}
        if "requestBody" in one:
            wanted |= {"invalid_request", "malformed_request"}
        if "after" in {part["name"] for part in one.get("parameters", ())}:
            wanted |= {"cursor_invalid"}
        if "{" in path and "/accounts/" not in path and "cancel" not in path:
            wanted |= {"not_found"}
        return wanted - declared

    assert {name: lacks for name, one in routes(service) if (lacks := missing(name, one))} == {}


def test_every_success_is_described(service: str) -> None:
    for name, one in routes(service):
        good = [status for status in one["responses"] if status.startswith("2")]
        assert len(good) == 1, name
        content = one["responses"][good[0]].get("content", {})
        if good[0] == "204":
            assert content == {}, name
        else:
            assert all(part.get("schema") or part.get("itemSchema") for part in content.values()), (
                name
            )
            assert content, name


def test_every_body_has_an_example_that_can_be_sent(service: str) -> None:
    schemas = document(service)["components"]["schemas"]

    def examples(one: dict[str, Any]) -> list[Any]:
        reference = one["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        found: list[Any] = schemas[reference.rsplit("/")[-1]].get("examples", [])
        return found

    assert (
        named((name, bool(examples(one))) for name, one in routes(service) if "requestBody" in one)
        == []
    )


def test_no_name_of_the_code_is_shown(service: str) -> None:
    found = document(service)
    for kind, components in found["components"].items():
        assert [name for name in components if not COMPONENT_NAME.match(name)] == [], kind
    names = [*found["components"]["schemas"], *texts(found["components"], "title")]
    assert [name for name in names if re.search(r"[\[\]]|_$|__|-Input$|-Output$", name)] == []
    parameters = [part["name"] for _, one in routes(service) for part in one.get("parameters", ())]
    assert [name for name in parameters if name.startswith("_")] == []
    described = [*texts(found, "description"), *texts(found, "summary")]
    assert [text for text in described if CODE_WORD.search(text)] == []
