"""Regrading: moving a version to another label, which the strict write rules forbid to everything else."""

from uuid import UUID

from fabric.database.db import StaleKeys, retried
from fabric.encryption import ciphertexts
from fabric.encryption.carrying import Carried, Uncarried, carried_over
from fabric.encryption.encryption import required
from fabric.encryption.markers import marked
from fabric.errors import BadInput, Conflict, NotFound
from fabric.events import journal
from fabric.events.journal import Entry, Position
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.labels import Label, dominates
from fabric.types.catalogue import ObjectType
from fabric.types.types import Types
from fabric.writing.objects import TABLE
from fabric.writing.versions import Version

REASON_LENGTH = 2_000


async def regrade(
    types: Types, subject: Subject, organization: Organization, object_id: UUID, label: str, reason: str,
    *, request_id: str | None = None,
) -> Position:  # fmt: skip
    """Moves the version at the session label to `label`, on the record at both labels.

    NotFound unless the object's version at exactly the session label is what the session sees; BadInput for a label
    that the clearance does not dominate, and for a version that holds values of fields above it; Conflict where the
    new label has a version already.
    """
    subject.require("label:regrade")
    target = _target(subject, organization, label)
    if not reason.strip() or len(reason) > REASON_LENGTH or "\0" in reason:
        raise BadInput(f"give a reason of 1 to {REASON_LENGTH} characters; it goes into the audit log", ("reason",))

    carried: Carried = {}

    async def attempt() -> Position:
        nonlocal carried
        try:
            return await moving()
        except Uncarried as here:
            carried = {**carried, **await required(types.encryption).moved(here.sources, target)}
            raise
        except StaleKeys:
            carried = {}  # to be encrypted anew
            raise

    async def moving() -> Position:
        catalogue = await types.catalogue(subject.session)
        async with types.holding(subject.session, catalogue) as transaction:
            here = (await TABLE.read(transaction, [object_id])).get(object_id)
            if here is None or here.tombstone or here.label != subject.label:
                raise NotFound("not found", ("id",))
            _check_fields(catalogue.types.get(here.content["type_name"]), here, target)
            kept = {object_id: keys} if (keys := marked(here.content["data"])) else {}
            secrets = await carried_over(transaction, TABLE, {object_id: here}, kept, carried) if kept else []
            await TABLE.remove(transaction, [here])
            if kept:
                await ciphertexts.remove_all(transaction, "objects", [object_id])
            entry = Entry("object.regraded", "objects", object_id, here.content["type_name"], {})
            await journal.append(transaction, subject.subject, [entry], reason=reason, request_id=request_id)
            await transaction.act_at(target)
            there = (await TABLE.read(transaction, [object_id])).get(object_id)
            if there is not None and there.label == target:
                raise Conflict("there is a version at that label already", ("label",))
            moved = Version(object_id, target, here.content, here.revision + 1, created_at=here.created_at)
            await TABLE.store(transaction, {}, {object_id: moved})
            if secrets:
                await ciphertexts.store(transaction, "objects", secrets)
            return await journal.append(transaction, subject.subject, [entry], reason=reason, request_id=request_id)

    return await retried(attempt)


def _check_fields(object_type: ObjectType | None, version: Version, target: int) -> None:
    """What only higher labels may know must not come down with the version."""
    if object_type is None or not dominates(target, object_type.label):
        raise BadInput("the object's type is labelled above that label", ("label",))
    above = [f.name for f in object_type.fields.values() if not dominates(target, f.label)]
    held = [name for name in above if object_type.fields[name].key in version.content["data"]]
    if held:
        raise BadInput(f"the version holds values that are labelled above that label: {', '.join(held)}", ("label",))


def _target(subject: Subject, organization: Organization, label: str) -> int:
    try:
        target = organization.lattice.encode(Label.parse(label))
    except LookupError:
        target = -1
    if target < 0 or not dominates(subject.clearance, target):
        raise BadInput("the label must be one that your clearance dominates", ("label",))
    if target == subject.label:
        raise BadInput("the version has this label already", ("label",))
    return target
