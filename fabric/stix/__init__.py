"""STIX 2.0 and 2.1 bundles as import records (see docs/importing-stix.md)."""

from fabric.stix.bundle import StixBundle
from fabric.stix.survey import Counts

__all__ = ["Counts", "StixBundle"]
