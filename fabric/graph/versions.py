"""What the graph is told: labelled versions of objects and of links, one by one or as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite, nan
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from fabric.graph.arrays import Coded
from fabric.graph.base import ALWAYS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    id: UUID
    label: int
    type_name: str
    tombstone: bool = False


@dataclass(frozen=True, slots=True)
class LinkVersion:
    """The ends of a tombstone are those of the link that it covers. A weight that is not finite counts as none."""

    id: UUID
    label: int
    relation: str
    source: UUID
    target: UUID
    weight: float | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    tombstone: bool = False


@dataclass(frozen=True, slots=True)
class ObjectRemoved:
    """The version at this label is gone; others stay."""

    id: UUID
    label: int


@dataclass(frozen=True, slots=True)
class LinkRemoved:
    """The version at this label is gone; others stay."""

    id: UUID
    label: int


Change = ObjectVersion | LinkVersion | ObjectRemoved | LinkRemoved


@dataclass(frozen=True, slots=True)
class ObjectColumns:
    """Versions of objects by column. `ids` may be the bytes of the UUIDs, one after the other."""

    ids: Sequence[UUID] | bytes
    labels: Sequence[int] | Coded[int]
    type_names: Sequence[str] | Coded[str]
    tombstones: Sequence[bool] | NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class LinkColumns:
    """Versions of links by column; a column that is None says the default for all. Ids as in `ObjectColumns`.

    Times may come as microseconds, `ALWAYS` where there are none.
    """

    ids: Sequence[UUID] | bytes
    labels: Sequence[int] | Coded[int]
    relations: Sequence[str] | Coded[str]
    sources: Sequence[UUID] | bytes
    targets: Sequence[UUID] | bytes
    weights: Sequence[float | None] | NDArray[np.float64] | None = None
    valid_from: Sequence[datetime | None] | NDArray[np.int64] | None = None
    valid_to: Sequence[datetime | None] | NDArray[np.int64] | None = None
    tombstones: Sequence[bool] | NDArray[np.bool_] | None = None


def microseconds(moment: datetime) -> int:
    """Since 1970, in UTC. A moment without a zone is taken to be in UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def start_of(moment: datetime | None) -> int:
    return ALWAYS[0] if moment is None else microseconds(moment)


def end_of(moment: datetime | None) -> int:
    return ALWAYS[1] if moment is None else microseconds(moment)


def weight_of(weight: float | None) -> float:
    """NaN for none."""
    return weight if weight is not None and isfinite(weight) else nan
