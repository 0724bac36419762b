"""Names of types and members for what an ontology calls by IRIs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count

from fabric.names import GRAPHQL_NAME, RESERVED_NAMES, camel, generated_names, link_aggregate, pascal, plural
from fabric.types.definitions import RESERVED_FIELDS
from ontology.survey.classes import local_name, namespace

NAME_LENGTH = 63


class Names:
    """Gives each class and property a name that nothing else has.

    `prefixes` are those of the files, by namespace: where a name is taken, or is none, the prefix goes before it.
    """

    def __init__(self, prefixes: Mapping[str, str], iris: Iterable[str]) -> None:
        self._prefixes = prefixes
        self._spaces = Counter(namespace(iri) for iri in iris)
        self._generated: set[str] = set(RESERVED_NAMES)
        self._members: set[str] = set(RESERVED_FIELDS)

    def reserve(self, generated: Iterable[str], members: Iterable[str]) -> None:
        """What the organization has already."""
        self._generated.update(generated)
        self._members.update(members)

    def in_order(self, iris: Iterable[str]) -> list[str]:
        """Those of the namespace that most belong to come first, and keep their names."""
        return sorted(iris, key=lambda iri: (-self._spaces[namespace(iri)], iri))

    def type(self, iri: str) -> str:
        for name in self._candidates(iri, pascal):
            generated = generated_names(name, plural(name), (), ())
            if not generated & self._generated:
                self._generated |= generated
                return name
        raise AssertionError("candidates have no end")

    def member(self, iri: str, owners: Iterable[str], ending: str = "") -> str:
        """For a member of the types `owners`; `ending` follows the name where another member has it."""
        types = list(owners)
        for name in self._candidates(iri, camel, ending):
            if self._take(name, types):
                return name
        raise AssertionError("candidates have no end")

    def beside(self, name: str, language: str, owners: Iterable[str]) -> str:
        """For a member of the types `owners` that has the values of another, `name`, in one language."""
        types = list(owners)
        for number in count(1):
            suffix = pascal(language) + (str(number) if number > 1 else "")
            taken = name[: NAME_LENGTH - len(suffix)] + suffix
            if self._take(taken, types):
                return taken
        raise AssertionError("candidates have no end")

    def _take(self, name: str, types: list[str]) -> bool:
        brought = {f"type:{t}{pascal(name)}{suffix}" for t in types for suffix in _SUFFIXES}
        if {name, link_aggregate(name)} & self._members or brought & self._generated:
            return False
        self._members |= {name, link_aggregate(name)}
        self._generated |= brought
        return True

    def is_plain(self, iri: str, name: str) -> bool:
        """Whether it is the name that the IRI itself suggests."""
        return name.lower() == pascal(local_name(iri)).lower()

    def _candidates(self, iri: str, form: Callable[[str], str], ending: str = "") -> Iterator[str]:
        local = pascal(local_name(iri))
        prefix = pascal(self._prefixes.get(namespace(iri), "")) or "Rdf"
        if not prefix[0].isalpha():
            prefix = "Rdf" + prefix
        if GRAPHQL_NAME.match(local[:NAME_LENGTH]):
            yield form(local)[:NAME_LENGTH]
            if ending:
                yield form(local)[: NAME_LENGTH - len(ending)] + ending
        for number in count(1):
            suffix = str(number) if number > 1 else ""
            yield form(prefix + local)[: NAME_LENGTH - len(suffix)] + suffix


_SUFFIXES = ("Connection", "Edge", "", "Where", "ListWhere")
