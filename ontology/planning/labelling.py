"""Labels of what an ontology brings to types that are there: nothing is more open than what it descends from."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from fabric.labels import Label, join
from fabric.types.catalogue import Catalogue
from ontology.survey.terms import Ontology
from ontology.vocabulary import ROOT


class Labelling:
    """Of classes by their IRIs. What has no label of its own, and leads to nothing that has, is for everybody."""

    def __init__(
        self, ontology: Ontology, catalogue: Catalogue, types: Mapping[str, str], decode: Callable[[int], Label]
    ) -> None:
        """`types` are those of all classes by now, `decode` makes labels of codes."""
        self._ontology, self._catalogue, self._types, self._decode = ontology, catalogue, types, decode
        self._codes: dict[str, int] = {}
        self._said: dict[str, int] = {}

    def of(self, iri: str) -> int:
        """The code of the class's type: the join of its parents' where it is new."""
        if iri not in self._codes:
            there = self._catalogue.types.get(self._types[iri])
            if there is not None:
                self._codes[iri] = there.label
            else:
                term = self._ontology.classes.get(iri)
                parents = (term.parents or [ROOT]) if term is not None and iri != ROOT else []
                self._codes[iri] = join(map(self.of, parents))
        return self._codes[iri]

    def of_type(self, name: str) -> int:
        """The code of the type, new or not."""
        return self.of(self._classes[name])

    @cached_property
    def _classes(self) -> Mapping[str, str]:
        return {name: iri for iri, name in self._types.items()}

    def beside(self, iri: str, *codes: int) -> dict[str, str]:
        """What a member of the class's type says of its label, if it has to have these codes too."""
        own = self.of(iri)
        code = join((own, *codes))
        if code == own:
            return {}
        label = str(self._decode(code))
        self._said[label] = code
        return {"label": label}

    def of_member(self, member: Mapping[str, Any]) -> int:
        """The code of what was said so `beside`; that of its type for what says nothing, which heirs have anyhow."""
        return self._said.get(member.get("label", ""), 0)
