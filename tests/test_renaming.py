"""Fields that are renamed: their values come along at every label, and the old name never finds them again."""

import random
from typing import Any
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject

from fabric.errors import BadInput, FabricError, Several
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.writing.objects import TABLE, Change, Objects

pytestmark = pytest.mark.anyio

STRING = {"type": "string"}
LABELS = ("UNCLASSIFIED", "SECRET", "TOP_SECRET/ALPHA")


class Ground:
    def __init__(self, types: Types, organization: Organization, subject: MakeSubject) -> None:
        self.types, self.organization, self.subject = types, organization, subject
        self.objects = Objects(types)

    async def define(self, name: str = "Thing", at: str = "UNCLASSIFIED", **given: Any) -> list[str]:
        document = {"typeName": name, **given}
        return await self.types.define(self.subject(at), self.organization.lattice, [document])

    async def write(self, at: str = "UNCLASSIFIED", id: UUID | None = None, **data: Any) -> UUID:
        id = id or uuid4()
        change = Change("upsert" if await self.read(id, at) is not None else "create", "Thing", data, id)
        await self.objects.write(self.subject(at), self.organization, [change])
        return id

    async def read(self, id: UUID, at: str = "UNCLASSIFIED", type_name: str = "Thing") -> dict[str, Any] | None:
        """The object by field name as this label sees it."""
        session = self.subject(at).session
        catalogue = await self.types.catalogue(session)
        async with self.types.holding(session, catalogue) as transaction:
            found = (await TABLE.read(transaction, [id])).get(id)
        if found is None:
            return None
        fields = catalogue.types[type_name].fields.values()
        return {f.name: found.content["data"][f.key] for f in fields if f.key in found.content["data"]}

    async def revision(self, id: UUID, at: str) -> int:
        async with self.types.holding(
            self.subject(at).session, await self.types.catalogue(self.subject(at).session)
        ) as transaction:
            return (await TABLE.read(transaction, [id]))[id].revision


@pytest.fixture
def ground(types: Types, organization: Organization, subject: MakeSubject) -> Ground:
    return Ground(types, organization, subject)


def paths(error: FabricError) -> set[tuple[str | int, ...]]:
    return {e.path for e in (error.errors if isinstance(error, Several) else (error,))}


async def test_values_come_along_at_every_label_and_no_version_is_written(ground: Ground) -> None:
    await ground.define(fields={"name": {"type": "string", "required": True}, "other": STRING})
    id = await ground.write(name="low", other="x")
    await ground.write("TOP_SECRET/ALPHA", id, name="high")
    revisions = [await ground.revision(id, at) for at in LABELS]
    title = {"type": "text", "required": True, "replaces": "name"}
    await ground.define(fields={"title": title, "other": STRING})
    assert await ground.read(id) == {"title": "low", "other": "x"}
    assert await ground.read(id, "TOP_SECRET/ALPHA") == {"title": "high", "other": "x"}
    assert [await ground.revision(id, at) for at in LABELS] == revisions
    assert await ground.define(fields={"title": title, "other": STRING}) == []  # again it says nothing
    catalogue = await ground.types.catalogue(ground.subject().session)
    assert catalogue.types["Thing"].fields["title"].non_null


async def test_where_nothing_was_called_so_it_is_a_new_field(ground: Ground) -> None:
    await ground.define(fields={"title": STRING | {"replaces": "name"}})
    id = await ground.write(title="a")
    assert await ground.read(id) == {"title": "a"}


async def test_the_old_name_starts_empty_when_it_comes_back(ground: Ground) -> None:
    await ground.define(fields={"name": STRING})
    id = await ground.write(name="a")
    await ground.define(fields={"title": STRING | {"replaces": "name"}})
    await ground.define(fields={"title": STRING, "name": STRING})
    assert await ground.read(id) == {"title": "a"}
    await ground.write(id=id, name="b")
    assert await ground.read(id) == {"title": "a", "name": "b"}


async def test_a_field_above_keeps_its_label_and_who_does_not_see_it_cannot_take_it(ground: Ground) -> None:
    await ground.define(fields={"name": STRING})
    hidden = STRING | {"label": "SECRET"}
    await ground.define(at="SECRET", fields={"name": STRING, "tamper": hidden})
    id = await ground.write("SECRET", name="a", tamper="t")
    await ground.define(fields={"name": STRING, "opened": STRING | {"replaces": "tamper"}})
    assert await ground.read(id, "SECRET") == {"name": "a", "tamper": "t"}
    lowered = STRING | {"replaces": "tamper", "label": "UNCLASSIFIED"}
    with pytest.raises(FabricError) as caught:
        await ground.define(at="SECRET", fields={"name": STRING, "opened": STRING, "seal": lowered})
    assert ("fields", "seal", "label") in {path[1:] for path in paths(caught.value)}
    renamed = STRING | {"replaces": "tamper"}
    await ground.define(at="SECRET", fields={"name": STRING, "opened": STRING, "seal": renamed})
    assert await ground.read(id, "SECRET") == {"name": "a", "seal": "t"}
    catalogue = await ground.types.catalogue(ground.subject().session)
    assert "seal" not in catalogue.types["Thing"].fields


async def test_values_that_would_not_fit_are_in_the_way(ground: Ground) -> None:
    await ground.define(fields={"name": STRING})
    await ground.write(name="a")
    with pytest.raises(FabricError) as caught:
        await ground.define(fields={"title": {"type": "integer", "replaces": "name"}})
    assert caught.value.code in ("CONFLICT", "BAD_USER_INPUT")
    assert paths(caught.value) == {("fields", "name")}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": STRING, "title": STRING | {"replaces": "name"}}, ("fields", "title", "replaces")),
        ({t: STRING | {"replaces": "name"} for t in "ab"}, ("fields", "b", "replaces")),
        ({"title": STRING | {"replaces": 3}}, ("fields", "title", "replaces")),
    ],
)
async def test_what_makes_no_sense_is_refused(ground: Ground, fields: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(FabricError) as caught:
        await ground.define(fields=fields)
    assert paths(caught.value) == {(0, *path)}


async def test_an_heir_takes_the_name_and_not_the_place(ground: Ground) -> None:
    await ground.define(fields={"name": STRING})
    await ground.define(fields={"title": STRING | {"replaces": "name"}})
    await ground.define("Part", extends="Thing", fields={"name": STRING})
    part = (await ground.types.catalogue(ground.subject().session)).types["Part"]
    assert part.fields["title"].key == "name" != part.fields["name"].key


async def test_two_parents_cannot_have_one_place(ground: Ground) -> None:
    await ground.define(fields={"name": STRING})
    await ground.define(fields={"title": STRING | {"replaces": "name"}})
    await ground.define("Other", fields={"name": STRING})
    with pytest.raises(BadInput, match="called the same once"):
        await ground.define("Both", extends=["Thing", "Other"], fields={})


async def test_for_an_heir_that_the_definer_does_not_see_one_field_is_left_out(ground: Ground) -> None:
    await ground.define(fields={"name": STRING})
    await ground.define(fields={"title": STRING | {"replaces": "name"}})
    await ground.define("Other", fields={"code": STRING})
    await ground.define("Both", at="SECRET", label="SECRET", extends=["Thing", "Other"], fields={})
    await ground.define("Other", fields={"code": STRING, "name": STRING})
    below = (await ground.types.catalogue(ground.subject().session)).types
    assert set(below["Other"].fields) == {"code", "name"}
    both = (await ground.types.catalogue(ground.subject("SECRET").session)).types["Both"]
    keys = [field.key for field in both.fields.values()]
    assert len(keys) == len(set(keys))


def shown(versions: dict[tuple[UUID, str], dict[str, Any]], id: UUID, at: str) -> dict[str, Any]:
    """The highest version that the label sees."""
    return next(versions[id, each] for each in reversed(LABELS[: LABELS.index(at) + 1]) if (id, each) in versions)


@pytest.mark.parametrize("seed", range(4))
async def test_many_changes_are_as_a_plain_interpreter_has_them(ground: Ground, seed: int) -> None:
    """Fields dropped, renamed and back at random, against values moved by hand; at labels above the definer too."""
    chance = random.Random(seed)
    names: set[str] = {"a", "b"}
    await ground.define(fields=dict.fromkeys(names, STRING))
    ids = [await ground.write() for _ in range(2)]
    expected: dict[tuple[UUID, str], dict[str, Any]] = {(id, LABELS[0]): {} for id in ids}
    for _ in range(25):
        if chance.random() < 0.5:
            id, at = chance.choice(ids), chance.choice(LABELS)
            data = {name: chance.choice(["x", "y", None]) for name in names if chance.random() < 0.5}
            lower = shown(expected, id, at)
            wanted = {k: v for k, v in {**lower, **data}.items() if v is not None}
            if wanted != lower:
                expected[id, at] = wanted
            await ground.write(at, id, **data)
            continue
        fields: dict[str, Any] = dict.fromkeys(names, STRING)
        new, old = chance.choice("abcd"), chance.choice("abcd")
        if new in fields and not any(new in data for (_, at), data in expected.items() if at == LABELS[0]):
            del fields[new]
            for data in expected.values():
                data.pop(new, None)
        elif new not in fields and old in fields and new != old:
            del fields[old]
            fields[new] = STRING | {"replaces": old}
            for data in expected.values():
                if old in data:
                    data[new] = data.pop(old)
        elif new not in fields:
            fields[new] = STRING
        await ground.define(fields=fields)
        names = set(fields)
        for id in ids:
            for at in LABELS:
                assert await ground.read(id, at) == shown(expected, id, at)
