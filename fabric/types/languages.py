"""Tags of languages, by RFC 5646: what the texts of a field are in, such as `de` or `zh-hant-tw`."""

import re

MAX_TAG = 63
"""In characters."""
EXPECTED = "a language is named by its tag, such as de or de-AT"

_TAG = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"  # language, extended
    r"(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"  # script, region
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # variants
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"  # extensions
    r"(?:-x(?:-[a-z0-9]{1,8})+)?",  # what it means to some only
    re.IGNORECASE | re.ASCII,
)


def canonical_tag(tag: object) -> str | None:
    """The tag in small letters, in which RDF compares them. None of what has not the form of one."""
    if not isinstance(tag, str) or len(tag) > MAX_TAG or _TAG.fullmatch(tag) is None:
        return None
    return tag.lower()
