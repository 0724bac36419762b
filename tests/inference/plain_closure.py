"""What follows, by a plain interpreter: what inference is held against."""

from collections.abc import Iterable

from fabric.inference.closure import Fact
from fabric.inference.rules import Rule


def interpreted(rules: Iterable[Rule], known: Iterable[Fact]) -> set[Fact]:
    """The plain closure, over and over until nothing is new."""
    found = set(known)
    while True:
        new = set()
        for rule in rules:
            steps = [
                {
                    (f.target, f.source) if p.reversed else (f.source, f.target)
                    for f in found
                    if f.relation == p.relation
                }
                for p in rule.premises
            ]
            led = steps[0] if len(steps) == 1 else {(a, d) for a, b in steps[0] for c, d in steps[1] if b == c}
            new |= {Fact(rule.conclusion, a, b) for a, b in led if a != b}
        if new <= found:
            return found
        found |= new
