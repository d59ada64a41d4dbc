"""Jobs are claimed across tenants, so that they carry ids and nothing that anybody may not see."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import APPLICATION, Source, sources

# What isn't an id, and why everybody may see it.
HARMLESS = {
    "platforms": "names of our own platforms",
    "platform": "the name of one",
    "vm": "an id on a platform",
    "account": "an id of ours",
}


def payloads(source: Source) -> Iterator[tuple[str, ast.expr]]:
    """Where a job is made, and what it is given to carry."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            given = [word.value for word in node.keywords if word.arg == "payload"]
            if name == "enqueue":
                assert given, f"{source.path}:{node.lineno} gives no payload by name"
                yield f"{source.path}:{node.lineno}", given[0]


def told(place: str, payload: ast.expr) -> list[str]:
    """What of a payload can't be seen to be an id."""
    if not isinstance(payload, ast.Dict):
        return [f"{place}: write the payload as a dict, so that it can be read here"]
    names = [key.value if isinstance(key, ast.Constant) else "?" for key in payload.keys]
    return [
        f"{place}: {name!r} isn't an id; look it up in the task, or say why everybody may see it"
        for name in names
        if not str(name).endswith(("_id", "_ref")) and name not in HARMLESS
    ]


def test_jobs_carry_ids_only() -> None:
    found = [one for source in sources(*APPLICATION) for one in payloads(source)]
    assert len(found) >= 15
    assert [wrong for place, payload in found for wrong in told(place, payload)] == []


def test_payload_with_content_is_found() -> None:
    tree = ast.parse("async def f(): await enqueue(s, 'k', payload={'email': e, 'service_id': i})")
    source = Source(path=Path("made_up.py"), text="", tree=tree)
    assert [wrong.split(": ")[1] for one in payloads(source) for wrong in told(*one)] == [
        "'email' isn't an id; look it up in the task, or say why everybody may see it"
    ]
