"""Regular expressions of XPath, which SHACL and SPARQL use, and of XML Schema, in the dialect of RE2, and back.

https://www.w3.org/TR/xpath-functions/#regex-syntax and https://www.w3.org/TR/xmlschema-2/#regexs. What one reads
in another way is written otherwise, and what it has no words for is refused: a pattern never means something else.
"""

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\\[pP]\{[^}]*\}|\\.|\{[0-9]+(?:,[0-9]*)?\}|\[\^?|\(\?|.", re.DOTALL)
_CATEGORY = re.compile(r"\\[pP]\{(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|Z[slp]?|S[mcko]?|C[cfo])\}")
_FLAGS = frozenset("imsx")

_NAME_START = (
    r":A-Z_a-z\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{2FF}\x{370}-\x{37D}\x{37F}-\x{1FFF}\x{200C}\x{200D}"
    r"\x{2070}-\x{218F}\x{2C00}-\x{2FEF}\x{3001}-\x{D7FF}\x{F900}-\x{FDCF}\x{FDF0}-\x{FFFD}\x{10000}-\x{EFFFF}"
)
_NAME = _NAME_START + r"\-.0-9\x{B7}\x{300}-\x{36F}\x{203F}\x{2040}"
_CLASSES = {
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "s": r" \t\n\r",
    "S": r"\x{0}-\x{8}\x{B}\x{C}\x{E}-\x{1F}\x{21}-\x{10FFFF}",
    "w": r"\pL\pM\pN\pS",
    "W": r"\pP\pZ\pC",
    "i": _NAME_START,
    "c": _NAME,
}
"""What escapes for many characters mean, as members of a class in brackets."""
_OPPOSITES = {"w": "W", "W": "w", "I": "i", "C": "c"}
"""Outside of brackets they are what those are not: for `w` the shorter way, and for `I` and `C` the only one."""


class Untranslatable(Exception):
    """Why a pattern has no counterpart."""


def re2_pattern(pattern: str, flags: str = "", *, whole: bool = False) -> str:
    """The same pattern for RE2. `whole` patterns are those of XML Schema: of all of a text, and without anchors."""
    for flag in sorted(set(flags) - _FLAGS):
        raise Untranslatable(f"the flag {flag} has no counterpart")
    reader = _Reader(whole, spaced="x" in flags)
    text = "".join(reader.token(token) for token in _TOKEN.findall(pattern))
    if reader.within:
        raise Untranslatable("a class in brackets has no end")
    if whole:
        return f"^(?:{text})$"
    inline = "".join(sorted(set(flags) - {"x"}))
    return f"(?{inline}){text}" if inline else text


class _Reader:
    def __init__(self, whole: bool, spaced: bool) -> None:
        self._whole, self._spaced = whole, spaced
        self.within = False
        """A class in brackets."""
        self._before = ""

    def token(self, token: str) -> str:
        made = self._inside(token) if self.within else self._outside(token)
        self._before = token
        return made

    def _inside(self, token: str) -> str:
        if token.startswith("["):
            raise Untranslatable("the subtraction of one class from another" if self._before == "-" else "[ in a class")
        if token == "]":
            if self._before.startswith("["):
                raise Untranslatable("a class of no characters")
            self.within = False
        return _escape(token, within=True) if token.startswith("\\") else token

    def _outside(self, token: str) -> str:
        if token.startswith("["):
            self.within = True
        elif token.startswith("\\"):
            return _escape(token, within=False)
        elif token == "{":
            raise Untranslatable("a brace that says no number of times")
        elif self._spaced and token.isspace():
            return ""
        elif self._whole:
            if token == "(?":
                raise Untranslatable("(? in a pattern of XML Schema")
            return {"^": r"\^", "$": r"\$", ".": r"[^\n\r]"}.get(token, token)
        return token


def _escape(token: str, *, within: bool) -> str:
    name = token[1:]
    if name[:1] in ("p", "P") and len(name) > 1:
        if not _CATEGORY.fullmatch(token):
            raise Untranslatable(f"the characters {token[:40]}")
        return token
    if not within and name in _OPPOSITES:
        return f"[^{_CLASSES[_OPPOSITES[name]]}]"
    if name in _CLASSES:
        return _CLASSES[name] if within else f"[{_CLASSES[name]}]"
    if name in ("n", "r", "t") or (name and name.isascii() and not name.isalnum() and name.isprintable()):
        return name if name == "_" else token
    raise Untranslatable(f"the escape {token[:40]}")


_RE2_TOKEN = re.compile(
    r"\\[pP](?:\{[^}]*\}|.)|\\x(?:\{[0-9A-Fa-f]{1,6}\}|[0-9A-Fa-f]{2})|\\."
    r"|\{[0-9]+(?:,[0-9]*)?\}|\[\^?|\(\?(?:P?<\w+>|:)|\(\?|.",
    re.DOTALL,
)
_RE2_ITEM = re.compile(r"\\[pP](?:\{[^}]*\}|.)|\\x(?:\{[0-9A-Fa-f]{1,6}\}|[0-9A-Fa-f]{2})|\\.|\[:|.", re.DOTALL)
_RE2_FLAGS = re.compile(r"\(\?([ims]+)\)")
_RE2_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\f\\r "}
_RE2_CHARACTERS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a"}
_XPATH_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"} | {c: f"\\{c}" for c in "\\-[]{}()^$|.?*+"}


def xpath_pattern(pattern: str) -> tuple[str, str]:
    """A pattern of RE2 for XPath, with its flags. Untranslatable for one that XPath has no words for."""
    head = _RE2_FLAGS.match(pattern)
    flags, text = ("".join(sorted(set(head[1]))), pattern[head.end() :]) if head else ("", pattern)
    return "".join(_Writer(text, flags).parts()), flags


class _Writer:
    """Of a pattern that RE2 has taken."""

    def __init__(self, text: str, flags: str) -> None:
        self._text, self._flags, self._at = text, flags, 0

    def parts(self) -> Iterator[str]:
        while self._at < len(self._text):
            token = self._next(_RE2_TOKEN)
            if token.startswith("["):
                yield token
                yield from self._members()
            else:
                yield self._outside(token)

    def _next(self, form: re.Pattern[str]) -> str:
        found = form.match(self._text, self._at)
        if found is None:
            raise Untranslatable("a pattern without an end")
        self._at = found.end()
        return found[0]

    def _outside(self, token: str) -> str:
        if token.startswith("(?"):
            if token == "(?":
                raise Untranslatable("flags within a pattern")
            return "("
        if len(token) > 1 and token.startswith("{"):
            return token
        if token in ("\\A", "\\z") and "m" not in self._flags:
            return "^" if token == "\\A" else "$"
        if token in ("{", "}", "]") or token.startswith("\\"):
            return _for_xpath(token, within=False)
        return token

    def _members(self) -> Iterator[str]:
        """Of a class in brackets, to its end."""
        first, ranges = True, ""
        while (token := self._next(_RE2_ITEM)) != "]" or first:
            if token == "[:":
                raise Untranslatable("a class of POSIX")
            if token == "-" and ranges == "from" and self._text[self._at] != "]":
                ranges = "to"
                yield token
                continue
            yield _for_xpath(token, within=True)
            ranges = "from" if ranges != "to" and _is_character(token) else ""
            first = False
        yield token


def _is_character(token: str) -> bool:
    return not token.startswith("\\") or token[1] not in "dDsSwWpP"


def _for_xpath(token: str, *, within: bool) -> str:
    if not token.startswith("\\"):
        return _XPATH_ESCAPES.get(token, token)
    name = token[1:]
    if name.lower() in _RE2_CLASSES:
        members, opposite = _RE2_CLASSES[name.lower()], name.isupper()
        if within and opposite:
            raise Untranslatable("the opposite of a class within another")
        return members if within else f"[{'^' if opposite else ''}{members}]"
    if name[0] in "pP":
        category = f"\\{name[0]}{{{name[1:].strip('{}')}}}"
        if not _CATEGORY.fullmatch(category):
            raise Untranslatable(f"the characters {token}")
        return category
    character = _character(name)
    return _XPATH_ESCAPES.get(character, character)


def _character(name: str) -> str:
    """What an escape of one character stands for."""
    if name[0] == "x" and len(name) > 1:
        code = int(name[1:].strip("{}"), 16)
        if not code or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            raise Untranslatable("what is in no text")
        return chr(code)
    if name in _RE2_CHARACTERS:
        return _RE2_CHARACTERS[name]
    if name.isalnum():
        raise Untranslatable(f"the escape \\{name}")
    return name
