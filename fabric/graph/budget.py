"""How much work a question may make."""

from fabric.errors import TooComplex


class Budget:
    """Visible links that may be looked at. A link counts each time it is met, from either end; hidden ones never do.

    One budget can be shared by several questions.
    """

    def __init__(self, links: int) -> None:
        self.links, self._left = links, links

    def spend(self, links: int) -> None:
        """TooComplex when it is used up."""
        self._left -= links
        if self._left < 0:
            raise TooComplex(f"this would look at more than {self.links:,} links; ask for less of the graph")
