"""An organization's graph read from PostgreSQL: all versions at all labels, streamed as of one moment.

Inferred links are read for one session, as row security shows them.

Rows come by COPY in its binary form, every field of one width, so that they become arrays without an object of Python
for each: millions of links in seconds. Names of types and relations come as numbers. The arrays are made in a thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.database.db import Transaction
from fabric.graph import Builder, Coded, LinkColumns, ObjectColumns
from fabric.graph.base import ALWAYS

_HEADER = 19
_BLOCK = 4 << 20
"""Bytes that are turned into arrays at a time."""

_UUID, _INT8, _INT4, _FLOAT8, _BOOL = "V16", ">i8", ">i4", ">f8", "u1"

_OBJECTS = """
select o.object_id, o.label, t.n::int, o.tombstone
from fabric.objects o join unnest($1::text[]) with ordinality as t(type_name, n) using (type_name)"""
_OBJECT = (("id", _UUID), ("label", _INT8), ("name", _INT4), ("tombstone", _BOOL))

_LINKS = f"""
select l.link_id, l.label, r.n::int, l.source_id, l.target_id, coalesce(l.weight, 'NaN'),
       coalesce((extract(epoch from l.valid_from) * 1000000)::bigint, {ALWAYS[0]}),
       coalesce((extract(epoch from l.valid_to) * 1000000)::bigint, {ALWAYS[1]}), l.tombstone
from fabric.links l join unnest($1::text[]) with ordinality as r(relation, n) using (relation)"""
_LINK = (
    ("id", _UUID), ("label", _INT8), ("name", _INT4), ("source", _UUID), ("target", _UUID), ("weight", _FLOAT8),
    ("valid_from", _INT8), ("valid_to", _INT8), ("tombstone", _BOOL),
)  # fmt: skip

_INFERRED = f"""
select l.link_id, 0::bigint, r.n::int, l.source_id, l.target_id, 'NaN'::float8,
       coalesce((extract(epoch from l.valid_from) * 1000000)::bigint, {ALWAYS[0]}),
       coalesce((extract(epoch from l.valid_to) * 1000000)::bigint, {ALWAYS[1]}), false
from fabric.inferred_links l join unnest($1::text[]) with ordinality as r(relation, n) using (relation)"""

Progress = Callable[[int], None]
"""Is told how many rows have come so far."""


async def load(transaction: Transaction, progress: Progress) -> Builder:
    """Reads everything that a follower's transaction sees; it should be a snapshot."""
    builder = Builder()
    types = await _names(transaction, "select distinct type_name from fabric.objects")
    relations = await _names(transaction, "select distinct relation from fabric.links")
    count = 0

    def objects(rows: NDArray[Any]) -> None:
        nonlocal count
        names = Coded(types, rows["name"] - 1)
        builder.add_objects(ObjectColumns(rows["id"].tobytes(), _labels(rows), names, rows["tombstone"].astype(bool)))
        count += len(rows)
        progress(count)

    def links(rows: NDArray[Any]) -> None:
        nonlocal count
        builder.add_links(_link_columns(rows, relations))
        count += len(rows)
        progress(count)

    await _Rows(_OBJECT, objects).read(transaction, _OBJECTS, types)
    await _Rows(_LINK, links).read(transaction, _LINKS, relations)
    return builder


async def load_inferred(transaction: Transaction) -> Builder:
    """Reads the inferred links that the transaction's session sees."""
    builder = Builder()
    relations = await _names(transaction, "select distinct relation from fabric.inferred_links")
    read = _Rows(_LINK, lambda rows: builder.add_links(_link_columns(rows, relations)))
    await read.read(transaction, _INFERRED, relations)
    return builder


async def _names(transaction: Transaction, sql: str) -> list[str]:
    return [row[0] for row in await transaction.fetch(sql)]


def _link_columns(rows: NDArray[Any], relations: Sequence[str]) -> LinkColumns:
    return LinkColumns(
        ids=rows["id"].tobytes(),
        labels=_labels(rows),
        relations=Coded(relations, rows["name"] - 1),
        sources=rows["source"].tobytes(),
        targets=rows["target"].tobytes(),
        weights=None if np.isnan(rows["weight"]).all() else rows["weight"].astype(np.float64),
        valid_from=rows["valid_from"].astype(np.int64),
        valid_to=rows["valid_to"].astype(np.int64),
        tombstones=rows["tombstone"].astype(bool),
    )


def _labels(rows: NDArray[Any]) -> Coded[int]:
    values, numbers = np.unique(rows["label"], return_inverse=True)
    return Coded(values.tolist(), numbers)


class _Rows:
    """Rows of a binary COPY whose fields all have one width, as blocks of a structured array."""

    def __init__(self, columns: Sequence[tuple[str, str]], take: Callable[[NDArray[Any]], None]) -> None:
        # Before each row stands the number of its fields, before each field its length.
        members = [("fields", ">i2")]
        for name, form in columns:
            members += [(f"{name} length", ">i4"), (name, form)]
        self._dtype = np.dtype(members)
        self._columns = columns
        self._take = take
        self._held = bytearray()
        self._skip = _HEADER

    async def read(self, transaction: Transaction, sql: str, *arguments: Any) -> None:
        await transaction.copy(sql, self._receive, *arguments)
        if len(self._held) % self._dtype.itemsize != 2:  # the trailer
            raise ValueError("the rows do not have the form that was asked for")
        await self._pass_on()

    async def _receive(self, data: bytes) -> None:
        self._held += data[self._skip :]
        self._skip = max(0, self._skip - len(data))
        if len(self._held) >= _BLOCK:
            await self._pass_on()

    async def _pass_on(self) -> None:
        whole = len(self._held) // self._dtype.itemsize * self._dtype.itemsize
        if whole:
            rows = np.frombuffer(bytes(self._held[:whole]), self._dtype)
            del self._held[:whole]
            await asyncio.to_thread(self._check_and_take, rows)

    def _check_and_take(self, rows: NDArray[Any]) -> None:
        if not all((rows[f"{name} length"] == self._dtype[name].itemsize).all() for name, _ in self._columns):
            raise ValueError("the rows do not have the form that was asked for")
        self._take(rows)
