"""What an ontology asks of the values of a field, as its definition says it; what has no words there is told of."""

from collections.abc import Mapping
from typing import Any

from pyoxigraph import Literal

from fabric.names import GRAPHQL_NAME
from fabric.types.constraints import MAX_VALUES, check_place, read_constraints
from fabric.types.definitions import Field
from fabric.types.kinds import Kind, KindError
from ontology.survey.facets import Facet, constraints
from ontology.survey.terms import Ontology, PropertyTerm
from ontology.survey.xsd import facets_of
from ontology.values import value_of
from ontology.vocabulary import DATATYPES, XSD_NS

_NO_NAMES = frozenset({"true", "false", "null"})
_NAMED = (Kind.STRING, Kind.TEXT)


class Asked:
    """With `single` a field is no list where the ontology says nothing of it."""

    def __init__(self, ontology: Ontology, *, single: bool) -> None:
        self._ontology, self._single = ontology, single

    def of_field(self, term: PropertyTerm, owner: str, kind: Kind) -> dict[str, Any]:
        """All but the description of a field that the class declares."""
        said: dict[str, Any] = {"type": str(kind)}
        if not (term.functional or owner in term.single_in or self._single):
            said["list"] = True
        if owner in term.required_in:
            said["required"] = True
        if (datatype := _kept(term, kind)) is not None:
            said["datatype"] = datatype
        of_all = term.values if len(term.datatypes) == 1 else ()
        values = term.values_in.get(owner, of_all)
        if kind in _NAMED and values and are_names(values):
            said |= {"type": str(Kind.ENUM), "values": list(values)}
            values = ()
        return said | self._constraints(term, owner, said, self._facets(term, owner), values)

    def of_text(self, term: PropertyTerm, owner: str, kind: Kind) -> dict[str, Any]:
        """The same, of a field that has the property's values in one language."""
        said: dict[str, Any] = {"type": str(kind)}
        one = term.functional or term.one_each or owner in term.single_in | term.one_each_in
        if not (one or self._single):
            said["list"] = True
        return said | self._constraints(term, owner, said, term.facets_in.get(owner, []), ())

    def constraints(self, term: PropertyTerm, owner: str, field: Mapping[str, Any]) -> dict[str, Any]:
        """Of a field that the class declares already."""
        return self._constraints(term, owner, field, self._facets(term, owner), ())

    def _facets(self, term: PropertyTerm, owner: str) -> list[Facet]:
        for facet in term.facets if len(term.datatypes) > 1 else ():
            self._tell(term, owner, facet.said, "it has values of several datatypes")
        of_all = [*term.facets, *facets_of(*term.datatypes)] if len(term.datatypes) == 1 else []
        return [*of_all, *term.facets_in.get(owner, ())]

    def narrowing(self, term: PropertyTerm, heir: str, inherited: Mapping[str, Any]) -> dict[str, Any]:
        """What the class asks of a field beside those that it inherits it from; empty for nothing."""
        said: dict[str, Any] = {}
        if heir in term.required_in and not inherited.get("required"):
            said["required"] = True
        values, facets = term.values_in.get(heir, ()), list(term.facets_in.get(heir, ()))
        if heir in term.single_in | (term.one_each_in if "language" in inherited else set()) and inherited.get("list"):
            facets.append(Facet("sh:maxCount", "maxItems", "1"))
        if inherited["type"] == Kind.ENUM and values:
            known = [value for value in inherited["values"] if value in values]
            if len(known) < len(values):
                self._ontology.notice(heir, f"lists values of {term.iri} that are not inherited; they are left out")
            said |= {"values": known} if known else {}
            values = ()
        said |= self._constraints(term, heir, inherited, facets, values)
        return {key: value for key, value in said.items() if inherited.get(key) != value}

    def _constraints(
        self, term: PropertyTerm, owner: str, field: Mapping[str, Any], facets: list[Facet], values: tuple[str, ...]
    ) -> dict[str, Any]:
        def tell(facet: str, why: str) -> None:
            self._tell(term, owner, facet, why)

        kind = Kind(field["type"])
        listed = self._listed(term, owner, kind, values)
        found = constraints(kind, "list" in field, facets, tell)
        faults: list[str] = []
        read_constraints({**found, **listed}, kind, "list" in field, lambda message, *_: faults.append(message))
        if listed and faults:
            self._ontology.notice(owner, f"lists the values of {term.iri}; this is left out: {faults[0]}")
            return found
        return found | listed

    def _listed(self, term: PropertyTerm, owner: str, kind: Kind, values: tuple[str, ...]) -> dict[str, Any]:
        if not values:
            return {}
        try:
            check_place("values", kind, many=False)
            read = [value_of(Field("", kind), Literal(value)) for value in values]
            if len(read) > MAX_VALUES:
                raise KindError(f"there are more than {MAX_VALUES}")
        except KindError as error:
            self._ontology.notice(owner, f"lists the values of {term.iri}; this is left out: {error}")
            return {}
        return {"values": list(dict.fromkeys(read))}

    def _tell(self, term: PropertyTerm, owner: str, facet: str, why: str) -> None:
        of_datatype = facet.startswith("xsd:")
        where = "restricts its values by" if of_datatype else "has a shape with"
        what = facet if of_datatype else f"{facet} for {term.iri}"
        self._ontology.notice(term.iri if of_datatype else owner, f"{where} {what}; this is left out: {why}")


def _kept(term: PropertyTerm, kind: Kind) -> str | None:
    """The datatype of XML Schema, where the field's kind alone does not tell it."""
    if len(term.datatypes) != 1:
        return None
    (datatype,) = term.datatypes
    return datatype if datatype.startswith(XSD_NS) and datatype != DATATYPES[kind].value else None


def are_names(values: tuple[str, ...]) -> bool:
    """Whether they can be those of an enum."""
    return len(values) <= MAX_VALUES and all(GRAPHQL_NAME.match(v) and v not in _NO_NAMES for v in values)
