"""The kinds of jobs that there are, for servers and commands alike."""

from fabric.database.db import Database
from fabric.jobs.jobs import Kind
from fabric.mapping import mapping
from fabric.types.types import Types
from fabric.validation import validation


def job_kinds(database: Database, types: Types) -> list[Kind]:
    return [mapping.kind(types), validation.kind(types)]
