"""Makes the OpenAPI document of either service whole: names of operations, and each problem once.

It knows nothing of what the routes do.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.contract.problems import PROBLEM_MEDIA_TYPE, Problem, ProblemType
from shared.kit.problems import declare, example

Document = dict[str, Any]


def operation_id(route: APIRoute) -> str:
    """Whose API it is of, and the route's own name: `partner_order_service`."""
    parts = route.path_format.split("/")
    audience = parts[1:2] if parts[2:3] == ["v1"] else []
    return "_".join([*audience, route.name])


class API(FastAPI):
    """An application whose document holds every problem once, with an example.

    `told_problems` stand in bodies only, never in an answer's status: what an operation ended with.
    `problems_by_scheme` may be answered by every route that asks for these credentials.
    """

    told_problems: Sequence[ProblemType] = ()
    problems_by_scheme: Mapping[str, Sequence[ProblemType]] = MappingProxyType({})

    def openapi(self) -> Document:
        """The document, made when it is first asked for."""
        if self.openapi_schema is None:
            document = super().openapi()
            _declare_by_scheme(document, self.problems_by_scheme)
            _gather_problems(document, self.told_problems)
            self.openapi_schema = _with_plain_names(document)
        return self.openapi_schema


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Method in capitals, path and operation of each route."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def problem_codes(operation: Document) -> dict[str, set[str]]:
    """The codes of problems by status, as text, that an operation declares."""
    return {
        status: set(response["content"][PROBLEM_MEDIA_TYPE].get("examples", ()))
        for status, response in operation["responses"].items()
        if PROBLEM_MEDIA_TYPE in response.get("content", ())
    }


def _with_plain_names(document: Document) -> Document:
    """Schemas of pages under the name that their title has, not under one made of code."""
    schemas = document["components"]["schemas"]
    names = {name: schema["title"] for name, schema in schemas.items() if name.startswith("Page_")}

    def renamed(node: object) -> object:
        if isinstance(node, list):
            return [renamed(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            begin, _, name = node["$ref"].rpartition("/")
            return {**node, "$ref": f"{begin}/{names.get(name, name)}"}
        return {names.get(key, key): renamed(inner) for key, inner in node.items()}

    return cast("Document", renamed(document))


def _declare_by_scheme(document: Document, problems: Mapping[str, Sequence[ProblemType]]) -> None:
    for _, _, operation in operations(document):
        for scheme in (name for part in operation.get("security", ()) for name in part):
            for status, declared in declare(*problems.get(scheme, ())).items():
                answer = operation["responses"].setdefault(str(status), {"description": ""})
                content = answer.setdefault("content", {}).setdefault(PROBLEM_MEDIA_TYPE, {})
                told = declared["content"][PROBLEM_MEDIA_TYPE]
                content["schema"] = told["schema"]
                content["examples"] = {**content.get("examples", {}), **told["examples"]}
                words = (answer["description"], declared["description"])
                answer["description"] = "; ".join(filter(None, words))


def _gather_problems(document: Document, told: Sequence[ProblemType]) -> None:
    found = {type_.code: example(type_) for type_ in told}
    for _, _, operation in operations(document):
        for response in operation["responses"].values():
            content = response.get("content", {}).get(PROBLEM_MEDIA_TYPE)
            if content is not None:
                found.update(content["examples"])
                content["examples"] = {
                    code: {"$ref": f"#/components/examples/{code}"} for code in content["examples"]
                }
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schema.pop("$defs"), Problem=schema)
    components["examples"] = dict(sorted(found.items()))
