"""The built-in demo: a fictional water and power utility, told differently at each label, as import records.

Pure data generation, without a database. `records()` yields the bodies of `fabric.records.Record` in the order in which
they can be imported; `COUNTS` says how many of each to expect.
"""

from fabric.demo.collection import COMPARTMENTS
from fabric.demo.generator import records
from fabric.demo.readers import OFFICER, READERS, UNLOCK, Reader

ORGANIZATION = "skarrow-valley"
COUNTS = {"define": 20, "type": 2876, "link": 10198}
"""Records by what they make: type definitions, versions of objects, links."""

__all__ = ["COMPARTMENTS", "COUNTS", "OFFICER", "ORGANIZATION", "READERS", "UNLOCK", "Reader", "records"]
