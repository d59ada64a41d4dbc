"""The pages for people: how to use the API, and what each problem means.

Nothing of them is fetched from elsewhere, so that they work where a network leads nowhere.
"""

from importlib.resources import files

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.staticfiles import StaticFiles

from shared.kit.headers import POLICY, page_policy
from shared.kit.openapi import Document, operations, problem_codes

# Relative, so that the pages also work behind a proxy that serves them under another path.
_OPENAPI = "openapi.json"
_ASSETS = "docs/assets"
_NO_ICON = "data:,"
_SWAGGER = {"persistAuthorization": True, "docExpansion": "none", "filter": True}

_templates = Environment(
    loader=PackageLoader("shared.kit"), autoescape=select_autoescape(), trim_blocks=True
)
_pages = APIRouter(include_in_schema=False)


def install_pages(app: FastAPI) -> None:
    """Add `/docs`, `/redoc` and `/problems`, the page that the `type` of a problem leads to."""
    app.include_router(_pages)
    app.mount(f"/{_ASSETS}", StaticFiles(directory=str(files("fastapi_offline") / "static")))


@_pages.get("/docs", response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    """Swagger UI: read and try out."""
    page = get_swagger_ui_html(
        openapi_url=_OPENAPI,
        title=request.app.title,
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=_NO_ICON,
        swagger_ui_parameters=_SWAGGER,
    )
    return _with_policy(page, writes_styles=True)


@_pages.get("/redoc", response_class=HTMLResponse)
async def redoc(request: Request) -> HTMLResponse:
    """ReDoc: the same on one long page."""
    page = get_redoc_html(
        openapi_url=_OPENAPI,
        title=request.app.title,
        redoc_js_url=f"{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=_NO_ICON,
        with_google_fonts=False,
    )
    return _with_policy(page, writes_styles=True)


@_pages.get("/problems", response_class=HTMLResponse)
async def problems(request: Request) -> HTMLResponse:
    """Every problem of this service, with the routes that may answer it."""
    document = request.app.openapi()
    page = _templates.get_template("problems.html")
    answer = HTMLResponse(
        page.render(
            title=document["info"]["title"],
            problems=[body["value"] for body in document["components"]["examples"].values()],
            answered_by=_answered_by(document),
        )
    )
    return _with_policy(answer)


def _with_policy(page: HTMLResponse, *, writes_styles: bool = False) -> HTMLResponse:
    """The page, which may run what it is made of and nothing else."""
    html = bytes(page.body).decode()
    page.headers[POLICY] = page_policy(html, writes_styles=writes_styles)
    page.headers["Cache-Control"] = "no-cache"
    return page


def _answered_by(document: Document) -> dict[str, list[tuple[str, str]]]:
    """What to show and where it is in the documentation, by code."""
    found: dict[str, list[tuple[str, str]]] = {}
    for method, path, operation in operations(document):
        place = f"docs#/{operation['tags'][0]}/{operation['operationId']}"
        for code in set().union(*problem_codes(operation).values()):
            found.setdefault(code, []).append((f"{method} {path}", place))
    return found
