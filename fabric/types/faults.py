"""What is wrong with something that was written, collected so that it is answered with all of it at once."""

from fabric.errors import BadInput, FabricError, raise_any


class Faults:
    """Collects what is wrong, each with the path that leads to it."""

    def __init__(self) -> None:
        self.errors: list[FabricError] = []
        self._prefix: tuple[str | int, ...] = ()

    def add(self, message: str, *path: str | int) -> None:
        self.errors.append(BadInput(message, (*self._prefix, *path)))

    def under(self, *prefix: str | int) -> "Faults":
        """The same collection, for adding to it with paths led on from `prefix`."""
        led = Faults()
        led.errors, led._prefix = self.errors, (*self._prefix, *prefix)
        return led

    def raise_any(self) -> None:
        raise_any(self.errors)
