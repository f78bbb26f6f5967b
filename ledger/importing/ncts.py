"""Read the messages of NCTS phase 5 that tell a decision or a finding about a transit operation.

Source: CUSTOMS.md; DDNTA for NCTS phase 5 (message names), HMRC's transit-movements-validator.
"""

from __future__ import annotations

from ledger.importing.declarations import parse_moment
from ledger.importing.notifications import Notification
from ledger.importing.xml_source import Node

MESSAGES = {  # message: what it becomes, and in words
    "CC060C": ("HOLD", "control decided"),
    "CC051C": ("HOLD", "not released for transit"),
    "CC029C": ("RELEASE", "released for transit"),
    "CC025C": ("RELEASE", "released at destination"),
    "CC045C": ("CLEARANCE", "transit written off"),
    "CC043C": ("REMARK", "unloading permitted"),
    "CC044C": ("REMARK", "unloading remarks"),
    "CC019C": ("REMARK", "discrepancies"),
    "CC182C": ("REMARK", "incident en route"),
}
NOT_RELEASED = "4"  # release indicator of CC025C
_OFFICES = (
    "CustomsOfficeOfDestinationActual",
    "CustomsOfficeOfDeparture",
    "CustomsOfficeOfIncidentRegistration",
)


def transit_notification(root: Node, file: str) -> Notification | str:
    """Read one message.

    Returns:
        The notification, its `function` the message's name, or the reason why it is none.
    """
    operation = root.first("TransitOperation")
    issued = parse_moment(root.value("preparationDateAndTime"))
    if operation is None or not operation.value("MRN"):
        return "it names no transit operation: TransitOperation/MRN is missing"
    if issued is None:
        return "it has no time: preparationDateAndTime is missing or no date"
    indicator = operation.value("releaseIndicator")
    reference = root.value("messageIdentification")
    return Notification(
        file=file,
        function=root.name,
        # Senders number their messages each by themselves: only with sender and type is the number one message's.
        reference=f"{root.value('messageSender')}/{root.name}/{reference}" if reference else "",
        issued=issued,
        mrn=operation.value("MRN").upper(),
        lrn=operation.value("LRN"),
        version="",
        control_result="B1" if indicator == NOT_RELEASED else "",
        status=indicator,
        office=next(
            (each for each in (root.value(name, "referenceNumber") for name in _OFFICES) if each), ""
        ),
        due=None,
        accepted=parse_moment(operation.value("declarationAcceptanceDate")),
        notes=(),
        changes=(),
        amended=None,
    )
