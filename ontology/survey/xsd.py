"""What the datatypes of XML Schema ask of values beyond their kind: bounds of integers, forms of texts."""

from collections.abc import Mapping

from ontology.survey.facets import Facet
from ontology.survey.patterns import re2_pattern
from ontology.vocabulary import XSD_NS

_BOUNDS: Mapping[str, tuple[int | None, int | None]] = {
    "byte": (-(1 << 7), (1 << 7) - 1),
    "short": (-(1 << 15), (1 << 15) - 1),
    "unsignedByte": (0, (1 << 8) - 1),
    "unsignedShort": (0, (1 << 16) - 1),
    "unsignedInt": (0, (1 << 32) - 1),
    "unsignedLong": (0, None),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
}
"""Lowest and highest, where the kind itself has not the same."""

_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
_DAY = r"(0[1-9]|[12][0-9]|3[01])"
_MONTH = r"(0[1-9]|1[0-2])"
_YEAR = r"-?([1-9][0-9]{3,}|0[0-9]{3})"
_CLOCK = r"([0-9]+H([0-9]+M)?([0-9]+(\.[0-9]+)?S)?|[0-9]+M([0-9]+(\.[0-9]+)?S)?|[0-9]+(\.[0-9]+)?S)"
_SECONDS = r"[0-9]+(\.[0-9]+)?S"
_CLOCK = f"T([0-9]+H([0-9]+M)?({_SECONDS})?|[0-9]+M({_SECONDS})?|{_SECONDS})"
_DAYS = f"([0-9]+D({_CLOCK})?|{_CLOCK})"
_NAME = r"\i\c*"
_ONE = "[A-Za-z0-9+/]"  # of Base64, where a space may follow each character but the last
_LAST = f"(({_ONE} ?){{3}}{_ONE}|({_ONE} ?){{2}}[AEIMQUYcgkosw048] ?=|{_ONE} ?[AQgw] ?= ?=)"

_FORMS: Mapping[str, str | tuple[str, ...]] = {
    "normalizedString": r"[^\t\n\r]*",
    "token": r"([^ \t\n\r]+( [^ \t\n\r]+)*)?",
    "language": r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*",
    "NMTOKEN": r"\c+",
    "Name": _NAME,
    "NCName": (_NAME, "[^:]*"),
    "QName": (_NAME, "([^:]+:)?[^:]+", r"([^:]+:)?\i[^:]*"),
    "hexBinary": r"([0-9a-fA-F]{2})*",
    "base64Binary": f"((({_ONE} ?){{4}})*{_LAST})?",
    "gYear": _YEAR + _ZONE,
    "gYearMonth": f"{_YEAR}-{_MONTH}{_ZONE}",
    "gMonth": f"--{_MONTH}{_ZONE}",
    "gDay": f"---{_DAY}{_ZONE}",
    "gMonthDay": f"--{_MONTH}-{_DAY}{_ZONE}",
    "time": rf"(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|24:00:00(\.0+)?){_ZONE}",
    "duration": f"-?P([0-9]+Y([0-9]+M)?{_DAYS}?|[0-9]+M{_DAYS}?|{_DAYS})",
    "yearMonthDuration": "-?P([0-9]+Y([0-9]+M)?|[0-9]+M)",
}


def facets_of(datatype: str) -> tuple[Facet, ...]:
    """By its IRI; none for what the kind says already, and for other datatypes."""
    return _FACETS.get(datatype, ())


def _made() -> dict[str, tuple[Facet, ...]]:
    found: dict[str, tuple[Facet, ...]] = {}
    for name, bounds in _BOUNDS.items():
        found[XSD_NS + name] = tuple(
            Facet(f"xsd:{name}", key, str(bound))
            for key, bound in zip(("minimum", "maximum"), bounds, strict=True)
            if bound is not None
        )
    for name, form in _FORMS.items():
        forms = (form,) if isinstance(form, str) else form
        found[XSD_NS + name] = tuple(Facet(f"xsd:{name}", "pattern", re2_pattern(f, whole=True)) for f in forms)
    return found


_FACETS = _made()
