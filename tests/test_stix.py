"""What STIX bundles become: types, objects and links."""

from functools import partial
from pathlib import Path

import pytest
from stix_bundles import bodies, id_of, item, open_bundle, relationship, types_of

from fabric.stix import StixBundle
from fabric.stix.schema import field_names, type_names
from fabric.transfer.records import Record
from fabric.types.kinds import Kind, canonical, canonical_list

ATTACK = Path(__file__).parents[2] / "shared/data/attack/enterprise-attack.stix.json.gz"


@pytest.fixture
def opened(tmp_path):
    return partial(open_bundle, tmp_path)


class TestObjects:
    def test_an_object_becomes_a_record_with_its_id_as_key(self, opened):
        tool = item("attack-pattern", name="Phishing", x_mitre_platforms=["Linux"])
        bundle = opened(tool)
        assert list(bundle.objects()) == [
            Record(
                tool["id"],
                {
                    "type": "AttackPattern",
                    "key": {"stixId": tool["id"]},
                    "data": {"stixId": tool["id"], "name": "Phishing", "xMitrePlatforms": ["Linux"]},
                },
            )
        ]
        assert list(bundle.links()) == []

    def test_a_type_is_defined_once_with_the_id_as_natural_key(self, opened):
        types = types_of(opened(item("x-mitre-tactic", 1), item("x-mitre-tactic", 2), item("identity")))
        assert types["XMitreTactic"] == {
            "typeName": "XMitreTactic",
            "description": "STIX objects of the type x-mitre-tactic",
            "fields": {"stixId": {"type": "string", "required": True}},
            "links": {},
            "naturalKey": ["stixId"],
        }
        assert list(types) == ["Identity", "XMitreTactic"]

    def test_names_and_descriptions_are_searched_and_embedded(self, opened):
        types = types_of(opened(item("tool", name="nmap", description="Scans.\nFast."), item("note", content="…")))
        assert types["Tool"]["fields"]["name"] == {"type": "string", "searchable": True, "indexed": True}
        assert types["Tool"]["fields"]["description"] == {"type": "text", "searchable": True}
        assert types["Tool"]["embedding"] == {"fields": ["name", "description"]}
        assert "embedding" not in types["Note"]

    def test_a_long_name_is_not_indexed(self, opened):
        types = types_of(opened(item("tool", name="n" * 256)))
        assert types["Tool"]["fields"]["name"] == {"type": "text", "searchable": True}

    def test_a_name_that_is_no_text_is_not_searched(self, opened):
        types = types_of(opened(item("tool", name=7, description=["a", "b"])))
        assert types["Tool"]["fields"]["name"] == {"type": "integer"}
        assert "embedding" not in types["Tool"]

    def test_nulls_are_left_out_and_empty_strings_stay(self, opened):
        bundle = opened(item("tool", description="", x_nothing=None))
        assert bodies(bundle.objects())[0]["data"] == {"stixId": id_of("tool", 1), "description": ""}
        assert "xNothing" not in types_of(bundle)["Tool"]["fields"]

    def test_only_the_id_is_required_even_if_every_object_has_the_rest(self, opened):
        fields = types_of(opened(item("tool", 1, name="a"), item("tool", 2, name="b")))["Tool"]["fields"]
        assert [name for name, definition in fields.items() if definition.get("required")] == ["stixId"]

    def test_properties_with_the_fabrics_own_names_get_a_prefix(self, opened):
        bundle = opened(item("tool", label="a", revision=3, created_at="b", __typename="c", **{"1st": "d", "é": "e"}))
        assert bodies(bundle.objects())[0]["data"] == {
            "stixId": id_of("tool", 1),
            "stixLabel": "a",
            "stixRevision": 3,
            "stixCreatedAt": "b",
            "stixTypename": "c",
            "stix1st": "d",
            "stix": "e",
        }
        types_of(bundle)

    def test_properties_that_would_share_a_name_are_numbered(self):
        assert field_names(["foo_bar", "fooBar", "foo-bar", "stix_id", "id"]) == {
            "id": "stixId",
            "foo-bar": "fooBar",
            "fooBar": "fooBar2",
            "foo_bar": "fooBar3",
            "stix_id": "stixId2",
        }

    def test_types_that_would_share_a_name_with_each_other_or_the_schema_are_told_apart(self):
        assert type_names(["x-tool", "x_tool", "event", "3d-model"]) == {
            "x-tool": "XTool",
            "x_tool": "XTool2",
            "event": "StixEvent",
            "3d-model": "Stix3dModel",
        }

    def test_of_two_versions_the_newest_wins_wherever_it_stands(self, opened):
        newest = item("tool", modified="2024-01-01T00:00:00.5Z", name="new")
        older = item("tool", modified="2024-01-01T00:00:00Z", name="old", x_old=True)
        for objects in ((newest, older), (older, newest)):
            bundle = opened(*objects)
            assert [body["data"]["name"] for body in bodies(bundle.objects())] == ["new"]
            assert (bundle.counts.objects, bundle.counts.superseded) == ({"Tool": 1}, 1)

    def test_the_same_relationship_twice_is_one_link(self, opened):
        ends = id_of("tool", 1), id_of("malware", 1)
        older = relationship("drops", *ends, modified="2023-01-01T00:00:00Z")
        newer = relationship("drops", *ends, modified="2024-01-01T00:00:00Z")
        bundle = opened(newer, item("tool"), item("malware"), older)
        assert [body["properties"] for body in bodies(bundle.links())] == [{"modified": "2024-01-01T00:00:00Z"}]
        assert bundle.counts.links == {"drops": 1}

    def test_revoked_objects_are_imported_as_they_are(self, opened):
        assert bodies(opened(item("tool", revoked=True)).objects())[0]["data"]["revoked"] is True


class TestRelationships:
    ends = id_of("course-of-action", 1), id_of("attack-pattern", 1)
    objects = item("course-of-action"), item("attack-pattern")

    def test_a_relationship_becomes_a_link(self, opened):
        stated = relationship(
            "mitigates",
            *self.ends,
            created="2024-01-01T00:00:00Z",
            description="Helps.",
            x_score=3,
            x_nothing=None,
            start_time="2024-01-02T00:00:00Z",
            stop_time="2024-01-03T00:00:00Z",
        )
        assert bodies(opened(stated, *self.objects).links()) == [
            {
                "link": "mitigates",
                "key": stated["id"],
                "from": {"type": "CourseOfAction", "key": {"stixId": self.ends[0]}},
                "to": {"type": "AttackPattern", "key": {"stixId": self.ends[1]}},
                "properties": {"created": "2024-01-01T00:00:00Z", "description": "Helps.", "xScore": 3},
                "validFrom": "2024-01-02T00:00:00Z",
                "validTo": "2024-01-03T00:00:00Z",
            }
        ]

    def test_both_ends_get_a_link_field_and_the_source_the_properties(self, opened):
        types = types_of(opened(relationship("mitigates", *self.ends, x_score=3), *self.objects))
        assert types["CourseOfAction"]["links"] == {
            "mitigatesAttackPatterns": {
                "relation": "mitigates",
                "target": "AttackPattern",
                "direction": "out",
                "properties": {"xScore": {"type": "integer"}},
            }
        }
        assert types["AttackPattern"]["links"] == {
            "mitigatesFromCourseOfActions": {"relation": "mitigates", "target": "CourseOfAction", "direction": "in"}
        }

    def test_a_relations_properties_are_declared_once_for_all_the_types_it_joins(self, opened):
        tool, malware = id_of("tool", 1), id_of("malware", 1)
        types = types_of(
            opened(
                item("tool"),
                item("malware"),
                relationship("uses", malware, tool, 1, x_count=1),
                relationship("uses", tool, tool, 2, x_count=0.5),
            )
        )
        assert types["Malware"]["links"]["usesTools"]["properties"] == {"xCount": {"type": "float"}}
        assert list(types["Tool"]["links"]) == ["usesFromMalwares", "usesTools", "usesFromTools"]
        assert not any("properties" in link for link in types["Tool"]["links"].values())

    def test_no_link_field_is_defined_for_a_link_without_its_ends(self, opened):
        bundle = opened(relationship("mitigates", self.ends[0], id_of("attack-pattern", 9)), *self.objects)
        assert all(definition["links"] == {} for definition in types_of(bundle).values())

    def test_a_link_field_gives_way_to_a_data_field(self, opened):
        source = item("course-of-action", mitigates_attack_patterns="data", mitigatesAttackPatternsLinks="data")
        types = types_of(opened(source, item("attack-pattern"), relationship("mitigates", *self.ends)))
        assert list(types["CourseOfAction"]["links"]) == ["mitigatesAttackPatternsLinks2"]

    def test_names_of_any_length_fit(self, opened):
        types = types_of(
            opened(
                item("x-" + "a" * 80),
                item("x-" + "a" * 81),
                relationship("r" * 90, id_of("x-" + "a" * 80, 1), id_of("x-" + "a" * 81, 1)),
                relationship("r" * 91, id_of("x-" + "a" * 80, 1), id_of("x-" + "a" * 81, 1), 2),
            )
        )
        assert [len(name) for name in types] == [63, 63]
        assert [len(definition["links"]) for definition in types.values()] == [2, 2]

    def test_parallel_relationships_stay_apart(self, opened):
        parallel = [relationship("mitigates", *self.ends, number) for number in (1, 2)]
        links = bodies(opened(*parallel, *self.objects).links())
        assert [link["key"] for link in links] == [link["id"] for link in parallel]


class TestReferences:
    def test_a_reference_is_data_and_a_link(self, opened):
        author = id_of("identity", 1)
        bundle = opened(item("tool", created_by_ref=author), item("identity"))
        assert bodies(bundle.objects())[0]["data"]["createdByRef"] == author
        assert bodies(bundle.links()) == [
            {
                "link": "created-by",
                "key": f"{id_of('tool', 1)} created_by_ref",
                "from": {"type": "Tool", "key": {"stixId": id_of("tool", 1)}},
                "to": {"type": "Identity", "key": {"stixId": author}},
            }
        ]
        types = types_of(bundle)
        assert types["Tool"]["links"] == {
            "createdByIdentities": {"relation": "created-by", "target": "Identity", "direction": "out"}
        }
        assert list(types["Identity"]["links"]) == ["createdByFromTools"]

    def test_each_target_of_a_list_is_linked_once(self, opened):
        targets = [id_of("x-mitre-analytic", number) for number in (1, 2, 1)]
        bundle = opened(
            item("x-mitre-detection-strategy", x_mitre_analytic_refs=targets),
            item("x-mitre-analytic", 1),
            item("x-mitre-analytic", 2),
        )
        links = bodies(bundle.links())
        assert [(link["link"], link["to"]["key"]["stixId"]) for link in links] == [
            ("x-mitre-analytic", targets[0]),
            ("x-mitre-analytic", targets[1]),
        ]
        assert bundle.counts.links == {"x-mitre-analytic": 2}

    def test_a_reference_out_of_the_bundle_is_counted_and_stays_data(self, opened):
        bundle = opened(item("tool", created_by_ref=id_of("identity", 1), _ref="", x_ref="0", y_refs=[3]))
        assert list(bundle.links()) == []
        assert (bundle.counts.unresolved, bundle.counts.problems) == (1, 0)
        assert types_of(bundle)["Tool"]["links"] == {}

    def test_a_report_of_a_relationship_keeps_its_id_without_a_link(self, opened):
        stated = relationship("uses", id_of("tool", 1), id_of("tool", 1))
        bundle = opened(item("tool"), stated, item("report", object_refs=[id_of("tool", 1), stated["id"]]))
        assert [link["link"] for link in bodies(bundle.links())] == ["uses", "object"]
        assert bundle.counts.unresolved == 1

    def test_sightings_are_objects_with_links(self, opened):
        bundle = opened(
            item("sighting", sighting_of_ref=id_of("indicator", 1), where_sighted_refs=[id_of("identity", 1)], count=7),
            item("indicator"),
            item("identity"),
        )
        assert bodies(bundle.objects())[0]["data"]["count"] == 7
        assert [(link["link"], link["to"]["type"]) for link in bodies(bundle.links())] == [
            ("sighting-of", "Indicator"),
            ("where-sighted", "Identity"),
        ]

    def test_cyber_observables_with_deterministic_ids_are_objects(self, opened):
        address = item("ipv4-addr", value="198.51.100.3") | {"id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"}
        domain = item("domain-name", value="example.org", resolves_to_refs=[address["id"]])
        bundle = opened(address, domain)
        assert [body["type"] for body in bodies(bundle.objects())] == ["Ipv4Addr", "DomainName"]
        assert [link["link"] for link in bodies(bundle.links())] == ["resolves-to"]


class TestKillChains:
    phases = ({"kill_chain_name": "mitre-attack", "phase_name": "persistence"},) * 2

    def test_a_phase_with_a_tactic_becomes_a_link(self, opened):
        bundle = opened(
            item("attack-pattern", kill_chain_phases=self.phases),
            item("x-mitre-tactic", x_mitre_shortname="persistence"),
        )
        types = types_of(bundle)
        assert types["AttackPattern"]["fields"]["killChainPhases"] == {"type": "json", "list": True}
        assert list(types["AttackPattern"]["links"]) == ["killChainPhaseXMitreTactics"]
        assert list(types["XMitreTactic"]["links"]) == ["killChainPhaseFromAttackPatterns"]
        assert bodies(bundle.links()) == [
            {
                "link": "kill-chain-phase",
                "key": f"{id_of('attack-pattern', 1)} kill_chain_phases",
                "from": {"type": "AttackPattern", "key": {"stixId": id_of("attack-pattern", 1)}},
                "to": {"type": "XMitreTactic", "key": {"stixId": id_of("x-mitre-tactic", 1)}},
            }
        ]
        assert bundle.counts.links == {"kill-chain-phase": 1}

    def test_of_tactics_with_one_name_those_of_the_objects_domain_are_meant(self, opened):
        tactics = [
            item("x-mitre-tactic", number, x_mitre_shortname="persistence", x_mitre_domains=[domain])
            for number, domain in enumerate(["enterprise-attack", "mobile-attack"])
        ]
        mobile = item("attack-pattern", kill_chain_phases=self.phases, x_mitre_domains=["mobile-attack"])
        bundle = opened(mobile, *tactics)
        assert [link["to"]["key"]["stixId"] for link in bodies(bundle.links())] == [tactics[1]["id"]]
        assert bundle.counts.links == {"kill-chain-phase": 1}

    def test_a_tactics_newest_name_counts(self, opened):
        old = item("x-mitre-tactic", x_mitre_shortname="persistence", modified="2023-01-01T00:00:00Z")
        new = item("x-mitre-tactic", x_mitre_shortname="staying", modified="2024-01-01T00:00:00Z")
        technique = item("attack-pattern", kill_chain_phases=self.phases)
        for objects in ((old, new, technique), (technique, new, old)):
            assert bodies(opened(*objects).links()) == []

    def test_phases_without_tactics_stay_data(self, opened):
        bundle = opened(item("attack-pattern", kill_chain_phases=[*self.phases, "odd", {"phase_name": 3}]))
        assert (list(bundle.links()), bundle.counts.unresolved) == ([], 0)


@pytest.mark.skipif(not ATTACK.exists(), reason="the ATT&CK bundle is not beside the checkout")
def test_the_attack_knowledge_base_comes_out_whole():
    bundle = StixBundle(ATTACK)
    types = types_of(bundle)
    objects, links = bodies(bundle.objects()), bodies(bundle.links())
    counts = bundle.counts
    assert (len(objects), len(links)) == (sum(counts.objects.values()), sum(counts.links.values())) == (4723, 32331)
    assert (counts.problems, counts.superseded, counts.unresolved) == (0, 0, 0)
    assert sum(1 for link in links if link["key"].startswith("relationship--")) == 20_048
    declared = {(d["relation"], name, d["target"]) for name, t in types.items() for d in t["links"].values()}
    assert {(link["link"], link["from"]["type"], link["to"]["type"]) for link in links} <= declared
    for body in objects:
        fields = types[body["type"]]["fields"]
        for name, value in body["data"].items():
            (canonical_list if fields[name].get("list") else canonical)(Kind(fields[name]["type"]), value)
