"""`semantic-fabric import documents`: once, again, after changes, after a run that was broken off, at labels."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from databases import run_sql
from texts.files import pdf, put, word
from typer.testing import CliRunner

from fabric.texts.stored import StoredDocuments
from graphql_api.cli import app

GUIDE = "# Pumps\n\nAll pumps need oil.\n\n# Valves\n\nValves do not.\n"

Import = Callable[..., str]


@pytest.fixture
def load(
    monkeypatch: pytest.MonkeyPatch, untouched_log: None, server_url: str, admin_url: str, tmp_path: Path
) -> Import:
    """Imports what is named below `tmp_path / "files"`; what the command prints."""
    for name in [name for name in os.environ if name.startswith("FABRIC_")]:
        monkeypatch.delenv(name)
    tmp_path.chmod(0o700)
    monkeypatch.setenv("FABRIC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FABRIC_DATABASE_URL", server_url)
    monkeypatch.setenv("FABRIC_ADMIN_DATABASE_URL", admin_url)

    def run(*arguments: str, code: int = 0) -> str:
        paths = [str(tmp_path / "files" / path) if not path.startswith("--") else path for path in arguments[:1]]
        result = CliRunner().invoke(app, ["import", "documents", *paths, *arguments[1:], "--organization", "acme"])
        assert result.exit_code == code, result.output
        return result.stdout

    return run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def stored(admin_url: str) -> dict[str, list[tuple[str | None, str]]]:
    """Headings and texts of the passages of each document that is whole, in order; each has its link."""
    rows = asyncio.run(
        run_sql(
            admin_url,
            """
            select d.data->>'path' as path, p.data->>'heading' as heading, p.data->>'text' as text
            from fabric.objects d
            left join fabric.links l on l.target_id = d.object_id and l.relation = 'passage_of' and not l.tombstone
            left join fabric.objects p on p.object_id = l.source_id
            where d.type_name = 'TextDocument' and not d.tombstone and d.data ? 'sha256'
            order by path, (p.data->>'number#i')::int""",
        )
    )
    found: dict[str, list[tuple[str | None, str]]] = {}
    for row in rows:
        found.setdefault(row["path"], []).append((row["heading"], row["text"]))
    return found


def count(admin_url: str, table: str = "objects", where: str = "type_name = 'TextPassage' and not tombstone") -> int:
    return int(asyncio.run(run_sql(admin_url, f"select count(*) from fabric.{table} where {where}"))[0][0])


def test_files_become_documents_with_their_passages(load: Import, files: Path, admin_url: str) -> None:
    put(
        files,
        guide_md=GUIDE,
        more__deep__note_txt="A note.",
        more__page_html="<title>Page</title><p>Some words.</p>",
        more__sheet_pdf=pdf("On paper"),
        more__letter_docx=word(("Normal", "Dear reader.")),
        more__data_json='{"a": 1}',
        more__photo_png=b"\x89PNG",
    )
    (files / "more/.hidden.txt").write_text("not this")
    (files / "more/linked.txt").symlink_to(files / "guide.md")
    said = load("")
    assert "6 files read" in said
    assert "1 .png" in said
    assert stored(admin_url) == {
        "files/guide.md": [("Pumps", "All pumps need oil."), ("Valves", "Valves do not.")],
        "files/more/data.json": [(None, "a: 1")],
        "files/more/deep/note.txt": [(None, "A note.")],
        "files/more/letter.docx": [(None, "Dear reader.")],
        "files/more/page.html": [(None, "Some words.")],
        "files/more/sheet.pdf": [(None, "On paper")],
    }


def test_again_nothing_is_written_and_nothing_read(load: Import, files: Path, admin_url: str) -> None:
    put(files, guide_md=GUIDE)
    load("guide.md")
    events = count(admin_url, "events", "true")
    said = load("guide.md")
    assert "0 files read, 1 not changed" in said
    assert count(admin_url, "events", "true") == events


def test_of_a_changed_file_only_what_differs_is_replaced(load: Import, files: Path, admin_url: str) -> None:
    put(files, guide_md=GUIDE)
    load("guide.md")
    before = _ids(admin_url)
    put(
        files, guide_md=GUIDE.replace("Valves do not.", "Valves do not, says the maker.") + "\n# Seals\n\nSeals wear.\n"
    )
    said = load("guide.md")
    assert "1 passages removed" in said
    after = _ids(admin_url)
    assert after["All pumps need oil."] == before["All pumps need oil."]  # id and revision
    assert stored(admin_url) == {
        "guide.md": [
            ("Pumps", "All pumps need oil."), ("Valves", "Valves do not, says the maker."), ("Seals", "Seals wear."),
        ]
    }  # fmt: skip
    assert count(admin_url) == 3


def _ids(admin_url: str) -> dict[str, Any]:
    rows = asyncio.run(
        run_sql(
            admin_url, "select data->>'text', object_id, revision from fabric.objects where type_name='TextPassage'"
        )
    )
    return {text: (id, revision) for text, id, revision in rows}


def test_a_bad_file_is_told_of_and_keeps_no_other_out(
    load: Import, files: Path, admin_url: str, tmp_path: Path
) -> None:
    put(files, bad_pdf=b"%PDF-1.4 no", empty_txt="  ", good_txt="Good.", latin_txt=b"\xe4\xf6")
    said = load("", "--report", str(tmp_path / "report"), code=1)
    assert "bad.pdf: is damaged" in said
    told = [orjson.loads(line)["where"] for line in (tmp_path / "report").read_bytes().splitlines()]
    assert sorted(Path(where).name for where in told) == ["bad.pdf", "empty.txt", "latin.txt"]
    assert list(stored(admin_url)) == ["files/good.txt"]


def test_a_file_of_no_form_that_is_read_is_a_problem_where_it_is_named(load: Import, files: Path) -> None:
    put(files, photo_png=b"x")
    assert "only files of these forms" in load("photo.png", code=1)


def test_a_file_that_became_unreadable_keeps_what_it_was(load: Import, files: Path, admin_url: str) -> None:
    put(files, guide_md=GUIDE)
    load("guide.md")
    before = stored(admin_url)
    (files / "guide.md").write_bytes(b"\xff")
    load("guide.md", code=1)
    assert stored(admin_url) == before


def test_a_run_that_was_broken_off_is_completed(
    load: Import, files: Path, admin_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(files, guide_md=GUIDE)
    load("guide.md")
    put(files, guide_md=GUIDE.replace("oil", "grease"))

    async def broken(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(StoredDocuments, "complete", broken)
        load("guide.md", code=130)
    put(files, guide_md=GUIDE)  # as it was at first: its digest was once stored
    load("guide.md")
    assert stored(admin_url) == {"guide.md": [("Pumps", "All pumps need oil."), ("Valves", "Valves do not.")]}


def test_each_label_has_its_own_passages(load: Import, files: Path, admin_url: str) -> None:
    put(files, guide_md=GUIDE)
    load("guide.md")
    put(files, guide_md=GUIDE.replace("oil", "the oil of the reserve"))
    load("guide.md", "--label", "SECRET/ALPHA")
    labels = asyncio.run(
        run_sql(admin_url, "select label, count(*) from fabric.objects where type_name = 'TextDocument' group by 1")
    )
    assert len(labels) == 2
    said = load("guide.md", "--label", "SECRET/ALPHA")
    assert "1 not changed" in said
    hidden = "type_name = 'TextPassage' and label = 0 and data->>'text' like '%reserve%'"
    assert count(admin_url, "objects", hidden) == 0
