"""The link graph of one organization in memory: at all labels, looked at through what one reader sees of it.

It knows nothing of the database. A loader fills a `Builder` with columns, a follower applies
changes, readers ask views.
"""

from fabric.graph.arrays import Coded
from fabric.graph.budget import Budget
from fabric.graph.builder import Builder
from fabric.graph.further import FurtherLinks
from fabric.graph.graph import LinkGraph
from fabric.graph.memory import give_back
from fabric.graph.networkx_backend import convert_to_nx
from fabric.graph.paths import Path
from fabric.graph.sight import Direction
from fabric.graph.traversal import Link, Neighborhood, Node, Reached, Traversal
from fabric.graph.versions import (
    Change,
    LinkColumns,
    LinkRemoved,
    LinkVersion,
    ObjectColumns,
    ObjectRemoved,
    ObjectVersion,
)
from fabric.graph.view import Component, GraphView, Scored

__all__ = [
    "Budget",
    "Builder",
    "Change",
    "Coded",
    "Component",
    "Direction",
    "FurtherLinks",
    "GraphView",
    "Link",
    "LinkColumns",
    "LinkGraph",
    "LinkRemoved",
    "LinkVersion",
    "Neighborhood",
    "Node",
    "ObjectColumns",
    "ObjectRemoved",
    "ObjectVersion",
    "Path",
    "Reached",
    "Scored",
    "Traversal",
    "convert_to_nx",
    "give_back",
]
