"""`/export`: what a query with one connection lists, as a file that is written while it is read."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from fabric.errors import BadInput, Forbidden
from graphql_api.http.csv_form import Csv
from graphql_api.http.downloads import Downloads, File
from graphql_api.http.exports import Form, Ndjson, export
from graphql_api.http.graph_exports import export_triples
from graphql_api.http.http_messages import NotGraphQL, admitted, asked_by, negotiated
from ontology.output.writing import FORMATS, Writer

NDJSON, CSV = "application/x-ndjson", "text/csv"

_RDF = {format.media_type: name for name, format in FORMATS.items()}
_OFFERS = {each: each for each in (NDJSON, CSV, *_RDF)} | {"application/*": NDJSON, "text/*": CSV, "*/*": NDJSON}
_FORMATS = {"ndjson": NDJSON, "csv": CSV} | {name: media_type for media_type, name in _RDF.items()}
YES_NO = {"true": True, "false": False}


class ExportOverHTTP(Downloads):
    async def file(self, request: Request) -> File:
        media_type, spreadsheet = _wanted(request)
        subject, organization = await admitted(self._pipeline.gate, request)
        services = self._pipeline.services
        asked = await asked_by(request, services.settings)
        prepared = await self._pipeline.prepare(asked, subject)
        context = prepared.context(services, subject, organization, request.state.request_id)
        if media_type in _RDF:
            if services.settings.documents == "registered":
                raise Forbidden("RDF tells more of an object than a registered document selects")
            writer = Writer(_RDF[media_type])
            items = prepared.items(context, as_descriptions=True)
            return File(items.name, writer.extension, writer.media_type, export_triples(context, items, writer))
        items = prepared.items(context)
        form: Form = Csv(items.listing, spreadsheet=spreadsheet) if media_type == CSV else Ndjson()
        return File(items.name, form.extension, form.media_type, export(context, items, form))


def _wanted(request: Request) -> tuple[str, bool]:
    """The media type, and whether it is for a spreadsheet. Parameters of the address win over `Accept`."""
    parameters = request.query_params
    spreadsheet = choice(parameters, "spreadsheet", YES_NO) or False
    media_type = choice(parameters, "format", _FORMATS)
    if media_type is None:
        media_type = negotiated(request.headers.get("accept"), _OFFERS, NDJSON)
    if spreadsheet and media_type != CSV:
        raise NotGraphQL(400, BadInput("only CSV is for spreadsheets", ("spreadsheet",)))
    return media_type, spreadsheet


def choice(parameters: Mapping[str, str], name: str, choices: Mapping[str, Any]) -> Any:
    given = parameters.get(name)
    if given is not None and given not in choices:
        raise NotGraphQL(400, BadInput(f"{name} is {' or '.join(choices)}", (name,)))
    return choices[given] if given is not None else None
