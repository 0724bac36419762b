"""Random histories of objects with encrypted fields: each version decrypts to what was last written into it.

Each encrypted field has a plain twin that is always given the same value, so the versions themselves say what is due.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject
from encrypted_ground import Ground
from steered_vault import software

from fabric.database.db import Database
from fabric.encryption.ciphertexts import Ciphertext
from fabric.encryption.places import Place
from fabric.errors import FabricError
from fabric.identity.organizations import Organization
from fabric.writing.objects import Change
from fabric.writing.regrading import regrade

pytestmark = pytest.mark.anyio

LABELS = ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET/ALPHA", "SECRET/BRAVO", "TOP_SECRET/ALPHA,BRAVO")
TWINS = {"a": "secret_a", "b": "secret_b"}
THING = {
    "typeName": "Thing",
    "fields": {name: {"type": "string"} for name in TWINS}
    | {twin: {"type": "string", "encrypted": True, "blindIndex": True, "hint": "last4"} for twin in TWINS.values()},
}


@pytest.fixture
async def ground(
    admin_url: str, database: Database, organization: Organization, subject: MakeSubject, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with software(tmp_path) as vault:
        ground = Ground(admin_url, database, organization, subject, vault)
        await ground.define(THING)
        yield ground


async def something(ground: Ground, rng: random.Random, ids: list[UUID]) -> str:
    """One change, or several in one call, at random: what came of it."""
    label, id = rng.choice(LABELS), rng.choice(ids)
    try:
        if rng.random() < 0.15:
            subject = ground.subject(label, clearance=LABELS[-1])
            await regrade(ground.types, subject, ground.organization, id, rng.choice(LABELS), "moved")
        else:
            changes = [_change(rng, rng.choice(ids)) for _ in range(rng.choice([1, 1, 1, 3]))]
            await ground.write(*changes, at=label)
    except FabricError as error:
        return error.code
    return "done"


def _change(rng: random.Random, id: UUID) -> Change:
    action: Any = rng.choice(["create", "update", "update", "upsert", "upsert", "delete"])
    data: dict[str, Any] = {}
    for name, twin in TWINS.items() if action != "delete" else ():
        if rng.random() < 0.5:
            data[name] = data[twin] = rng.choice([None, f"{rng.randint(0, 10**9):010}"])
    return Change(action, "Thing", data, id)


async def check(ground: Ground) -> int:
    """Each version's encrypted values are its plain ones, and no ciphertext is there besides. How many there are."""
    rows = await ground.rows("select object_id, label, data, tombstone from fabric.objects")
    found = {
        Place(row["organization_id"], "objects", row["entity_id"], row["label"], row["field_name"]): row
        for row in await ground.rows("select * from fabric.encrypted_fields")
    }
    secrets = [Ciphertext(p, row["key_name"], row["key_version"], row["ciphertext"]) for p, row in found.items()]
    opened: dict[Place, Any] = dict(zip(found, await ground.encryption.opened(secrets), strict=True))
    expected = {}
    for row in rows:
        data = {} if row["tombstone"] else json.loads(row["data"])
        assert {name for name in data if name in TWINS} == {
            name for name, twin in TWINS.items() if data.get(f"{twin}#e") == {"_encrypted": True}
        }
        for name, twin in TWINS.items():
            if name in data:
                home = ground.organization.organization_id, "objects", row["object_id"], row["label"]
                expected[Place(*home, f"{twin}#e")] = data[name]
    assert opened == expected
    assert all(row["hint"] == f"last4:{opened[place][-4:]}" for place, row in found.items())
    return len(found)


@pytest.mark.parametrize("seed", range(12))
async def test_every_history_leaves_values_that_decrypt_to_what_was_written(ground: Ground, seed: int) -> None:
    rng = random.Random(seed)
    ids = [uuid4() for _ in range(3)]
    seen = [await something(ground, rng, ids) for _ in range(60)]
    assert seen.count("done") > 20
    assert set(seen) <= {"done", "NOT_FOUND", "CONFLICT", "BAD_USER_INPUT"}
    assert await check(ground) > 0


@pytest.mark.parametrize("seed", range(3))
async def test_so_does_anything_at_the_same_time(ground: Ground, seed: int) -> None:
    rng = random.Random(seed)
    ids = [uuid4() for _ in range(2)]
    for _ in range(12):
        seen = await asyncio.gather(*(something(ground, rng, ids) for _ in range(5)))
        assert set(seen) <= {"done", "NOT_FOUND", "CONFLICT", "BAD_USER_INPUT"}
        await check(ground)
