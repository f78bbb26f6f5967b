"""What an import did with every file it was given."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that was not imported.

    Attributes:
        file: The file as named by the caller.
        place: Line and column, "" for the whole file.
        reason: Why, in a sentence.
    """

    file: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{', ' + self.place if self.place else ''}: {self.reason}."


@dataclass(frozen=True, slots=True)
class ImportFinding:
    """Something odd that stopped nothing.

    Attributes:
        file: The file (or folder) it shows in.
        message: A sentence.
    """

    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}."


@dataclass(frozen=True, slots=True)
class ImportedManifest:
    """A declaration that became a manifest.

    Attributes:
        source: The declaration's file.
        manifest: The manifest's file, relative to the output folder.
        type_code: As `IMA`.
        lrn: The declarant's reference, "" if none.
        mrn: The MRN, "" if no message of the batch tells it.
    """

    source: str
    manifest: str
    type_code: str
    lrn: str
    mrn: str


@dataclass(frozen=True, slots=True)
class ImportedSequence:
    """The records that follow from the messages about one reference.

    Attributes:
        reference: As `mrn:24GB…` or `mucr:…`.
        file: The NDJSON file, relative to the output folder.
        kinds: The kinds of its records, in order.
        messages: The messages read for it, in order: function or movement codes.
        fiscal: How many messages were kept to the declarant's own file.
        repeated: How many messages were dropped because they repeat another.
    """

    reference: str
    file: str
    kinds: tuple[str, ...]
    messages: tuple[str, ...]
    fiscal: int
    repeated: int


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        files: How many files were given.
        manifests: Declarations that became manifests.
        requests: Files of requests about earlier declarations (amendment, invalidation); customs' answer counts.
        sequences: Records written, one an MRN or master reference.
        noted: Files that state nothing about goods, with what they are.
        findings: What is odd.
        refusals: Files that were not imported.
    """

    files: int = 0
    manifests: list[ImportedManifest] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    sequences: list[ImportedSequence] = field(default_factory=list)
    noted: list[ImportFinding] = field(default_factory=list)
    findings: list[ImportFinding] = field(default_factory=list)
    refusals: list[RefusedFile] = field(default_factory=list)
