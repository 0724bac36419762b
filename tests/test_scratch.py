"""Folders for a while: gone when they are not needed any more, however that came."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ontology.input.scratch import PREFIX, scratch_folder

ROOT = Path(__file__).parents[1]
HOLDING = """
from ontology.input.scratch import scratch_folder
with scratch_folder() as path:
    (path / "store").mkdir()
    (path / "store" / "part").write_text("much")
    print(path, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tempfile.tempdir = None
    yield
    tempfile.tempdir = None


def left(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob(PREFIX + "*"))


def test_it_is_gone_after_the_block_whatever_ended_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), scratch_folder() as path:
        (path / "more" / "deeper").mkdir()
    assert left(tmp_path) == []


def test_what_a_killed_process_left_goes_with_the_next_and_what_others_use_stays(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDING], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    paths = [Path(each.stdout.readline().strip()) for each in processes if each.stdout is not None]
    processes[0].kill()
    processes[0].communicate()
    assert left(tmp_path) == sorted(paths)
    with scratch_folder() as mine, scratch_folder() as other:
        assert left(tmp_path) == sorted([mine, other, paths[1]])
    assert (paths[1] / "store" / "part").read_text() == "much"
    processes[1].communicate("\n")
    assert left(tmp_path) == []


def test_nothing_is_cleared_that_is_not_a_folder_of_ones_own(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "held").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}new").mkdir()
    with scratch_folder():
        assert (elsewhere / "held").exists()
    assert {path.name for path in left(tmp_path)} == {PREFIX + name for name in ("link", "file", "new")}
