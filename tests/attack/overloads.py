"""Parts of documents that are much of the same."""


def aliased(field: str, number: int, prefix: str = "a") -> str:
    """The field so many times, under as many names."""
    return " ".join(f"{prefix}{i}: {field}" for i in range(number))


def names(number: int) -> str:
    return " ".join(f"a{i}" for i in range(number))
