"""Tell what a file is: a declaration, a notification, a movement, or none of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ledger.errors import InvalidDeclaration
from ledger.importing.declarations import Declaration, declaration
from ledger.importing.ncts import MESSAGES as NCTS_MESSAGES
from ledger.importing.ncts import transit_notification
from ledger.importing.notifications import Movement, movement, notification, presentation
from ledger.importing.ordering import Message
from ledger.importing.report import ImportFinding, ImportReport
from ledger.importing.xml_source import Node, read

_DECLARATION_NAMESPACES = (
    "urn:wco:datamodel:WCO:DEC-DMS:2",
    "urn:wco:datamodel:WCO:DEC:2",
    "http://gov.uk/customs/FullDeclarationDataRetrievalService",
    "",
)
_NO_STATEMENT = {  # messages of these systems that state nothing about goods
    "inventoryLinkingQueryRequest": "a query",
    "inventoryLinkingQueryResponse": "an answer to a query",
    "inventoryLinkingMovementResponse": "an acknowledgement",
    "inventoryLinkingMovementTotalsResponse": "an acknowledgement",
    "inventoryLinkingControlResponse": "an acknowledgement",
    "InventoryLinkingImportsValidateMovementResponse": "an answer whether a declaration matches its consignment",
    "InventoryLinkingImportsValidateMovement": "a question whether a declaration matches its consignment",
    "DeclarationStatusResponse": "a status answer",
    "DeclarationVersionResponse": "a list of a declaration's versions",
}
_MOVEMENTS = frozenset(
    {
        "inventoryLinkingMovementRequest",
        "inventoryLinkingConsolidationRequest",
        "inventoryLinkingImportsGoodsArrival",
    }
)


@dataclass(slots=True)
class Batch:
    """What the files of one run state: declarations with their files, and messages."""

    declarations: list[tuple[str, Declaration]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


def recognise(path: Path, batch: Batch, report: ImportReport) -> None:
    """Read one file into the batch.

    Args:
        path: The file.
        batch: Takes the declaration or message.
        report: Takes findings, requests and files that state nothing.

    Raises:
        InvalidDeclaration: The file cannot be used.
    """
    root = read(path)
    name = str(path)
    if root.name in _NO_STATEMENT:
        report.noted.append(ImportFinding(name, f"{_NO_STATEMENT[root.name]}; nothing follows from it"))
        return
    # A movement may stand in the envelope of the port's gateway.
    moved = next((each for each in root.walk() if each.name in _MOVEMENTS), None)
    if moved is not None:
        batch.messages.append(_usable(movement(moved, name), name, moved))
        return
    if root.name in NCTS_MESSAGES:
        transit = transit_notification(root, name)
        if isinstance(transit, str):
            raise InvalidDeclaration(name, root.place, transit)
        batch.messages.append(transit)
        return
    response = next((each for each in root.walk() if each.name == "Response"), None)
    if response is not None and response.namespace in ("", *_response_namespaces(response)):
        read_notification = notification(response, name)
        if isinstance(read_notification, str):
            raise InvalidDeclaration(name, response.place, read_notification)
        if _has_lost_colons(root):
            report.findings.append(
                ImportFinding(
                    name,
                    f"the envelope's names have lost their colons ({root.name}); the notification in it is whole",
                )
            )
        batch.messages.append(read_notification)
        return
    node = next((each for each in root.walk() if each.name == "Declaration"), None)
    if _has_lost_colons(root) and (node is None or node.namespace not in _DECLARATION_NAMESPACES):
        raise InvalidDeclaration(
            name,
            root.place,
            f"its element names have lost the colons after their prefixes ({root.name} for "
            f"{_with_colon(root.name)}), so its names mean nothing; ask the sender for the file as it was",
        )
    if node is None:
        raise InvalidDeclaration(
            name, root.place, f"it is no declaration and no notification: its root element is {root.name}"
        )
    if node.namespace not in _DECLARATION_NAMESPACES:
        raise InvalidDeclaration(
            name,
            node.place,
            f"its Declaration is of the unknown namespace {node.namespace[:80]}; a WCO Data Model 3.6 declaration "
            f"is of {_DECLARATION_NAMESPACES[0]}",
        )
    found = declaration(node, root.first("FullDeclarationDataDetails", "HighLevelSummaryDetails"))
    if found.request == "arrival":
        batch.messages.append(_usable(presentation(found, name), name, node))
        return
    if not found.type_code and not found.lrn and node.first("GoodsShipment") is None:
        raise InvalidDeclaration(
            name, node.place, "its Declaration states nothing: no type, no reference, no goods"
        )
    if found.request:
        report.requests.append(name)
    batch.declarations.append((name, found))


def _response_namespaces(response: Node) -> tuple[str, ...]:
    return (response.namespace,) if response.namespace.startswith("urn:wco:datamodel:WCO:RES") else ()


def _has_lost_colons(root: Node) -> bool:
    return root.name.endswith("MetaData") and root.name != "MetaData"


def _with_colon(name: str) -> str:
    prefix = name.removesuffix("MetaData")
    return f"{prefix}:MetaData"


def _usable(found: Movement, name: str, node: Node) -> Movement:
    if not found.mrn and not found.ucr and not found.master:
        raise InvalidDeclaration(name, node.place, "it names no declaration (MRN) and no UCR")
    return found
