"""The tables, as SQLAlchemy models: what alembic's revisions are checked against (tests/test_migrations.py).

Statements that serve requests are written by hand and sent by asyncpg; these models are the one description of the
shape they rely on. Every key starts with `organization_id`, so that the database can be distributed by tenant. A
`label` is the integer of `fabric.labels`.

`over1`, `over2` and `over_rest` hold the labels of the versions of the same object that outrank the row, as far as they
decide who sees it (the minimal ones). They tell of higher versions: no role that serves readers may select them.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA, JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

SCHEMA = "fabric"


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, which SQLAlchemy has no type for."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "XID8"


ischema_names["xid8"] = Xid8


class Base(DeclarativeBase):
    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={"pk": "%(table_name)s_pkey", "uq": "%(table_name)s_%(column_0_N_name)s_key"},
    )
    type_annotation_map: ClassVar = {
        str: Text(),
        bytes: BYTEA(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[int]: ARRAY(BigInteger()),
        list[str]: ARRAY(Text()),
    }


def _now() -> Any:
    return mapped_column(server_default=func.now())


def _json() -> Any:
    return mapped_column(JSONB(), server_default=text("'{}'::jsonb"))


class Organization(Base):
    __tablename__ = "organizations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    secret: Mapped[bytes]  # keys of ids, cursors and tokens are derived from it; never leaves the server
    types_revision: Mapped[int] = mapped_column(server_default=text("0"))  # counts changes of type definitions
    created_at: Mapped[datetime] = _now()


class Compartment(Base):
    __tablename__ = "compartments"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # its bit in a label
    name: Mapped[str]
    created_at: Mapped[datetime] = _now()


class TypeDefinition(Base):
    """What one label says of one type; what a reader sees is the union of the rows it dominates."""

    __tablename__ = "type_definitions"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    type_name: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    domain: Mapped[str]
    field_schema: Mapped[dict[str, Any]]
    ui_schema: Mapped[dict[str, Any] | None]
    revision: Mapped[int]
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class Versioned:
    """What rows have that are versions of something."""

    revision: Mapped[int]
    tombstone: Mapped[bool] = mapped_column(server_default=text("false"))
    derived_from_label: Mapped[int | None]
    derived_from_revision: Mapped[int | None]
    over1: Mapped[int | None]
    over2: Mapped[int | None]
    over_rest: Mapped[list[int] | None]
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class Object(Versioned, Base):
    """One version of one object."""

    __tablename__ = "objects"
    __table_args__ = (Index("objects_by_type", "organization_id", "type_name", "object_id"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    object_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type_name: Mapped[str]
    data: Mapped[dict[str, Any]]


class Link(Versioned, Base):
    """One version of one link."""

    __tablename__ = "links"
    __table_args__ = (
        Index("links_by_source", "organization_id", "source_id", "relation", "target_id", "link_id"),
        Index("links_by_target", "organization_id", "target_id", "relation", "source_id", "link_id"),
        Index("links_by_relation", "organization_id", "relation", "link_id"),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    link_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    relation: Mapped[str]
    source_id: Mapped[UUID]
    target_id: Mapped[UUID]
    link_key: Mapped[str | None]  # tells parallel links of one relation apart
    weight: Mapped[float | None]
    properties: Mapped[dict[str, Any]] = _json()
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    semantic_namespace: Mapped[str | None]
    semantic_predicate: Mapped[str | None]


class InferredLink(Base):
    """A link that follows from others, for whom the label and those that must not be dominated say (fabric/inference).

    `number` tells apart rows of one link and label; `shown_label` is the join of the premises' labels.
    """

    __tablename__ = "inferred_links"
    __table_args__ = (
        Index("inferred_links_by_source", "organization_id", "source_id", "relation", "target_id", "link_id"),
        Index("inferred_links_by_target", "organization_id", "target_id", "relation", "source_id", "link_id"),
        Index("inferred_links_by_relation", "organization_id", "relation", "link_id"),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    link_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shown_label: Mapped[int]
    relation: Mapped[str]
    source_id: Mapped[UUID]
    target_id: Mapped[UUID]
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    over1: Mapped[int | None]
    over2: Mapped[int | None]
    over_rest: Mapped[list[int] | None]


class InferredChange(Base):
    """The last transaction that changed what is inferred at a label."""

    __tablename__ = "inferred_changes"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    transaction_id: Mapped[int] = mapped_column(Xid8())


class StoppedRule(Base):
    """A rule of inference that concluded more than `most` links, at the label from which on it concludes nothing."""

    __tablename__ = "stopped_rules"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    premises: Mapped[list[str]] = mapped_column(ARRAY(Text), primary_key=True)
    conclusion: Mapped[str] = mapped_column(primary_key=True)
    most: Mapped[int]
    stopped_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Event(Base):
    """One change, in the transaction that made it. Read in (transaction_id, position) order; append-only."""

    __tablename__ = "events"
    __table_args__ = (
        Index("events_in_order", "organization_id", "transaction_id", "position"),
        Index("events_by_time", "organization_id", "occurred_at"),
        Index("events_by_entity", "organization_id", "entity_id", "transaction_id", "position"),
        Index(
            "events_of_applications", "organization_id", "position", postgresql_where=text("entity_table = 'events'")
        ),
        *(
            Index(
                f"events_by_{end}",
                "organization_id",
                f"{end}_id",
                "transaction_id",
                "position",
                postgresql_where=text(f"{end}_id is not null"),
            )
            for end in ("source", "target")
        ),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    transaction_id: Mapped[int] = mapped_column(Xid8(), server_default=text("fabric.this_transaction()"))
    label: Mapped[int]
    topic: Mapped[str]
    entity_table: Mapped[str]
    entity_id: Mapped[UUID | None]
    entity_type: Mapped[str]
    actor: Mapped[str]
    data: Mapped[dict[str, Any]] = _json()
    occurred_at: Mapped[datetime] = _now()
    version: Mapped[dict[str, Any] | None] = mapped_column(JSONB())  # as the change left it; null where it took it away
    source_id: Mapped[UUID | None]  # the ends of a link
    target_id: Mapped[UUID | None]


class Embedding(Base):
    __tablename__ = "embeddings"
    __table_args__ = (
        Index(
            "embeddings_in_order", "organization_id", "entity_table", "model", "transaction_id", "entity_id", "label"
        ),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity_table: Mapped[str] = mapped_column(primary_key=True)
    entity_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    model: Mapped[str] = mapped_column(primary_key=True)
    content_hash: Mapped[bytes]
    embedding: Mapped[Any] = mapped_column(HALFVEC())
    transaction_id: Mapped[int] = mapped_column(Xid8(), server_default=text("pg_current_xact_id()"))
    updated_at: Mapped[datetime] = _now()


class SearchText(Base):
    """Of which revision and fields a version's words and vectors are made: see fabric/search."""

    __tablename__ = "search_texts"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity_table: Mapped[str] = mapped_column(primary_key=True)
    entity_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]  # a stamp of all that it is made of
    composition: Mapped[bytes]
    content_hash: Mapped[bytes | None]  # null where there is no text
    length: Mapped[int]  # in words
    terms: Mapped[list[str]]
    head: Mapped[str | None]  # how the text begins
    keys: Mapped[list[str] | None]  # of an object's data, those that it is made of
    updated_at: Mapped[datetime] = _now()


class SearchTerm(Base):
    """One word of one version, and where it stands."""

    __tablename__ = "search_terms"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity_table: Mapped[str] = mapped_column(primary_key=True)
    term: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    entity_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    length: Mapped[int]  # of the version's text, in words
    positions: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger()))
    stamp: Mapped[int]  # of the version that the text was made of


class EncryptedField(Base):
    __tablename__ = "encrypted_fields"
    __table_args__ = (
        Index(
            "encrypted_fields_by_value", "organization_id", "field_name", "blind_index",
            postgresql_where=text("blind_index is not null"),
        ),
        Index("encrypted_fields_by_key", "organization_id", "key_name", "key_version"),
    )  # fmt: skip
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity_table: Mapped[str] = mapped_column(primary_key=True)
    entity_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    field_name: Mapped[str] = mapped_column(primary_key=True)
    key_name: Mapped[str]
    key_version: Mapped[int]
    ciphertext: Mapped[str]
    hint: Mapped[str | None]
    blind_index: Mapped[bytes | None]
    updated_at: Mapped[datetime] = _now()


class Configuration(Base):
    __tablename__ = "configurations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[Any] = mapped_column(JSONB())
    revision: Mapped[int]
    updated_at: Mapped[datetime] = _now()


class RegisteredDocument(Base):
    """A text of GraphQL that may be asked for by its hash."""

    __tablename__ = "documents"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]
    registered_by: Mapped[str]
    created_at: Mapped[datetime] = _now()


class AuditRecord(Base):
    """Who did what, committed with it; append-only."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("audit_log_by_time", "organization_id", "occurred_at"),
        Index("audit_log_in_order", "organization_id", "transaction_id", "audit_id"),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    audit_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    transaction_id: Mapped[int] = mapped_column(Xid8(), server_default=text("fabric.this_transaction()"))
    label: Mapped[int]
    actor: Mapped[str]
    action: Mapped[str]
    outcome: Mapped[str]
    entity_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = _json()
    occurred_at: Mapped[datetime] = _now()


class Revocation(Base):
    """A token (`jti`) that is refused, or a subject's tokens that were issued until a moment."""

    __tablename__ = "revocations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    issued_until: Mapped[datetime | None]
    reason: Mapped[str]
    revoked_at: Mapped[datetime] = _now()


class Webhook(Base):
    """An address that is sent notices, what it is sent, and how far it has got (see fabric/webhooks/webhooks.py)."""

    __tablename__ = "webhooks"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    name: Mapped[str]
    url: Mapped[str]
    subscription: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    owner: Mapped[str]
    roles: Mapped[list[str]]
    token_id: Mapped[str | None]  # of the owner's token, with when it was issued, in seconds since the epoch
    token_issued_at: Mapped[float | None]
    generation: Mapped[int] = mapped_column(server_default=text("1"))  # of its secret
    overlap_until: Mapped[datetime | None]  # until when the generation before signs too
    state: Mapped[str] = mapped_column(server_default=text("'ACTIVE'"))
    stopped_for: Mapped[str | None]
    transaction_id: Mapped[int]  # with `position`: all events up to here are delivered, waiting or none of its
    position: Mapped[int]
    epoch: Mapped[int] = mapped_column(server_default=text("0"))  # counts who took it over to deliver
    last_delivered_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    last_failure: Mapped[str | None]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class WebhookDelivery(Base):
    """A message that is waiting to be delivered, or was given up; one that is delivered is gone."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("webhook_deliveries_in_order", "organization_id", "webhook_id", "state", "ordinal"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    ordinal: Mapped[int] = mapped_column(Identity(always=True))
    entity: Mapped[str]  # messages of one are delivered one after the other
    topic: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'WAITING'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    occurred_at: Mapped[datetime]
    first_attempt_at: Mapped[datetime | None]
    retry_at: Mapped[datetime] = _now()
    failure: Mapped[str | None]
    given_up_at: Mapped[datetime | None]


class Seal(Base):
    """What proves some rows of one label in one log, in order: see fabric/seals/seals.py."""

    __tablename__ = "seals"
    __table_args__ = (Index("seals_in_order", "organization_id", "log", "transaction_id", "position"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of its label alone, from 1
    transaction_id: Mapped[int] = mapped_column(Xid8())  # with `position`: the last row that it covers
    position: Mapped[int]
    covered: Mapped[int]  # how many rows
    marks: Mapped[bytes]  # the first bytes of each row's digest, to find the row at fault
    previous: Mapped[bytes]
    digest: Mapped[bytes]
    sealed_at: Mapped[datetime]
    key_id: Mapped[str]
    signature: Mapped[bytes]


class Pruning(Base):
    """What was taken away under some seals of one label, and what was kept: see fabric/seals/retention.py."""

    __tablename__ = "prunings"
    __table_args__ = (Index("prunings_in_order", "organization_id", "log", "transaction_id", "position"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # sequences of its first and last seal
    last: Mapped[int]
    transaction_id: Mapped[int] = mapped_column(Xid8())  # with `position`: the last row under the last seal
    position: Mapped[int]
    kept: Mapped[int]  # how many rows are left
    digest: Mapped[bytes]
    pruned_at: Mapped[datetime]
    key_id: Mapped[str]
    signature: Mapped[bytes]


class UnlockAttempt(Base):
    """One use of `unlockField` or one of its kin, whatever came of it; `fields` count for the limit."""

    __tablename__ = "unlock_attempts"
    __table_args__ = (Index("unlock_attempts_by_time", "organization_id", "actor", "attempted_at"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    attempted_at: Mapped[datetime]
    fields: Mapped[int] = mapped_column(server_default=text("0"))


class UnlockRequest(Base):
    """An unlock that waits for a second person, and is bound to the value as it was then."""

    __tablename__ = "unlock_requests"
    __table_args__ = (Index("unlock_requests_by_time", "organization_id", "requested_at"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    unlock_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    object_id: Mapped[UUID]
    version_label: Mapped[int]
    type_name: Mapped[str]
    field_name: Mapped[str]
    value_written_at: Mapped[datetime]  # `updated_at` of the ciphertext, which re-enveloping leaves as it is
    reason: Mapped[str]
    requested_by: Mapped[str]
    needed: Mapped[int]  # how many approvals
    requested_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime]
    collected_at: Mapped[datetime | None]


class UnlockApproval(Base):
    __tablename__ = "unlock_approvals"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    unlock_id: Mapped[UUID] = mapped_column(primary_key=True)
    approver: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int]
    approved_at: Mapped[datetime] = _now()


class KeyRotation(Base):
    """A job that makes a new version of a key and puts all ciphertexts under it."""

    __tablename__ = "key_rotations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    rotation_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    purpose: Mapped[str]
    key_name: Mapped[str]
    target_version: Mapped[int | None]  # null until the vault has made it
    state: Mapped[str] = mapped_column(server_default=text("'RUNNING'"))
    failure: Mapped[str | None]
    started_by: Mapped[str]
    started_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()
    finished_at: Mapped[datetime | None]


class Job(Base):
    """Work that takes long, with how far it has come (see fabric/jobs)."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_time", "organization_id", "asked_at"),
        Index("jobs_open", "retry_at", postgresql_where=text("state in ('QUEUED', 'RUNNING')")),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    kind: Mapped[str]
    asked_by: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default=text("'QUEUED'"))
    done: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int | None]
    place: Mapped[dict[str, Any] | None]  # where the next step goes on
    result: Mapped[dict[str, Any] | None]
    failure_code: Mapped[str | None]
    failure: Mapped[str | None]
    epoch: Mapped[int] = mapped_column(server_default=text("0"))  # counts who took it over
    tries: Mapped[int] = mapped_column(server_default=text("0"))  # since it got on last
    retry_at: Mapped[datetime] = _now()
    asked_at: Mapped[datetime] = _now()
    started_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = _now()
    finished_at: Mapped[datetime | None]


class KeyFloor(Base):
    """The oldest version of a key that ciphertexts may be stored under."""

    __tablename__ = "key_floors"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    key_name: Mapped[str] = mapped_column(primary_key=True)
    minimum_version: Mapped[int]


class ApiKey(Base):
    __tablename__ = "api_keys"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    api_key_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    name: Mapped[str]
    secret_hash: Mapped[bytes]
    roles: Mapped[list[str]]
    clearance: Mapped[int]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = _now()
