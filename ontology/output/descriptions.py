"""What a query lists, as triples: those that an export of everything has of the same fields, objects and links."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from pyoxigraph import Triple

from fabric.errors import Internal
from fabric.identity.organizations import Organization
from fabric.transfer.export import View
from fabric.types.catalogue import Catalogue, ObjectType
from ontology.iris import Iris
from ontology.output.triples import Triples

Described = Mapping[str, Any]
"""A description, in the form of `graphql_api.compiler.described`."""


class Descriptions:
    """By the catalogue of the moment that they are as of."""

    def __init__(self, catalogue: Catalogue, organization: Organization) -> None:
        self._catalogue = catalogue
        self._view = View(catalogue, organization)
        self._triples = Triples(Iris(catalogue))

    def triples(self, described: Described) -> Iterator[Triple]:
        """Of the object, and of all that it leads to. Internal for a type that is no longer there."""
        row, fields = described["object"], set(described["fields"])
        body = self._view.object(self._type(row), row | {"object_id": UUID(row["object_id"])})
        yield from self._triples.object(body | {"data": {k: v for k, v in body["data"].items() if k in fields}})
        for name, value in described.items():
            outgoing = name.startswith("out")
            if value is not None and (outgoing or name.startswith("in")):
                yield from self._over(described, value.get("items", [value]), outgoing)

    def _over(self, near: Described, far: list[Described], outgoing: bool) -> Iterator[Triple]:
        for each in far:
            yield from self.triples(each)
        links = [(self._link(near, each, outgoing), each["link"]["link_id"].replace("-", "")) for each in far]
        for _, same in groupby(sorted(links, key=_order), lambda link: link[0]["to" if outgoing else "from"]):
            bodies, ids = zip(*same, strict=True)
            yield from self._triples.links(bodies, ids)

    def _link(self, near: Described, far: Described, outgoing: bool) -> dict[str, Any]:
        link = far["link"]
        if link["relation"] not in self._catalogue.relations:
            raise Internal("try again")
        source, target = (near, far) if outgoing else (far, near)
        ends = {**self._end("source", source["object"]), **self._end("target", target["object"])}
        times = {name: link[name] and datetime.fromisoformat(link[name]) for name in ("valid_from", "valid_to")}
        label = link["label"] | source["object"]["label"] | target["object"]["label"]
        weight = None if link["weight"] is None else float(link["weight"])
        return self._view.link({**link, **ends, **times, "label": label, "weight": weight})

    def _end(self, side: str, row: Mapping[str, Any]) -> dict[str, Any]:
        t = self._type(row)
        key = [row["data"].get(t.fields[name].key) for name in t.natural_key]
        return {f"{side}_id": UUID(row["object_id"]), f"{side}_type": t.name, f"{side}_key": key}

    def _type(self, row: Mapping[str, Any]) -> ObjectType:
        """Definitions may have changed since the query was understood."""
        found = self._catalogue.types.get(row["type_name"])
        if found is None:
            raise Internal("try again")
        return found


def _order(link: tuple[dict[str, Any], str]) -> tuple[str, str, str]:
    body, _ = link
    return repr(body["from"]), repr(body["to"]), body.get("key", "")
