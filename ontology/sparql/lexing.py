"""The terminals of a SPARQL text, by the grammar of the W3C: where two can be read, the longer one.

https://www.w3.org/TR/sparql11-query/#sparqlGrammar

What a query may not do is told by its words before anything is evaluated. The evaluation could not do it either: its
process can open no file and no connection.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

UPDATES = frozenset({"INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH"})
"""What an update may begin with."""

KEYWORDS = UPDATES | frozenset(
    """A ABS ADJUST ALL AS ASC ASK AVG BASE BIND BNODE BOUND BY CEIL COALESCE CONCAT CONSTRUCT CONTAINS COUNT DATA
    DATATYPE DAY DEFAULT DESC DESCRIBE DISTINCT ENCODE_FOR_URI EXISTS FALSE FILTER FLOOR FROM GRAPH GROUP GROUP_CONCAT
    HASLANG HASLANGDIR HAVING HOURS IF IN INTO IRI ISBLANK ISIRI ISLITERAL ISNUMERIC ISTRIPLE ISURI LANG LANGDIR
    LANGMATCHES LATERAL LCASE LIMIT MAX MD5 MIN MINUS MINUTES MONTH NAMED NOT NOW OBJECT OFFSET OPTIONAL ORDER PREDICATE
    PREFIX RAND REDUCED REGEX REPLACE ROUND SAMETERM SAMPLE SECONDS SELECT SEPARATOR SERVICE SHA1 SHA256 SHA384 SHA512
    SILENT STR STRAFTER STRBEFORE STRDT STRENDS STRLANG STRLANGDIR STRLEN STRSTARTS STRUUID SUBJECT SUBSTR SUM TIMEZONE
    TO TRIPLE TRUE TZ UCASE UNDEF UNION URI USING UUID VALUES VERSION WHERE YEAR""".split()
)
"""All that a word can be, in what the engine reads of SPARQL. It would take two that stand together for two words."""

PROLOGUE = frozenset({"BASE", "PREFIX", "VERSION"})

_LETTER = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_WITHIN = rf"{_LETTER}_0-9\u00b7\u0300-\u036f\u203f-\u2040"
_CODE = r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
_ESCAPE = rf"""\\[tbnrf\\"']|{_CODE}"""
_PERCENT = r"%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%]"
_PREFIX = rf"(?:[{_LETTER}][{_WITHIN}.\-]*+(?<!\.))?:"
_LOCAL = (
    rf"(?:[{_LETTER}_0-9:]|{_PERCENT})(?:(?:[{_WITHIN}.:\-]|{_PERCENT})*(?:[{_WITHIN}:\-]|{_PERCENT}))?"
)

_WITHOUT_NAMES = rf"""
    (?P<space>[\ \t\n\r]++) | (?P<comment>\#[^\n\r]*+)
    | (?P<iri><(?:[^<>"{{}}|^`\\\x00-\x20]|{_CODE})*+>)
    | (?P<string>
        "{{3}}(?:"{{0,2}}+(?:[^"\\]|{_ESCAPE}))*+"{{3}} | '{{3}}(?:'{{0,2}}+(?:[^'\\]|{_ESCAPE}))*+'{{3}}
        | "(?:[^"\\\n\r]|{_ESCAPE})*+" | '(?:[^'\\\n\r]|{_ESCAPE})*+')
    | (?P<variable>[?$][{_LETTER}_0-9][{_WITHIN}]*+) | (?P<language>@[A-Za-z]++(?:-[A-Za-z0-9]++)*+)
    | (?P<blank>_:[{_LETTER}_0-9](?:[{_WITHIN}.\-]*[{_WITHIN}\-])?)
    | (?P<number>(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)[eE][+\-]?[0-9]++ | [0-9]*\.[0-9]++ | [0-9]++)
    | (?P<word>[A-Za-z][A-Za-z0-9_]*+) | (?P<sign>\|\||&&|\^\^|<=|>=|!=|.)
    """
_NAMES = rf"(?P<name>{_PREFIX}(?:{_LOCAL})?) | (?P<run>[{_LETTER}][{_WITHIN}.\-]*+)"
_TOKEN = re.compile(f"{_NAMES} | {_WITHOUT_NAMES}", re.VERBOSE | re.DOTALL)
_TOKEN_OF_RUN = re.compile(_WITHOUT_NAMES, re.VERBOSE | re.DOTALL)
"""Where letters and dots have turned out to be no prefix, no part of them is one. To ask of each takes too long."""


@dataclass(frozen=True, slots=True)
class Token:
    """A terminal, where it stands, and its kind: the name of its group above."""

    kind: str
    text: str
    place: int

    @property
    def end(self) -> int:
        return self.place + len(self.text)

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words


def tokens(text: str) -> Iterator[Token]:
    """All that the text consists of but space and comments. What no terminal begins with is a sign of one letter."""
    place = end_of_run = 0
    while found := (_TOKEN if place >= end_of_run else _TOKEN_OF_RUN).match(text, place):
        if found.lastgroup == "run":
            end_of_run = found.end()
            continue
        place = found.end()
        kind = found.lastgroup or ""
        if kind not in ("space", "comment"):
            yield Token(kind, found[0], found.start())


def words(text: str) -> Iterator[str]:
    """In upper case, in their order: what is neither IRI, name, variable, text nor comment."""
    return (token.text.upper() for token in tokens(text) if token.kind == "word")


def begins_with(found: Sequence[str]) -> str:
    """The first word after the prologue, by which the form of a query is known; empty where there is none."""
    return next((word for word in found if word not in PROLOGUE), "")
