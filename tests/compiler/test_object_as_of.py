"""`objectAsOf`, by position and by time, is what a session at that label saw then."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from random_world import LABELS, NOTES, World

from compiler.ground import Ground
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.labels import Label
from graphql_api.positions import position_token

BY_POSITION = """query ($id: ID!, $at: String) {
  objectAsOf(id: $id, position: $at) { objectId type label revision data createdAt updatedAt }
}"""
BY_TIME = "query ($id: ID!, $at: DateTime) { objectAsOf(id: $id, time: $at) { objectId label data } }"


class _Moments(World):
    """Also remembers when each change had happened."""

    moments: list[datetime]

    async def step(self) -> None:
        known = len(self.views)
        await super().step()
        if len(self.views) > known:
            async with self.database.transaction(self.subject(LABELS[0]).session) as transaction:
                self.moments.append(await transaction.fetchval("select now()"))


async def _world(ground: Ground, seed: int) -> _Moments:
    organization = await ground.organization()

    def subject(label: str = LABELS[0], clearance: str | None = None) -> Subject:
        made = ground.subject(organization, label)
        if clearance is None:
            return made
        return replace(made, clearance=organization.lattice.encode(Label.parse(clearance)))

    await ground.types.define(subject(), organization.lattice, NOTES)
    world = _Moments(ground.admin_url, ground.database, ground.types, organization, subject, random.Random(seed))
    world.moments = []
    for _ in range(40):
        await world.step()
    return world


def _answer(ground: Ground, organization: Organization, label: str, text: str, id: UUID, at: str) -> Any:
    variables = {"id": str(id), "at": at}
    return ground.run(ground.ask(organization, ground.subject(organization, label), text, variables))["objectAsOf"]


@pytest.mark.parametrize("seed", range(4))
def test_the_state_of_an_object_is_what_a_session_saw_then(ground: Ground, seed: int) -> None:
    world = ground.run(_world(ground, seed))
    organization, lattice = world.organization, world.organization.lattice
    assert len(world.views) > 5
    for (position, views), moment in list(zip(world.views, world.moments, strict=True))[:: 3]:
        token, time = position_token(organization, position), moment.astimezone(UTC).isoformat()
        for label in LABELS:
            for id in world.ids:
                seen = views[label][0].get(id)
                expected = None
                if seen is not None:
                    data = {name: value for name, value in seen[1].items() if name == "text"}
                    expected = {"objectId": str(id), "label": str(lattice.decode(seen[0])), "data": data}
                found = _answer(ground, organization, label, BY_POSITION, id, token)
                assert (found and {name: found[name] for name in expected or ()}) == expected
                assert _answer(ground, organization, label, BY_TIME, id, time) == expected


def test_now_is_what_is_stored(ground: Ground) -> None:
    world = ground.run(_world(ground, 11))
    organization = world.organization
    token = position_token(organization, world.views[-1][0])
    for label in LABELS:
        for id in world.ids:
            now = ground.run(
                ground.ask(
                    organization, ground.subject(organization, label),
                    "query ($id: ID!) { note(id: $id) { objectId: id label revision createdAt updatedAt text } }",
                    {"id": str(id)},
                )
            )["note"]  # fmt: skip
            then = _answer(ground, organization, label, BY_POSITION, id, token)
            if then is not None:
                data = then.pop("data")
                assert then.pop("type") == "Note"
                then |= {"text": data.get("text")}
            assert then == now
