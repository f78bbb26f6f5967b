"""Read what customs and ports tell about a declaration: notifications and movement messages.

This module only reads; what follows from a message is decided in `sequences`.

Source: CUSTOMS.md; WCO Data Model 3.6 Response (HMRC's DMS notifications), HMRC's inventory linking messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ledger.importing.amendments import Change, changes
from ledger.importing.declarations import Declaration, moment, parse_moment
from ledger.importing.xml_source import Node


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification about one declaration.

    Attributes:
        file: The file it stands in.
        function: WCO function code, two digits (`01` accepted, `05` control …).
        reference: Its own reference; a repeated one is a repeated message.
        issued: When it was issued, aware UTC.
        mrn: The declaration's MRN.
        lrn: The declaration's LRN, "" if not stated.
        version: The declaration's version, "" if not stated.
        control_result: Result code of the control (A1, A2, B1 …), "" if none.
        status: Status code, "" if none.
        office: Customs office of exit, "" if none.
        due: Limit date, None if none.
        accepted: Legal acceptance, None if not stated.
        notes: Texts addressed to the declarant.
        changes: What an amendment changed.
        amended: The partial declaration with the amended values, None if none.
    """

    file: str
    function: str
    reference: str
    issued: datetime
    mrn: str
    lrn: str
    version: str
    control_result: str
    status: str
    office: str
    due: datetime | None
    accepted: datetime | None
    notes: tuple[str, ...]
    changes: tuple[Change, ...]
    amended: Node | None


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement or consolidation message.

    Attributes:
        file: The file it stands in.
        code: EAL, EDL, EAA, EAC, CST, RET (inventory linking), GAN or GPR (goods arrival or presentation).
        reference: The message's own reference, "" if none.
        at: When it happened, None if the message does not say.
        mrn: The declaration it is about, "" if it names a UCR.
        ucr: The UCR it is about, "" if it names an MRN.
        is_master: Whether that is a master UCR, which holds others.
        master: The master UCR of a consolidation, "" if none.
        location: Goods location as `GBAULGWLGWLGW`: country, type, qualifier, code; "" if none.
        transport: Identity, mode and nationality of the means of transport, as stated.
        submitter: Who sent it, "" if not stated.
    """

    file: str
    code: str
    reference: str
    at: datetime | None
    mrn: str
    ucr: str
    is_master: bool
    master: str
    location: str
    transport: tuple[tuple[str, str], ...]
    submitter: str


def notification(response: Node, file: str) -> Notification | str:
    """Read a `Response` element.

    Returns:
        The notification, or the reason why it is none (no MRN, no function code, no time of issue).
    """
    declarations = list(response.all("Declaration"))
    named = next((each for each in declarations if each.value("ID")), None)
    function = response.value("FunctionCode")
    issued = moment(response.first("IssueDateTime"))
    if named is None:
        return "it names no declaration: Response/Declaration/ID is missing"
    if not (function.isascii() and function.isdecimal() and len(function) <= 3):
        return "it has no function code: Response/FunctionCode is missing or no number"
    if issued is None:
        return "it has no time of issue: Response/IssueDateTime is missing or no date, so it cannot be put in order"
    information = list(response.all("AdditionalInformation"))
    return Notification(
        file=file,
        function=function.zfill(2),
        reference=response.value("FunctionalReferenceID"),
        issued=issued,
        mrn=named.value("ID").upper(),
        lrn=named.value("FunctionalReferenceID"),
        version=named.value("VersionID"),
        control_result=_statement(information, "AFB", "StatementCode"),
        status=response.value("Status", "NameCode"),
        office=_statement(information, "CEX", "StatementDescription"),
        due=next((limit for limit in map(_limit, information) if limit), None),
        accepted=moment(named.first("AcceptanceDateTime")),
        notes=tuple(
            text
            for text in (each.value("StatementDescription") for each in information)
            if text and text != _statement(information, "CEX", "StatementDescription")
        ),
        changes=tuple(changes(response.all("Amendment"))),
        amended=next((each for each in declarations if each is not named and not each.value("ID")), None),
    )


def _statement(information: list[Node], kind: str, element: str) -> str:
    return next(
        (
            each.value(element)
            for each in information
            if each.value("StatementTypeCode") == kind and each.value(element)
        ),
        "",
    )


def _limit(information: Node) -> datetime | None:
    return moment(information.first("LimitDateTime"))


def movement(root: Node, file: str) -> Movement:
    """Read an inventory linking movement or consolidation request, or a goods arrival of the import side."""
    code = root.value("messageCode").upper() or "GAN"
    stated = root.value("goodsArrivalDateTime") or root.value("goodsDepartureDateTime")
    block = root.first("ucrBlock")
    entry = root.value("entryNumber")
    transport = root.first("transportDetails")
    master = root.value("masterUCR")
    ucr = block.value("ucr") if block else root.value("inventoryConsignmentReference")
    is_master = block is not None and block.value("ucrType").upper() == "M"
    if code == "CST":
        ucr, is_master = ucr or master, True
    return Movement(
        file=file,
        code=code,
        reference=root.value("movementReference"),
        at=parse_moment(stated) if stated else None,
        mrn=entry.upper(),
        ucr="" if entry else ucr,
        is_master=is_master,
        master=master,
        location=root.value("goodsLocation"),
        transport=tuple(
            (name, transport.value(element))
            for name, element in (
                ("id", "transportID"),
                ("mode", "transportMode"),
                ("flag", "transportNationality"),
            )
            if transport is not None and transport.value(element)
        ),
        submitter="",
    )


def presentation(source: Declaration, file: str) -> Movement:
    """Read a goods presentation or arrival that has the shape of a declaration (type GPR, GAN, function 13)."""
    location = source.node.first("GoodsShipment", "Consignment", "GoodsLocation")
    code = ""
    if location is not None:
        code = "".join(
            (
                location.value("Address", "CountryCode"),
                location.value("TypeCode"),
                location.value("Address", "TypeCode"),
                location.value("Name") or location.value("ID"),
            )
        )
    return Movement(
        file=file,
        code=source.type_code,
        reference="",
        at=moment(source.node.first("IssueDateTime")),
        mrn=source.mrn.upper(),
        ucr="",
        is_master=False,
        master="",
        location=code,
        transport=(),
        submitter=source.node.value("Submitter", "ID"),
    )
