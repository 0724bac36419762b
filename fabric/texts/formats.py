"""Readers by the endings of names: from a file's bytes to its text. Each may raise Unreadable, and nothing else it
knows of; what a library raises for a broken file is caught where the reader runs (see fabric/texts/workshop.py)."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import docx
from bs4 import BeautifulSoup, Tag
from docx.table import Table
from docx.text.paragraph import Paragraph
from markdown_it import MarkdownIt
from pypdf import PdfReader

from fabric.texts.sections import Outline, Section, Text, Unreadable

HEADINGS = {f"h{level}": level for level in range(1, 7)}
_UNSEEN = ["script", "style", "noscript", "template", "svg", "nav", "iframe", "object"]
_BLOCKS = ["p", "li", "pre", "blockquote", "td", "th", "dt", "dd", "figcaption", "summary", "caption", "address"]
_JSON_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Format:
    """`media_type` is what the document is stored as."""

    media_type: str
    read: Callable[[bytes], Text]


def decoded(content: bytes) -> str:
    """UTF-8, or what a byte order mark says. Unreadable for anything else."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not text in UTF-8: byte {error.start} does not fit") from None


def read_plain(content: bytes) -> Text:
    return Text("", [Section(decoded(content))])


def read_markdown(content: bytes) -> Text:
    """Sections by its headings; the first one is the title. The text keeps its markup, which reads well as it is."""
    text = decoded(content)
    lines, outline, start = text.splitlines(), Outline(), 0
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "heading_open" and token.map and token.level == 0:
            outline.block("\n".join(lines[start : token.map[0]]))
            start = token.map[1]
            title = "\n".join(lines[token.map[0] : start])
            outline.heading(HEADINGS[token.tag], title.rstrip("=-# \n").lstrip("# "))
    outline.block("\n".join(lines[start:]))
    return Text(outline.first_heading, outline.close())


def read_html(content: bytes) -> Text:
    """What a reader of the page reads, without scripts and navigation."""
    page = BeautifulSoup(content, "lxml")
    title = " ".join(page.title.get_text().split()) if page.title else ""
    for unseen in page(_UNSEEN):
        unseen.decompose()
    outline = Outline()
    for element in page([*HEADINGS, *_BLOCKS]):
        if not isinstance(element, Tag):
            continue
        if element.name in HEADINGS:
            outline.heading(HEADINGS[element.name], element.get_text(" "))
        elif element.find_parent([*HEADINGS, *_BLOCKS]) is None:  # else it is in its parent's text
            outline.block(element.get_text(" ") if element.name != "pre" else element.get_text())
    if not outline.close():
        outline.block(page.get_text("\n"))
    return Text(title or outline.first_heading, outline.close())


def read_json(content: bytes) -> Text:
    """A line for each value, behind the names that lead to it; items of an outermost list are apart."""
    try:
        value = json.loads(decoded(content))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not JSON: {error}") from None
    parts = value if isinstance(value, list) else [value]
    sections = [Section("\n".join(_json_lines(part, (), _JSON_DEPTH))) for part in parts]
    title = value.get("title") if isinstance(value, Mapping) else None
    return Text(title if isinstance(title, str) else "", [section for section in sections if section.text])


def _json_lines(value: Any, names: tuple[str, ...], depth: int) -> Iterator[str]:
    if depth == 0:
        raise Unreadable(f"is nested more than {_JSON_DEPTH} levels deep")
    match value:
        case dict():
            for name, member in value.items():
                yield from _json_lines(member, (*names, name), depth - 1)
        case list():
            for item in value:
                yield from _json_lines(item, names, depth - 1)
        case None | "":
            pass
        case _:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{'.'.join(names)}: {text}" if names else text


def read_pdf(content: bytes) -> Text:
    """A section for each page that has text; pictures of text have none."""
    reader = PdfReader(BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("is protected by a password")
    sections = [Section(page.extract_text(), page=number) for number, page in enumerate(reader.pages, start=1)]
    written = [section for section in sections if section.text.strip()]
    if not written:
        raise Unreadable("holds no text: its pages may be pictures")
    title = reader.metadata.title if reader.metadata else None
    return Text(str(title or ""), written)


def read_docx(content: bytes) -> Text:
    """Sections by its heading styles; a row of a table is a paragraph."""
    document = docx.Document(BytesIO(content))
    outline = Outline()
    for element in document.iter_inner_content():
        if isinstance(element, Table):
            for row in element.rows:
                outline.block(" | ".join(cell.text.strip() for cell in row.cells))
        else:
            level = _heading_level(element)
            if level is None:
                outline.block(element.text)
            else:
                outline.heading(level, element.text)
    return Text(document.core_properties.title or outline.first_heading, outline.close())


def _heading_level(paragraph: Paragraph) -> int | None:
    style = (paragraph.style.name if paragraph.style else None) or ""
    if style == "Title":
        return 0
    name, _, number = style.partition(" ")
    return int(number) if name == "Heading" and number.isdigit() else None


FORMATS: Mapping[str, Format] = {
    ".txt": Format("text/plain", read_plain),
    ".md": Format("text/markdown", read_markdown),
    ".markdown": Format("text/markdown", read_markdown),
    ".html": Format("text/html", read_html),
    ".htm": Format("text/html", read_html),
    ".json": Format("application/json", read_json),
    ".pdf": Format("application/pdf", read_pdf),
    ".docx": Format("application/vnd.openxmlformats-officedocument.wordprocessingml.document", read_docx),
}
"""By the name's ending, in lower case."""
