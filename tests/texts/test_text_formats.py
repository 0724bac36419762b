"""What readers make of files."""

import json

import pytest
from texts.files import pdf, word

from fabric.texts.formats import FORMATS
from fabric.texts.sections import Section, Text, Unreadable


def read(ending: str, content: str | bytes) -> Text:
    return FORMATS[ending].read(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_plain_text_is_read_in_the_encodings_it_comes_in(encoding: str) -> None:
    assert read(".txt", "Größe\nmäßig".encode(encoding)) == Text("", [Section("Größe\nmäßig")])


def test_what_is_no_text_is_told() -> None:
    with pytest.raises(Unreadable, match="byte 2"):
        read(".txt", b"ab\xff\xfe")


def test_markdown_has_sections_under_the_headings_that_lead_to_them() -> None:
    text = read(".md", "before\n\n# Pumps\n\nAll *pumps*.\n\n## Care ##\n- oil\n\nOld\n---\n\n# Valves\nx\n")
    assert text.title == "Pumps"
    assert text.sections == [
        Section("before"),
        Section("All *pumps*.", "Pumps"),
        Section("- oil", "Pumps › Care"),
        Section("x", "Valves"),
    ]


def test_a_heading_within_code_is_code() -> None:
    assert read(".md", "# A\n```\n# not a heading\n```\n").sections == [Section("```\n# not a heading\n```", "A")]


def test_html_is_what_its_reader_sees() -> None:
    page = """<html><head><title>The  pumps</title><style>p {}</style></head><body><nav><p>Home</p></nav>
    <h1>Pumps</h1><p>All <b>pumps</b>.</p><script>alert(1)</script><ul><li>one<p>two</p></li></ul>
    <h2>Care</h2><table><tr><td>oil</td><td>weekly</td></tr></table></body></html>"""
    text = read(".html", page)
    assert text.title == "The pumps"
    assert [(s.heading, s.text.split()) for s in text.sections] == [
        ("Pumps", ["All", "pumps", ".", "one", "two"]),
        ("Pumps › Care", ["oil", "weekly"]),
    ]


def test_html_without_paragraphs_is_read_all_the_same() -> None:
    assert [s.text for s in read(".html", "<div>one<div>two</div></div>").sections] == ["one\ntwo"]


def test_json_has_a_line_for_each_value_behind_its_names() -> None:
    value = {"title": "Pumps", "parts": [{"name": "seal", "size": 3}, {"name": "ring", "gone": None}], "on": True}
    assert read(".json", json.dumps(value)) == Text(
        "Pumps", [Section("title: Pumps\nparts.name: seal\nparts.size: 3\nparts.name: ring\non: true")]
    )
    assert [s.text for s in read(".json", '[{"a": 1}, "b", {}]').sections] == ["a: 1", "b"]


@pytest.mark.parametrize("content", ["{", "[" * 200 + "]" * 200, "[" * 100_000, "nope"])
def test_json_that_is_none_or_too_deep_is_told(content: str) -> None:
    with pytest.raises(Unreadable):
        read(".json", content)


def test_a_pdf_has_a_section_for_each_page_with_text() -> None:
    text = read(".pdf", pdf("Pumps need oil", "", "Valves do not", title="Manual"))
    assert text == Text("Manual", [Section("Pumps need oil", page=1), Section("Valves do not", page=3)])


def test_a_pdf_of_pictures_is_told() -> None:
    with pytest.raises(Unreadable, match="pictures"):
        read(".pdf", pdf(""))


def test_a_word_document_has_its_headings_and_tables() -> None:
    content = word(("Heading 1", "Pumps"), ("Normal", "All pumps."), ("Heading 2", "Care"), table=[["oil", "weekly"]])
    assert read(".docx", content) == Text(
        "Pumps", [Section("All pumps.", "Pumps"), Section("oil | weekly", "Pumps › Care")]
    )
    assert read(".docx", word(("Normal", "x"), title="Named")).title == "Named"
