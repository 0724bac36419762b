"""What callers write is sealed by the server that they write through."""

import asyncio

from http_exports import wait_until
from http_server import Server, Tenant

from fabric.database.db import Database
from fabric.database.embedded import SERVING_ROLE
from fabric.seals import checkpoints
from fabric.seals.seal_keys import existing_key, trusted_keys
from fabric.seals.seals import LOGS
from fabric.seals.verification import verify

CREATE = 'mutation { createPlant(input: {title: "x"}) { plant { id } } }'


def until_sealed(server: Server, organization: str) -> None:
    """Of this organization alone: others of the server may have what cannot be sealed."""
    server.settle()
    unsealed = """select from fabric.unsealed() u join fabric.organizations o on o.organization_id = u
        where o.name = $1"""
    wait_until(lambda: not server.sql(unsealed, organization), seconds=20)


def test_what_is_written_is_sealed_and_can_be_verified(assets: Tenant) -> None:
    server = assets.server
    assets.data(CREATE)
    assets.data(CREATE, label="SECRET/ALPHA")
    until_sealed(server, assets.name)
    (row,) = server.sql("select organization_id from fabric.organizations where name = $1", assets.name)
    key = existing_key(server.settings.data_dir, None)
    assert key is not None
    trusted = trusted_keys(key, None)

    async def verified() -> list[int]:
        async with await Database.connect(server.admin_url.replace("postgres@", f"{SERVING_ROLE}@", 1)) as database:
            kept = checkpoints.kept(server.settings.data_dir, row[0], trusted)
            assert kept is not None
            sealed = []
            for of in LOGS:
                async with database.following(row[0], snapshot=True) as transaction:
                    report = await verify(transaction, of, trusted, checkpoints=(kept,))
                assert report.faults == []
                assert not any(chain.unsealed for chain in report.chains.values())
                sealed.append(len(report.chains))
            return sealed

    assert asyncio.run(verified()) == [2, 2]
