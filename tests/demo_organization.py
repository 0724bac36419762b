"""The demo organization in a database of the tests."""

from pathlib import Path
from tempfile import TemporaryDirectory

from steered_vault import software

from fabric import demo
from fabric.database.db import Database
from fabric.encryption.encryption import Encryption
from fabric.identity.organizations import Directory, establish
from fabric.identity.policy import PERMISSIONS
from fabric.identity.subject import Subject
from fabric.labels import Label
from fabric.transfer.loader import Loader
from fabric.transfer.records import Record
from fabric.types.types import Types

TEMPLATE = "demo"
WHOLE = "TOP_SECRET/CISTERN,HALYARD,LANTERN"


async def load_demo(admin_url: str, server_url: str) -> None:
    await establish(admin_url, demo.ORGANIZATION, demo.COMPARTMENTS)
    async with await Database.connect(server_url) as database:
        organization = await Directory(database).find(demo.ORGANIZATION)
        assert organization is not None
        operator = Subject(
            organization_id=organization.organization_id,
            organization=organization.name,
            subject="loader",
            roles=frozenset(),
            permissions=frozenset(PERMISSIONS),
            clearance=organization.lattice.encode(Label.parse(WHOLE)),
            label=organization.lattice.encode(Label.parse(WHOLE)),
            expires_at=4e9,
        )
        records = [Record(f"record {number}", body) for number, body in enumerate(demo.records())]
        parts = [[r for r in records if kind in r.body] for kind in ("define", "type", "link")]
        with TemporaryDirectory() as folder:
            async with software(Path(folder)) as vault:
                loader = Loader(database, Types(database, Encryption(vault)), organization, operator, strict=True)
                summary = await loader.load(parts[0], parts[1], parts[2])
        assert not summary.problems
