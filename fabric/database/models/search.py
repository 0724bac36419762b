"""What is searched: words and vectors of versions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import ARRAY, Index, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, Xid8, now


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
    updated_at: Mapped[datetime] = now()


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
    updated_at: Mapped[datetime] = now()
