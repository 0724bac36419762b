"""Files that mean harm: each costs what it may, is told of, and the next one is read."""

import time
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from texts.files import pdf, word

from fabric.texts.formats import FORMATS
from fabric.texts.sections import Unreadable
from fabric.texts.workshop import Workshop


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop(seconds=5, memory=512 << 20) as workshop:
        yield workshop


def bomb(_: bytes = b"") -> bytes:
    """A docx whose text is hundreds of megabytes of the same letter."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(word(("Normal", "x")))) as source, zipfile.ZipFile(out, "w", 8) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "word/document.xml":
                with target.open(name, "w", force_zip64=True) as file:
                    head, tail = content.split(b">x<", 1)
                    file.write(head + b">")
                    for _ in range(100):
                        file.write(b"a" * (1 << 22))
                    file.write(b"<" + tail)
            else:
                target.writestr(name, content)
    return out.getvalue()


def laughs() -> bytes:
    """A docx whose document expands to more than there is memory."""
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    document = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a11;</x>'
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(word(("Normal", "x")))) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            target.writestr(name, document if name == "word/document.xml" else source.read(name))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.pdf", lambda: b"%PDF-1.4 nothing"),
        ("a.pdf", lambda: pdf("x")[:200]),
        ("a.docx", lambda: b"PK\3\4 nothing"),
        ("a.docx", laughs),
        ("a.docx", bomb),
        ("a.json", lambda: b"[" * 1_000_000),
    ],
    ids=["no pdf", "half a pdf", "no docx", "laughs", "bomb", "deep"],
)
def test_a_hostile_file_is_told_of_and_the_next_one_is_read(
    workshop: Workshop, name: str, make: Callable[[], bytes]
) -> None:
    with pytest.raises(Unreadable):
        workshop.read(Path(name), make())
    assert workshop.read(Path("b.txt"), b"fine").sections[0].text == "fine"


def test_a_file_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with Workshop(seconds=1.5) as workshop:
        started = time.monotonic()
        with pytest.raises(Unreadable, match="seconds"):
            workshop.read(Path("a.md"), b"*a " * 400_000)
        assert time.monotonic() - started < 30
        assert workshop.read(Path("b.txt"), b"fine").sections[0].text == "fine"


def test_every_form_has_a_reader() -> None:
    assert set(FORMATS) == {".txt", ".md", ".markdown", ".html", ".htm", ".json", ".pdf", ".docx"}
