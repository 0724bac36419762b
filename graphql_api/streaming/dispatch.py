"""The events of one organization, handed to those whom they may concern."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Protocol
from uuid import UUID

from fabric.events.chronicle import Told
from fabric.events.feed import Feed, Tail
from graphql_api.streaming.interests import Key, keys_of

_PAGE = 200


class Listener(Protocol):
    """Whom events concern. Both are called between two steps of the dispatch, and wait for nothing."""

    def offer(self, told: Told) -> None: ...

    def fail(self, error: Exception) -> None:
        """No more will be offered."""


class Dispatch:
    """Follows one organization's events for all its listeners. Use `keep_handing` in a task of its own."""

    def __init__(self, feed: Feed, organization_id: UUID) -> None:
        self._feed = feed
        self._organization_id = organization_id
        self._listeners: dict[Key, dict[Listener, None]] = {}
        self._failure: Exception | None = None
        self.opened: asyncio.Future[Tail] = asyncio.get_running_loop().create_future()

    async def keep_handing(self) -> None:
        """Until it is cancelled, or the events cannot be followed: then its listeners are told."""
        try:
            async with self._feed.following(self._organization_id) as tail:
                self.end = tail.end
                """All up to here has been offered."""
                self.opened.set_result(tail)
                while True:
                    news = await tail.next(self.end, _PAGE)
                    for told in news.told:
                        for listener in self._concerned(told):
                            listener.offer(told)
                    self.end = news.end
        except Exception as error:
            self._failure = error
            if not self.opened.done():
                self.opened.set_exception(error)
            for listener in self._among(self._listeners):
                listener.fail(error)

    def enter(self, listener: Listener, interests: Collection[Key]) -> None:
        """From now on it is offered what has one of the keys. Raises what the dispatch has failed with."""
        if self._failure is not None:
            raise self._failure
        for key in interests:
            self._listeners.setdefault(key, {})[listener] = None

    def leave(self, listener: Listener, interests: Collection[Key]) -> None:
        for key in interests:
            listeners = self._listeners.get(key, {})
            listeners.pop(listener, None)
            if not listeners:
                self._listeners.pop(key, None)

    def _concerned(self, told: Told) -> Iterable[Listener]:
        return self._among(keys_of(told) & self._listeners.keys())

    def _among(self, keys: Iterable[Key]) -> Iterable[Listener]:
        return {listener: None for key in keys for listener in self._listeners[key]}
