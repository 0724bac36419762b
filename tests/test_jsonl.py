"""Files of import records: what is read of them, what is wrong with them, and what an export writes."""

import gzip
import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fabric.errors import BadInput
from fabric.transfer import jsonl
from fabric.transfer.jsonl import JsonLines
from fabric.transfer.records import Problem, Record

Opened = Callable[..., JsonLines]

OBJECT = {"type": "Document", "key": {"code": "D1"}, "data": {"title": "One"}}
END = {"type": "Document", "key": {"code": "D1"}}
LINK = {"link": "cites", "from": END, "to": {"id": "0e3c1d3e-8a5f-4c0e-9d3c-2b7f2f0f7a11"}}
ONE_FORM = "is a record with one of the members define, type and link; this line has"
DEFINE = {"define": {"typeName": "Document"}}


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    def open_lines(*lines: Any, pack: bool = False) -> JsonLines:
        """Each line as bytes, or JSON to be written as a line."""
        text = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        path = tmp_path / "records.jsonl"
        path.write_bytes(gzip.compress(text) if pack else text)
        return JsonLines(path)

    return open_lines


def problem_with(lines: JsonLines) -> str:
    """The one problem there is, which all readings together tell once."""
    found = [each for part in (lines.definitions(), lines.objects(), lines.links()) for each in part]
    assert len(found) == 1
    assert isinstance(found[0], Problem)
    assert list(lines) == found
    assert found[0].where == "line 1"
    return found[0].message


class TestReading:
    @pytest.mark.parametrize("pack", [False, True])
    def test_records_come_by_what_they_are_wherever_they_stand(self, opened: Opened, pack: bool) -> None:
        lines = opened(LINK, OBJECT, DEFINE, pack=pack)
        assert list(lines.definitions()) == [Record("line 3", DEFINE)]
        assert list(lines.objects()) == [Record("line 2", OBJECT)]
        assert list(lines.links()) == [Record("line 1", LINK)]
        assert [each.where for each in lines] == ["line 1", "line 2", "line 3"]

    def test_lines_are_counted_by_type_and_relation(self, opened: Opened) -> None:
        lines = opened(LINK, OBJECT, OBJECT | {"type": "Author"}, OBJECT, DEFINE, b"?")
        assert lines.counts == jsonl.Counts(1, {"Author": 1, "Document": 2}, {"cites": 1})

    def test_blank_lines_carriage_returns_and_a_byte_order_mark_mean_nothing(self, opened: Opened) -> None:
        text = b"\xef\xbb\xbf" + json.dumps(OBJECT).encode() + b"\r"
        assert list(opened(text, b"", b"  ", OBJECT)) == [Record("line 1", OBJECT), Record("line 4", OBJECT)]

    def test_long_integers_stay_exact(self, opened: Opened) -> None:
        number = 10**30 + 1
        (record,) = opened(OBJECT | {"data": {"number": number}})
        assert isinstance(record, Record)
        assert record.body["data"]["number"] == number

    def test_a_stream_can_be_read_more_than_once(self) -> None:
        lines = JsonLines(io.BytesIO(json.dumps(OBJECT).encode()))
        assert list(lines.objects()) == list(lines) == [Record("line 1", OBJECT)]

    def test_so_can_a_pipe(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(json.dumps(OBJECT).encode()),))
        writer.start()
        lines = JsonLines(pipe)
        writer.join()
        assert list(lines.objects()) == list(lines) == [Record("line 1", OBJECT)]

    def test_readings_do_not_disturb_each_other(self, opened: Opened) -> None:
        lines = opened(OBJECT, LINK, OBJECT, LINK)
        pairs = list(zip(lines.objects(), lines.links(), strict=True))
        assert [(a.where, b.where) for a, b in pairs] == [("line 1", "line 2"), ("line 3", "line 4")]

    def test_a_file_that_is_not_there_is_an_error_of_the_system(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            JsonLines(tmp_path / "none.jsonl")

    def test_a_truncated_gzip_file_is_refused_when_it_is_opened(self, tmp_path: Path) -> None:
        path = tmp_path / "records.jsonl.gz"
        path.write_bytes(gzip.compress(b"\n".join(json.dumps(OBJECT).encode() for _ in range(100)))[:-10])
        with pytest.raises(BadInput, match="damaged or incomplete"):
            JsonLines(path)

    def test_a_file_that_changes_meanwhile_is_refused(self, opened: Opened, tmp_path: Path) -> None:
        lines = opened(OBJECT)
        (tmp_path / "records.jsonl").write_text("{}")
        with pytest.raises(BadInput, match="changed"):
            list(lines)


class TestProblems:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b"code,title", "is not JSON in UTF-8: "),
            (b'{"type": "A"} {"type": "B"}', "is not JSON in UTF-8: "),
            (b'{"type": "A", "data": {"x": NaN}}', "is not JSON in UTF-8: "),
            (b'{"type": "A", "data": {"x": -Infinity}}', "is not JSON in UTF-8: "),
            (b'{"type": "A", "data": {"x": 1e999}}', "is not JSON in UTF-8: "),
            (b'{"type": "A", "data": {"x": "\xff"}}', "is not JSON in UTF-8: "),
            (b'{"type": "A", "data": {"x": "\\ud800"}}', "is not JSON in UTF-8: "),
            (b"[" * 5000 + b"]" * 5000, "is not JSON in UTF-8: "),
            (b'["type"]', "is not an object"),
            (b"{}", f"{ONE_FORM} none of them"),
            (b'{"type": "A", "link": "b"}', f"{ONE_FORM} type and link"),
            (b'{"type": "A", "data": {"x": ' + b"[" * 200 + b"]" * 200 + b"}}", "is nested deeper than 100 levels"),
            (b'{"type": "A", "type": "B", "id": "1"}', "'type' is there twice in one object"),
            (b'{"type": "A", "data": {"x": [{"y": 1, "z": 2, "y": 3}]}}', "'y' is there twice in one object"),
            (OBJECT | {"lable": "SECRET"}, "lable: unknown; known here are data, id, key, label, type"),
            (LINK | {"valid_from": None}, "valid_from: unknown; known here are from, key, label, link, "),
            (DEFINE | {"label": "SECRET"}, "label: unknown; known here are define"),
            (OBJECT | {"id": LINK["to"]}, "key and id: only one of them names an object"),
            (OBJECT | {"type": 1}, "type: expected a string"),
            (OBJECT | {"key": "D1"}, "key: expected an object of the natural key's fields"),
            (OBJECT | {"key": {}}, "key: expected an object of the natural key's fields"),
            ({"type": "A", "id": 1}, "id: expected a string"),
            (OBJECT | {"data": []}, "data: expected an object"),
            ({"define": []}, "define: expected an object"),
            (LINK | {"link": None}, "link: expected a string"),
            (LINK | {"key": 1}, "key: expected a string"),
            (LINK | {"properties": 1}, "properties: expected an object"),
            (LINK | {"from": "D1"}, 'from: expected {"type": "…", "key": {…}} or {"id": "…"}'),
            (LINK | {"to": END | {"id": "1"}}, 'to: expected {"type": "…", "key": {…}} or {"id": "…"}'),
            (LINK | {"to": {"type": "Document", "key": {}}}, 'to: expected {"type": "…", "key": {…}} or {"id": "…"}'),
            (LINK | {"to": {"type": "Document"}}, 'to: expected {"type": "…", "key": {…}} or {"id": "…"}'),
            (LINK | {"to": {"id": 1}}, 'to: expected {"type": "…", "key": {…}} or {"id": "…"}'),
            ({"link": "cites", "from": END}, "to: required"),
        ],
    )  # fmt: skip
    def test_a_malformed_line_is_one_problem(self, opened: Opened, line: Any, message: str) -> None:
        assert problem_with(opened(line)).startswith(message)

    def test_a_line_that_is_too_long_is_one_and_the_next_is_read(
        self, opened: Opened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        size = len(json.dumps(OBJECT).encode())
        monkeypatch.setattr(jsonl, "LINE_BYTES", size)
        for extra in (1, size, 5 * size + 1):
            found = list(opened(json.dumps(OBJECT).encode() + b" " * extra, OBJECT))
            assert found == [Problem("line 1", f"is longer than {size:,} bytes"), Record("line 2", OBJECT)]

    def test_a_malformed_line_hides_no_other(self, opened: Opened) -> None:
        found = list(opened(OBJECT, b"{", LINK, b"\xff", DEFINE))
        assert [type(each) for each in found] == [Record, Problem, Record, Problem, Record]
