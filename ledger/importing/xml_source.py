"""Read XML of strangers into a small tree that remembers its lines.

Refused before memory is spent: files over the limit, document type declarations, entities, too many or too deeply
nested elements. Nothing is fetched, nothing is expanded. Whether the tree is a declaration is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException, DTDForbidden
from defusedxml.ElementTree import DefusedXMLParser

from ledger.errors import InvalidDeclaration

MAX_BYTES = 16 * 1024 * 1024  # of one file; the largest real declarations, 999 items, stay under 4 MiB
MAX_ELEMENTS = 400_000
MAX_DEPTH = 64


@dataclass(slots=True)
class Node:
    """One XML element.

    Attributes:
        name: Local name, without namespace or prefix.
        namespace: Namespace name, "" if it has none.
        attributes: Attribute values by their names as written.
        line: Line of its start tag, from 1.
        column: Column of its start tag, from 1.
        children: Child elements in order.
        text: Its own character data, white space collapsed and stripped; comments are not part of it.
    """

    name: str
    namespace: str
    attributes: dict[str, str]
    line: int
    column: int
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def all(self, *path: str) -> Iterator[Node]:
        """Yield every descendant reached by these local names, one level each, in document order."""
        if not path:
            yield self
            return
        for child in self.children:
            if child.name == path[0]:
                yield from child.all(*path[1:])

    def first(self, *path: str) -> Node | None:
        """Return the first descendant reached by these local names, or None."""
        return next(self.all(*path), None)

    def value(self, *path: str) -> str:
        """Return the text of the first descendant reached by these names that has any, or ""."""
        return next((node.text for node in self.all(*path) if node.text), "")

    def walk(self) -> Iterator[Node]:
        """Yield this element and all below it, depth first."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def place(self) -> str:
        """Line and column in words."""
        return f"line {self.line}, column {self.column}"


class _TooMuch(Exception):
    """The tree passes a bound; the message says which."""


class _Builder:
    """Target of the parser: builds `Node`s and keeps the bounds."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.expat: Any = None
        self._open: list[Node] = []
        self._data: list[list[str]] = []
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise _TooMuch(f"it has more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_DEPTH:
            raise _TooMuch(f"its elements nest deeper than {MAX_DEPTH}")
        namespace, _, name = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
        node = Node(
            name,
            namespace,
            dict(attributes),
            self.expat.CurrentLineNumber,
            self.expat.CurrentColumnNumber + 1,
        )
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)
        self._data.append([])

    def data(self, text: str) -> None:
        if self._data:
            self._data[-1].append(text)

    def end(self, tag: str) -> None:
        self._open.pop().text = " ".join("".join(self._data.pop()).split())

    def close(self) -> None:
        """Nothing to do: the parser asks for it."""


def read(path: Path) -> Node:
    """Read one file.

    Args:
        path: The file; its name is what a refusal names.

    Returns:
        The root element.

    Raises:
        InvalidDeclaration: Not readable, over `MAX_BYTES`, not well-formed, with a DTD or entities, too many or too
            deep elements.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidDeclaration(
                str(path),
                "",
                f"it is {size:,} bytes, over the limit of {MAX_BYTES:,}; a declaration is far smaller. "
                "Split the batch into one file a declaration",
            )
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidDeclaration(str(path), "", f"it cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise InvalidDeclaration(str(path), "", f"it is over the limit of {MAX_BYTES:,} bytes")
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Node:
    """Parse the bytes of one file; see `read` for what is refused.

    Args:
        data: The file's bytes.
        name: What a refusal calls it.

    Returns:
        The root element.

    Raises:
        InvalidDeclaration: See `read`.
    """
    builder = _Builder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    builder.expat = parser.parser
    try:
        parser.feed(data)
        parser.close()
    except ParseError as error:
        line, column = error.position
        reason = str(error).partition(": line")[0].removeprefix("not well-formed (").removesuffix(")")
        raise InvalidDeclaration(
            name, f"line {line}, column {column + 1}", f"it is not well-formed XML: {reason}"
        ) from None
    except DefusedXmlException as error:
        what = (
            "a document type declaration (DTD)"
            if isinstance(error, DTDForbidden)
            else "entities or an external reference"
        )
        raise InvalidDeclaration(
            name,
            f"line {builder.expat.CurrentLineNumber}, column {builder.expat.CurrentColumnNumber + 1}",
            f"it has {what}, which no declaration needs and which is never followed; remove it",
        ) from None
    except (_TooMuch, ValueError, LookupError) as error:
        raise InvalidDeclaration(name, f"line {builder.expat.CurrentLineNumber}", f"{error}") from None
    if builder.root is None:  # pragma: no cover  expat reports a missing root as not well-formed
        raise InvalidDeclaration(name, "", "it has no element")
    return builder.root
