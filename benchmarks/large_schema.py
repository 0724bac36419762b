"""What the schema of a large ontology takes: all of it, a part of it, and graphql-core's own work on the same types.

`python benchmarks/large_schema.py FILE TYPE...`, where FILE is an ontology such as schema.org in Turtle, perhaps packed
with gzip, and TYPE names types of the part. Times are the processor's.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from graphql import GraphQLSchema, print_schema

from fabric.labels import Lattice
from fabric.types.merging import EMPTY
from fabric.types.part import part_of
from graphql_api.schema.schema import build_surface, build_whole
from ontology.input.reading import reading
from ontology.source import RdfSource

T = TypeVar("T")


def main(path: Path, names: list[str]) -> None:
    with reading([path]) as read:
        catalogue = said("reading and planning", lambda: RdfSource(read, EMPTY, Lattice(())).catalogue)
    said("the schema, to be asked", lambda: build_surface(catalogue))
    whole = said("the whole schema", lambda: build_whole(catalogue))
    print(f"  {len(whole.type_map):,} GraphQL types of {len(catalogue.types):,} definitions")
    said("graphql-core: the same types joined into a schema", lambda: GraphQLSchema(**whole.to_kwargs()))
    print(f"  {len(said('printing it', lambda: print_schema(whole))) / 1e6:.1f} MB")
    part = part_of(catalogue, names)
    printed = said(f"a part with {len(part.types)} definitions, printed", lambda: print_schema(build_whole(part)))
    print(f"  {len(printed) / 1e6:.1f} MB")


def said(what: str, work: Callable[[], T]) -> T:
    started = time.process_time()
    made = work()
    print(f"{what}: {time.process_time() - started:.3f} s")
    return made


main(Path(sys.argv[1]), sys.argv[2:])
