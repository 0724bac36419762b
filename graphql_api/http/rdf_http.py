"""`/export/rdf`: all that a reader sees, or the objects of one type, as RDF."""

from collections.abc import AsyncGenerator

from starlette.requests import Request

from fabric.database.db import LostRace
from fabric.errors import Forbidden, Internal
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from graphql_api.http.downloads import Downloads, File
from graphql_api.http.export_http import YES_NO, choice
from graphql_api.http.http_messages import admitted, negotiated
from ontology.output.export import Inferred, export
from ontology.output.writing import FORMATS, Writer

_MEDIA_TYPES = {format.media_type: name for name, format in FORMATS.items()}
_OFFERS = _MEDIA_TYPES | {"text/*": "turtle", "application/*": "jsonld", "*/*": "turtle"}


class RdfOverHTTP(Downloads):
    async def file(self, request: Request) -> File:
        format = choice(request.query_params, "format", {name: name for name in FORMATS})
        if format is None:
            format = negotiated(request.headers.get("accept"), _OFFERS, "turtle")
        subject, organization = await admitted(self._pipeline.gate, request)
        if self._pipeline.services.settings.documents == "registered":
            raise Forbidden("only registered documents run here, and this is none")
        type_name = request.query_params.get("type")
        inferred = Inferred.MARKED if choice(request.query_params, "inferred", YES_NO) else Inferred.LEFT_OUT
        writer = Writer(format)
        chunks = self._chunks(subject, organization, writer, type_name, inferred)
        return File("export", writer.extension, writer.media_type, chunks)

    async def _chunks(
        self, subject: Subject, organization: Organization, writer: Writer, type_name: str | None, inferred: Inferred
    ) -> AsyncGenerator[bytes]:
        services = self._pipeline.services
        patience = services.settings.export_stall_seconds, services.settings.export_seconds
        try:
            async for block in export(services.database, organization, subject, writer, type_name, patience, inferred):
                yield block
        except LostRace as race:
            raise Internal("try again") from race.__cause__
