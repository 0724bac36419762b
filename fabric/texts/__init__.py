"""Files of text as documents and their passages (see docs/importing-documents.md)."""

from fabric.texts.collection import Collection
from fabric.texts.stored import StoredDocuments

__all__ = ["Collection", "StoredDocuments"]
