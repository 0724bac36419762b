"""The fenced blocks of a document."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Block:
    """One fenced block. `info` are the words after the fence: the language, and what the block is for."""

    info: tuple[str, ...]
    text: str
    line: int

    @property
    def language(self) -> str:
        return self.info[0] if self.info else ""

    @property
    def purpose(self) -> str:
        return self.info[1] if len(self.info) > 1 else ""


def blocks(document: Path) -> Iterator[Block]:
    info, text, start = None, [""], 0
    for number, line in enumerate(document.read_text("utf-8").splitlines(), start=1):
        fence = re.match(r"```(.*)", line)
        if fence and info is None:
            info, text, start = tuple(fence[1].split()), [], number
        elif fence and info is not None:
            yield Block(info, "\n".join(text), start)
            info = None
        else:
            text.append(line)
    assert info is None, f"{document.name}:{start}: a block that does not end"
