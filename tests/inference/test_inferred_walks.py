"""Walks over inferred links: what plain networkx finds among the links that lists would show, at every label."""

import asyncio
from uuid import UUID

import networkx as nx
import pytest
from databases import MakeSubject
from places import LABELS, REACHED, World

from fabric.database.db import Database
from fabric.graph import Direction, GraphView, LinkGraph, convert_to_nx
from fabric.identity.organizations import Organization
from fabric.inference.all_links import ALL_LINKS
from fabric.live_graphs.inferred import InferredLinks
from fabric.live_graphs.loading import load
from fabric.types.types import Types

pytestmark = pytest.mark.anyio

MUCH = 2**30


@pytest.fixture
async def world(database: Database, types: Types, organization: Organization, subject: MakeSubject) -> World:
    return await World(database, types, organization, subject, seed=11).begin()


async def graph_of(world: World) -> LinkGraph:
    async with world.database.following(world.organization.organization_id, snapshot=True) as transaction:
        return LinkGraph((await load(transaction, lambda _: None)).build())


async def view_of(world: World, inferred: InferredLinks, graph: LinkGraph, label: str) -> GraphView:
    session = world.subject(label).session
    return graph.view(session.label, further=await inferred.of(session))


async def listed(world: World, label: str) -> nx.MultiDiGraph:
    """The links that the label sees, written and inferred, between objects that it sees."""
    found = nx.MultiDiGraph()
    async with world.database.transaction(world.subject(label).session) as transaction:
        rows = await transaction.fetch("select object_id from fabric.objects where not tombstone")
        found.add_nodes_from(row[0] for row in rows)
        columns = "link_id, source_id, target_id, relation"
        for link, source, target, relation in await transaction.fetch(
            f"select {columns} from {ALL_LINKS} l where not tombstone"
        ):
            if source in found and target in found:
                found.add_edge(source, target, link, relation=relation)
    return found


def edges(graph: nx.MultiDiGraph) -> set[tuple[UUID, UUID, UUID, str]]:
    return {(s, t, link, data["relation"]) for s, t, link, data in graph.edges(keys=True, data=True)}


async def test_each_label_walks_over_exactly_the_links_that_it_can_list(world: World) -> None:
    inferred = InferredLinks(world.database, MUCH)
    walked = 0
    for turn in range(4):
        if turn == 2:
            await world.define("SECRET/ALPHA", reached=REACHED)
        for _ in range(20):
            await world.step()
        await world.infer()
        graph = await graph_of(world)
        for label in LABELS:
            view, plain = await view_of(world, inferred, graph, label), await listed(world, label)
            assert edges(convert_to_nx(view)) == edges(plain), label
            for node in plain:
                assert view.degree(node) == plain.degree(node)
                traversal = view.traverse([node], max_depth=3)
                depths = nx.single_source_shortest_path_length(plain, node, cutoff=3)
                assert dict(zip(traversal.ids(), traversal.depths(), strict=True)) | {node: 0} == depths
                for each in traversal.reached():
                    steps = zip(each.nodes, each.nodes[1:], each.links, strict=False)
                    assert all(plain.has_edge(*step) for step in steps)
                    walked += len(each.links)
                path = view.shortest_path(node, next(iter(plain)), Direction.BOTH)
                assert (path is None) == (not nx.has_path(plain.to_undirected(), node, next(iter(plain))))
    assert walked


async def test_what_was_read_serves_until_something_changes_at_a_label_that_is_dominated(world: World) -> None:
    inferred = InferredLinks(world.database, MUCH)
    a, b, c, d, _ = world.ids
    low, high = (world.subject(label).session for label in ("CONFIDENTIAL", "SECRET/ALPHA"))
    await world.link(a, b)
    await world.link(b, c)
    await world.infer()
    below, above = await asyncio.gather(inferred.of(low), inferred.of(high))
    assert below is not above
    await world.link(c, d, label="SECRET/ALPHA")
    await world.infer()
    assert await inferred.of(low) is below
    together = await asyncio.gather(inferred.of(high), inferred.of(high))
    assert together[0] is together[1] is not above
    await world.link(b, c, action="unlink")
    await world.infer()
    again = await inferred.of(low)
    assert again.base.links < below.base.links


async def test_what_was_not_used_for_longest_goes_first(world: World) -> None:
    inferred = InferredLinks(world.database, 0)
    first, second = (world.subject(label).session for label in LABELS[:2])
    kept = await inferred.of(first)
    assert await inferred.of(first) is kept
    assert inferred.nbytes == kept.nbytes
    await inferred.of(second)
    assert await inferred.of(first) is not kept
