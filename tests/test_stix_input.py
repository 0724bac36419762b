"""What the STIX reader makes of bad objects, of files that are no bundles, and of text that comes in pieces."""

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fabric.errors import BadInput
from fabric.stix import StixBundle, elements
from fabric.stix.elements import bundle_elements
from fabric.transfer.records import Problem, Record

ID = "00000000-0000-4000-8000-000000000001"
GOOD = f'{{"type": "tool", "id": "tool--{ID}"}}'


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "bundle.json"


def bundle_text(*objects: str) -> str:
    return f'{{"type": "bundle", "id": "bundle--{ID}", "objects": [{", ".join(objects)}]}}'


def problems(path: Path, *objects: str) -> list[Problem]:
    """The problems of the objects, one good object among them, which has to come out."""
    path.write_text(bundle_text(*objects, GOOD))
    bundle = StixBundle(path)
    found, links = list(bundle.objects()), list(bundle.links())
    assert [record.where for record in found if isinstance(record, Record)] == [f"tool--{ID}"]
    result = [each for each in (*found, *links) if isinstance(each, Problem)]
    assert bundle.counts.problems == len(result)
    return result


def relationship(**changes: Any) -> str:
    ends = {"relationship_type": "uses", "source_ref": f"tool--{ID}", "target_ref": f"tool--{ID}"}
    return json.dumps({"type": "relationship", "id": f"relationship--{ID}", **ends, **changes})


class TestBadObjects:
    @pytest.mark.parametrize(
        ("bad", "where", "message"),
        [
            ("7", "object 1", "is not an object"),
            ("[]", "object 1", "is not an object"),
            ("null", "object 1", "is not an object"),
            ('{"type": "tool"}', "object 1", "has no id"),
            ('{"type": "tool", "id": 7}', "object 1", "has an id that is not its type"),
            ('{"type": "tool", "id": "tool--"}', "object 1", "has an id that is not its type"),
            (f'{{"type": "tool-", "id": "tool---{ID}"}}', f"tool---{ID}", "has an id that is not its type"),
            (f'{{"type": "malware", "id": "tool--{ID}"}}', f"tool--{ID}", "has an id that is not its type"),
            (f'{{"type": "tool", "id": "tool--{ID}\\u0000"}}', "object 1", "has an id that is not its type"),
            (f'{{"type": "tool", "id": "tool--{ID}\\ud800"}}', "object 1", "has an id that is not its type"),
            (f'{{"id": "tool--{ID}"}}', f"tool--{ID}", "has no type"),
            (f'{{"type": 7, "id": "tool--{ID}"}}', f"tool--{ID}", "has a type that is no name"),
            (f'{{"type": "a--b", "id": "a--b--{ID}"}}', f"a--b--{ID}", "has a type that is no name"),
        ],
    )
    def test_an_element_that_is_no_stix_object(self, path, bad, where, message):
        (problem,) = problems(path, bad)
        assert problem.where == where
        assert problem.message.startswith(message)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("NaN", "finite"),
            ("-Infinity", "finite"),
            ("1e999", "finite"),
            ("[[NaN]]", "finite"),
            ("1" * 5000, "finite|64 bits"),
            ("12345678901234567891", "64 bits"),
            ('"a\\u0000"', "U\\+0000"),
            ('{"a\\u0000": 1}', "U\\+0000"),
            ('"a\\ud83d"', "surrogate"),
            ('["\\uDE00\\uD83D"]', "surrogate"),
            ("[" * 70 + "]" * 70, "levels"),
            (f'"{"x" * 1_000_001}"', "1,000,000 characters"),
        ],
    )
    def test_a_value_that_cannot_be_stored(self, path, value, message):
        other = ID.replace("1", "2")
        (problem,) = problems(path, f'{{"type": "tool", "id": "tool--{other}", "x_odd": {value}}}')
        assert problem.where == f"tool--{other}"
        assert re.match(f"x_odd: .*({message})", problem.message)

    def test_a_property_whose_name_cannot_be_one(self, path):
        bad = f'{{"type": "tool", "id": "tool--{ID}", "x\\u0000": 1}}'
        assert "name" in problems(path, bad)[0].message

    @pytest.mark.parametrize("odd", ['"\\ud83d\\ude00"', '"\\\\u0000"', "1234567890123456789", "1e22"])
    def test_what_only_looks_odd_is_imported(self, path, odd):
        path.write_text(bundle_text(f'{{"type": "tool", "id": "tool--{ID}", "x_odd": {odd}}}'))
        (record,) = StixBundle(path).objects()
        assert isinstance(record, Record)
        assert record.body["data"]["xOdd"] == json.loads(odd)

    @pytest.mark.parametrize(
        "markings",
        [
            {"object_marking_refs": f"marking-definition--{ID}"},
            {"object_marking_refs": [7]},
            {"granular_markings": {}},
            {"granular_markings": ["x"]},
            {"granular_markings": [{"selectors": ["name"]}]},
        ],
    )
    def test_markings_that_cannot_be_read_are_not_ignored(self, path, markings):
        bad = json.dumps({"type": "malware", "id": f"malware--{ID}", **markings})
        assert [problem.where for problem in problems(path, bad)] == [f"malware--{ID}"]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"source_ref": None}, "has no source_ref"),
            ({"target_ref": 7}, "has no target_ref"),
            ({"target_ref": f"tool--{ID}9"}, f"target_ref: the bundle holds no object 'tool--{ID}9'"),
            ({"source_ref": f"relationship--{ID}"}, f"source_ref: the bundle holds no object 'relationship--{ID}'"),
            ({"relationship_type": ""}, "has no relationship_type"),
            ({"relationship_type": "a\nb"}, "has no relationship_type"),
            ({"start_time": "yesterday"}, "start_time or stop_time: expected a date and time"),
            ({"start_time": "2024-01-02T00:00:00Z", "stop_time": "2024-01-01T00:00:00Z"}, "ends before it starts"),
        ],
    )
    def test_a_relationship_that_is_no_link(self, path, changes, message):
        (problem,) = problems(path, relationship(**changes))
        assert problem.where == f"relationship--{ID}"
        assert problem.message.startswith(message)

    def test_a_bad_newer_version_leaves_the_older_one(self, path):
        newer = f'{{"type": "tool", "id": "tool--{ID}", "modified": "2030-01-01T00:00:00Z", "x": NaN}}'
        assert [problem.where for problem in problems(path, newer)] == [f"tool--{ID}"]


class TestBadFiles:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "the end of the file"),
            (b"\x89PNG\r\n\x1a\n", "not UTF-8"),
            (b"PK\x03\x04", "expected {"),
            (b"[]", "expected {"),
            (b"{}", 'does not say "type": "bundle"'),
            (b'{"type": "report", "objects": []}', 'does not say "type": "bundle"'),
            (b'{"type": "bundle", "objects": {}}', "one list"),
            (b'{"type": "bundle", "objects": [], "objects": []}', "one list"),
            (b'{"type": "bundle", "objects": [1,]}', "Expecting value at character 34"),
            (b'{"type": "bundle", "objects": [1 2]}', "expected ,, got 2 at character 34"),
            (b'{"type": "bundle", "objects": [{"a": tru}]}', "Expecting value at character 38"),
            (b'{"type": "bundle", "objects": [{"a": 1}', "the end of the file"),
            (b'{"type": "bundle", "objects": [{"a": "', "Unterminated string"),
            (b'{"type": "bundle",}', 'expected ", got }'),
            (b'{1: 2, "type": "bundle"}', 'expected ", got 1'),
            (b'{"type": "bundle"} {}', "expected the end of the file, got {"),
            (b"\x1f\x8b", "truncated or damaged"),
            (gzip.compress(b'{"type": "bundle"}' * 99, mtime=0)[:-9], "truncated or damaged"),
            (gzip.compress(b'{"type": "bundle"}', mtime=0)[:-1] + b"\xff", "truncated or damaged"),
            (gzip.compress(b'{"type": "bundle"}', mtime=0) + b"rest", "truncated or damaged"),
            (b'{"type": "bundle", "objects": ' + b"[" * 100_000, "nested too deeply"),
        ],
    )
    def test_a_file_that_is_no_bundle_is_refused(self, path, content, message):
        path.write_bytes(content)
        with pytest.raises(BadInput) as caught:
            StixBundle(path)
        assert message in caught.value.message

    def test_a_gzip_bomb_is_refused(self, path):
        path.write_bytes(gzip.compress(b" " * 2_000_000, mtime=0))
        with pytest.raises(BadInput, match="more than 1,000,000 bytes"):
            StixBundle(path, max_bytes=1_000_000)

    def test_one_object_cannot_take_all_memory(self, path, monkeypatch):
        monkeypatch.setattr(elements, "MAX_ELEMENT", 1_000_000)
        path.write_bytes(gzip.compress(f'{{"type": "bundle", "objects": ["{"x" * 5_000_000}"]}}'.encode(), mtime=0))
        with pytest.raises(BadInput, match="more than 1,000,000 characters"):
            StixBundle(path)

    def test_a_type_with_endless_properties_is_refused(self, path):
        properties = {f"x_{i}": 1 for i in range(600)}
        path.write_text(bundle_text(json.dumps({"type": "tool", "id": f"tool--{ID}", **properties})))
        with pytest.raises(BadInput, match="type tool have more than 500"):
            StixBundle(path)

    def test_only_a_regular_file_can_be_read_twice(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for odd in (tmp_path, tmp_path / "pipe"):
            with pytest.raises(BadInput, match="regular file"):
                StixBundle(odd)
        with pytest.raises(FileNotFoundError):
            StixBundle(tmp_path / "nothing")

    def test_a_file_that_changes_between_the_passes_is_refused(self, path):
        path.write_text(bundle_text(GOOD))
        bundle = StixBundle(path)
        path.write_text(bundle_text(GOOD, GOOD))
        with pytest.raises(BadInput, match="changed"):
            list(bundle.objects())


class TestReading:
    def test_gzip_is_told_by_its_first_bytes_not_by_name(self, tmp_path):
        text = bundle_text(GOOD).encode()
        files = {"plain.gz": text, "zipped.json": gzip.compress(text, mtime=0), "bom": b"\xef\xbb\xbf" + text}
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
            assert [record.where for record in StixBundle(tmp_path / name).objects()] == [f"tool--{ID}"]

    def test_an_empty_bundle_and_one_without_objects_hold_nothing(self, path):
        for text in ('{"type": "bundle"}', '{"objects": [], "type": "bundle"}'):
            path.write_text(text)
            bundle = StixBundle(path)
            assert bundle.definitions() == [*bundle.objects()] == [*bundle.links()] == []

    def test_progress_ends_with_the_whole_file(self, path):
        path.write_bytes(gzip.compress(bundle_text(*[GOOD] * 20_000).encode()))
        seen: list[tuple[int, int]] = []
        StixBundle(path, progress=lambda done, size: seen.append((done, size)))
        assert seen == sorted(seen)
        assert len(seen) > 1
        assert seen[-1] == (path.stat().st_size,) * 2

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )

    @given(st.lists(json_values, max_size=5), st.integers(1, 40), st.sampled_from([None, 1, 40]), st.booleans())
    @example([12.5e-7, -1, True, '\ud83d\ude00 \\"', {"": [{}]}], 1, None, True)
    def test_text_means_the_same_in_pieces_of_any_length(self, objects, length, indent, ascii_only):
        text = json.dumps({"type": "bundle", "x": objects, "objects": objects}, indent=indent, ensure_ascii=ascii_only)
        pieces = (text[start : start + length] for start in range(0, len(text), length))
        assert [element.value for element in bundle_elements(pieces)] == json.loads(text)["objects"]

    @given(st.lists(json_values, min_size=1, max_size=3), st.data())
    def test_cut_short_anywhere_it_is_refused(self, objects, data):
        text = json.dumps({"type": "bundle", "objects": objects})
        cut = data.draw(st.integers(0, len(text) - 1))
        with pytest.raises(BadInput):
            list(bundle_elements([text[:cut]]))
