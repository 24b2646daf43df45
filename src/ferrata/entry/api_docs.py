"""The API's description at /api/openapi.json, and at /api as a page to read and to try it. Nothing is fetched from elsewhere."""

from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from markupsafe import Markup
from starlette.responses import HTMLResponse

from ferrata.access.http import public
from ferrata.ui.static import StaticFiles

DESCRIPTION = (
    "Accepts commerce events, keeps them, and delivers them to Klaviyo exactly once in effect. "
    "Send a store's token as `Authorization: Bearer frt_...`. An answer of 2xx means that the event is on disk."
)

_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ferrata API</title>
<link rel="icon" href="{icon}" type="image/svg+xml">
<link rel="stylesheet" href="{style}">
<script defer src="{bundle}"></script>
<script defer src="{start}"></script>
</head>
<body>
<main id="api" data-openapi="/api/openapi.json">
<noscript><p>The description is at <a href="/api/openapi.json">/api/openapi.json</a>.</p></noscript>
</main>
</body>
</html>
""")


def router(app: FastAPI, static: StaticFiles) -> APIRouter:
    routes = APIRouter(include_in_schema=False, dependencies=[Depends(public)])
    page = _PAGE.format(
        icon=static.url("mark.svg"),
        style=static.url("vendor/swagger-ui.css"),
        bundle=static.url("vendor/swagger-ui-bundle.js"),
        start=static.url("api-docs.js"),
    )

    @routes.get("/api")
    @routes.get("/api/")
    def api_page() -> HTMLResponse:
        return HTMLResponse(page)

    @routes.get("/api/openapi.json")
    def openapi_document() -> dict[str, Any]:
        return app.openapi()

    return routes
