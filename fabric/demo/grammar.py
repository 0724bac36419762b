"""Sentences from phrases: in a template `{name}` is a fact or one of a list of phrases, `{3..9}` a number between."""

import re
from collections.abc import Iterable, Mapping, Sequence
from random import Random

_SLOT = re.compile(r"\{(?:(\d+)\.\.(\d+)|(\w+))\}")


class Grammar:
    """Phrases by name. All choices are `random`'s, so the same one tells the same story."""

    def __init__(self, random: Random, phrases: Mapping[str, Sequence[str]]) -> None:
        self._random = random
        self._phrases = phrases

    def say(self, name: str, facts: Mapping[str, str]) -> str:
        """One of the phrases called `name`, filled in. KeyError for a slot that neither facts nor phrases know."""
        return self.fill(self._random.choice(self._phrases[name]), facts)

    def tell(self, names: Iterable[str], facts: Mapping[str, str]) -> str:
        """A paragraph: for each name another phrase, none twice as long as the list has more."""
        told: dict[str, list[str]] = {}
        sentences = []
        for name in names:
            left = told.get(name) or self._random.sample(self._phrases[name], len(self._phrases[name]))
            sentences.append(self.fill(left[0], facts))
            told[name] = left[1:]
        return " ".join(sentences)

    def fill(self, template: str, facts: Mapping[str, str]) -> str:
        def slot(match: re.Match[str]) -> str:
            low, high, name = match.groups()
            if name is None:
                return str(self._random.randint(int(low), int(high)))
            return facts[name] if name in facts else self.say(name, facts)

        return _SLOT.sub(slot, template)
