"""The graph of one organization, at all labels: what is loaded, kept current, and looked at through views."""

from collections.abc import Collection, Iterable
from datetime import datetime
from threading import Lock
from typing import Self

from fabric.graph.base import Base
from fabric.graph.builder import Builder
from fabric.graph.compaction import compacted
from fabric.graph.further import FurtherLinks
from fabric.graph.memory import give_back
from fabric.graph.overlay import Overlay
from fabric.graph.projection import Projections
from fabric.graph.scratch import Scratch
from fabric.graph.sight import Sight
from fabric.graph.versions import Change, microseconds
from fabric.graph.view import GraphView

LEAST_CHANGES = 5_000
MOST_OF_BASE = 0.02
"""From so many changes on, and this part of the base, compaction is worth while."""


class LinkGraph:
    """Any thread may look; changes may come from any thread, and wait for each other."""

    def __init__(self, base: Base) -> None:
        self._state = _State(base)
        self._writing, self._compacting = Lock(), Lock()
        self._since: list[Change] | None = None
        """What is applied while a compaction goes on."""

    @classmethod
    def empty(cls) -> Self:
        return cls(Builder().build())

    @property
    def nodes(self) -> int:
        """The ids that are known, at whatever label. Like all sizes it is for operators, not for readers."""
        return self._state.overlay.nodes

    @property
    def links(self) -> int:
        """Versions of links, at whatever label."""
        return self._state.overlay.links

    @property
    def nbytes(self) -> int:
        """About what it takes of memory."""
        state = self._state
        parts = (state.overlay.base, state.overlay, state.scratch, state.projections)
        return sum(part.nbytes for part in parts)

    def apply(self, changes: Iterable[Change]) -> None:
        """All at once for whoever looks. A change that was applied before changes nothing."""
        given = list(changes)
        with self._writing:
            overlay = self._state.overlay
            for change in given:
                overlay.apply(change)
            overlay.publish()
            if self._since is not None:
                self._since += given

    def view(
        self, clearance: int, *, at: datetime | None = None, relations: Collection[str] | None = None,
        further: FurtherLinks | None = None,
    ) -> GraphView:  # fmt: skip
        """What a session label sees: all links, or those that are valid `at` a moment, or of some relations.

        `further` are links that it sees beside those that are kept here.
        """
        state = self._state
        moment = None if at is None else microseconds(at)
        chosen = None if relations is None else frozenset(relations)
        sight = Sight(state.overlay, state.scratch, clearance, moment, chosen, further)
        return GraphView(sight, state.projections)

    @property
    def worth_compacting(self) -> bool:
        overlay = self._state.overlay
        return overlay.size > max(LEAST_CHANGES, MOST_OF_BASE * overlay.base.links)

    def compact(self) -> None:
        """Takes the changes into the arrays; seconds for millions of links, while others look and change."""
        with self._compacting:
            with self._writing:
                overlay, change = self._state.overlay, self._state.overlay.published
                since: list[Change] = []
                self._since = since
            try:
                state = _State(compacted(overlay, change))
            except BaseException:
                with self._writing:
                    self._since = None
                raise
            with self._writing:
                for each in since:
                    state.overlay.apply(each)
                if since:
                    state.overlay.publish()
                self._state, self._since = state, None
            give_back()


class _State:
    """What is replaced as a whole."""

    def __init__(self, base: Base) -> None:
        self.overlay = Overlay(base)
        self.scratch, self.projections = Scratch(), Projections()
