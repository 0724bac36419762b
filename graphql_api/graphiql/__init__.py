"""GraphiQL, the console that a browser gets at `/graphql`. Its files come along: nothing is fetched from elsewhere.

The page itself holds nothing of anybody and asks like any other client. Headers, and so tokens, are kept neither in the
address nor in the browser's storage.
"""

from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PATH = "/graphql/console"
ASSETS = Path(__file__).parent / "assets"

_STYLES = ("graphiql.min.css",)
_SCRIPTS = ("react.production.min.js", "react-dom.production.min.js", "graphiql.min.js", "subscribe.js", "start.js")

# The editor sets styles on its elements; everything else comes from here or not at all.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def is_wanted(request: Request) -> bool:
    """Whether a browser wants a page: programs that speak GraphQL do not ask for HTML."""
    accepted = [part.split(";")[0].strip() for part in request.headers.get("accept", "").lower().split(",")]
    return request.method in ("GET", "HEAD") and "text/html" in accepted


def page() -> Response:
    """The console's page."""
    return HTMLResponse(_PAGE, headers=_HEADERS | {"content-security-policy": _POLICY, "cache-control": "no-cache"})


class Assets(StaticFiles):
    """The console's files. Their addresses name their content, so they are kept for as long as a browser likes."""

    def __init__(self) -> None:
        super().__init__(directory=ASSETS)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code < 400:
            response.headers.update(_HEADERS | {"cache-control": "public, max-age=31536000, immutable"})
        return response


def _address(name: str) -> str:
    return f"{PATH}/{name}?v={sha256((ASSETS / name).read_bytes()).hexdigest()[:16]}"


_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Semantic Fabric</title>
{"".join(f'<link rel="stylesheet" href="{_address(name)}">' for name in _STYLES)}
<link rel="icon" href="data:,">
</head>
<body>
<div id="console" style="height: 100dvh">Loading…</div>
{"".join(f'<script src="{_address(name)}"></script>' for name in _SCRIPTS)}
</body>
</html>
"""
