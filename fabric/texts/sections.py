"""What readers make of a file: its title, and its text in sections."""

from dataclasses import dataclass, field


class Unreadable(Exception):
    """A file that cannot be read as what its name says; the message is for whoever imports it."""


@dataclass(frozen=True, slots=True)
class Section:
    """Text that belongs together. `heading` leads down to it, outermost first, as in `Pumps › Maintenance`."""

    text: str
    heading: str = ""
    page: int | None = None
    """From 1, where the file has pages."""


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text. `title` is empty where the file does not say."""

    title: str
    sections: list[Section] = field(default_factory=list)


class Outline:
    """Puts sections together while a file is read from its top, from headings and what stands below them."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.first_heading = ""
        self._headings: list[tuple[int, str]] = []
        self._blocks: list[str] = []

    def heading(self, level: int, text: str) -> None:
        """A heading; deeper ones have greater levels. Headings without text do not count."""
        if text := " ".join(text.split()):
            self.close()
            self.first_heading = self.first_heading or text
            self._headings = [*((at, name) for at, name in self._headings if at < level), (level, text)]

    def block(self, text: str) -> None:
        """A paragraph, or what else stands by itself."""
        if text := text.strip():
            self._blocks.append(text)

    def close(self) -> list[Section]:
        """Ends the section that is open. All sections so far; those without text are left out."""
        if self._blocks:
            heading = " › ".join(name for _, name in self._headings)
            self.sections.append(Section("\n\n".join(self._blocks), heading))
            self._blocks = []
        return self.sections
