"""Lay an amendment over the declaration it amends.

An amendment names each change by a path of WCO section codes with sequence numbers, ending in a section or in the tag
of one element, and states the new values in a partial declaration of the same shape. What is named and not stated is
deleted. A path that names a section this profile does not have is left alone and counted.

Source: WCO Data Model 3.6, Pointer (97A: 375 section, 006 sequence, 381 tag); ids as in HMRC's subset.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.importing.xml_source import Node

SECTIONS = {
    "02A": "AdditionalDocument",
    "03A": "AdditionalInformation",
    "04A": "Address",
    "05A": "Agent",
    "09B": "Seller",
    "10A": "ArrivalTransportMeans",
    "12C": "DangerousGoods",
    "15A": "BorderTransportMeans",
    "15C": "PresentationOffice",
    "16A": "Buyer",
    "17B": "Submitter",
    "17C": "AuthorisationHolder",
    "18A": "Carrier",
    "21A": "Classification",
    "22B": "TradeTerms",
    "23A": "Commodity",
    "27A": "Consignee",
    "28A": "Consignment",
    "30A": "Consignor",
    "31B": "TransportEquipment",
    "35B": "UCR",
    "41A": "CustomsValuation",
    "43B": "Warehouse",
    "44B": "Seal",
    "46A": "DepartureTransportMeans",
    "50A": "DutyTaxFee",
    "56A": "ExitOffice",
    "57A": "Exporter",
    "57B": "Declarant",
    "62A": "Freight",
    "64A": "GoodsLocation",
    "65A": "GoodsMeasure",
    "67A": "GoodsShipment",
    "68A": "GovernmentAgencyGoodsItem",
    "70A": "GovernmentProcedure",
    "74A": "Importer",
    "79A": "InvoiceLine",
    "81A": "Itinerary",
    "83A": "LoadingLocation",
    "92A": "Origin",
    "93A": "Packaging",
    "95B": "ExportCountry",
    "97B": "SupervisingOffice",
    "99A": "PreviousDocument",
    "99B": "Destination",
}
TAGS = {  # by tag alone, or by section and tag where one tag names different elements
    "006": "SequenceNumeric",
    "009": "TraderAssignedReferenceID",
    "016": "ID",
    "023": "AcceptanceDateTime",
    "062": "ID",
    "063": "CountryCode",
    "064": "RoutingCountryCode",
    "065": "DeclarationOfficeID",
    "090": "ConditionCode",
    "096": "ContainerCode",
    "102": "FunctionCode",
    "103": "TransactionNatureCode",
    "108": "CustomsValueAmount",
    "109": "InvoiceAmount",
    "112": "ItemChargeAmount",
    "114": "StatisticalValueAmount",
    "117": "FreightChargeAmount",
    "126": "GrossMassMeasure",
    "128": "NetNetWeightMeasure",
    "130": "TariffQuantity",
    "131": "TotalGrossMassMeasure",
    "137": "Description",
    "141": "TypeCode",
    "142": "MarksNumbersID",
    "144": "QuantityQuantity",
    "145": "ID",
    "146": "TotalPackageQuantity",
    "159": "ID",
    "161": "PreviousCode",
    "165": "ID",
    "166": "CurrentCode",
    "171": "LineNumeric",
    "225": "StatementDescription",
    "226": "StatementCode",
    "228": "GoodsItemQuantity",
    "239": "Line",
    "241": "CityName",
    "242": "CountryCode",
    "245": "PostcodeID",
    "360": "LPCOExemptionCode",
    "369": "StatementTypeCode",
    "410": "TypeCode",
    "465": "CountryCode",
    "501": "TypeCode",
    "506": "UNDGID",
    "D005": "ID",
    "D006": "TypeCode",
    "D013": "TypeCode",
    "D014": "ID",
    "D018": "ID",
    "D019": "TypeCode",
    "D026": "FunctionalReferenceID",
    "D028": "Name",
    "D031": "CategoryCode",
    "G005": "ID",
    "G012": "ID",
    "G015": "ID",
    "L002": "LocationID",
    "L010": "ID",
    "L016": "Name",
    "L017": "ID",
    "L019": "ID",
    "L110": "TypeCode",
    "L112": "TypeCode",
    "R004": "ID",
    "R010": "ID",
    "R012": "ID",
    "R014": "Name",
    "R015": "ID",
    "R020": "Name",
    "R021": "ID",
    "R031": "Name",
    "R032": "ID",
    "R037": "Name",
    "R038": "ID",
    "R051": "ID",
    "R123": "ID",
    "T002": "ID",
    "T004": "ID",
    "T006": "ID",
    "T008": "TypeCode",
    "T014": "RegistrationNationalityCode",
    "T018": "IdentificationTypeCode",
    "T020": "ModeCode",
    "T021": "ModeCode",
    "T022": "ModeCode",
    "T029": "IdentificationTypeCode",
    "T034": "IdentificationTypeCode",
}
QUANTITY_TAGS = frozenset({"126", "128", "130", "131", "144", "146", "228"})


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an amendment.

    Attributes:
        reason: The change reason code, as stated.
        path: Section names with their sequence numbers, from below the declaration down.
        tag: WCO tag of the one element that changes, "" for the whole section.
        is_known: Whether every section and the tag are of this profile.
    """

    reason: str
    path: tuple[tuple[str, int], ...]
    tag: str
    is_known: bool


def changes(amendments: Iterable[Node]) -> list[Change]:
    """Read the `Amendment` elements of a request or a notification."""
    found = []
    for amendment in amendments:
        path: list[tuple[str, int]] = []
        tag, is_known = "", True
        for pointer in amendment.all("Pointer"):
            section = pointer.value("DocumentSectionCode")
            tag = pointer.value("TagID") or tag
            if section == "42A":
                continue
            if section not in SECTIONS:
                is_known = False
                continue
            number = pointer.value("SequenceNumeric")
            path.append(
                (
                    SECTIONS[section],
                    int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1,
                )
            )
        if tag and tag not in TAGS:
            is_known = False
        if path or tag:
            found.append(Change(amendment.value("ChangeReasonCode"), tuple(path), tag, is_known))
    return found


def amended(base: Node, stated: Node | None, wanted: Sequence[Change]) -> Node:
    """Make the declaration that an amendment leads to.

    Args:
        base: The declaration before; it is not changed.
        stated: The partial declaration with the new values, or None when only deletions are named.
        wanted: The changes, in order.

    Returns:
        A new `Declaration` element.
    """
    result = copy.deepcopy(base)
    for change in wanted:
        if change.is_known:
            _apply(result, stated, change.path, TAGS.get(change.tag, ""))
    return result


def _apply(target: Node, stated: Node | None, path: Sequence[tuple[str, int]], element: str) -> None:
    for position, (name, number) in enumerate(path):
        source = _numbered(stated, name, number) if stated else None
        found = _numbered(target, name, number)
        is_last = position == len(path) - 1
        if is_last and not element:
            _replace(target, found, source)
            return
        if found is None:
            if source is not None:
                _replace(target, None, source)
            return
        target, stated = found, source
    if element:
        source = stated.first(element) if stated else None
        _replace(target, target.first(element), source)


def _replace(parent: Node, old: Node | None, new: Node | None) -> None:
    if old is not None:
        place = next(i for i, each in enumerate(parent.children) if each is old)
        parent.children[place : place + 1] = [copy.deepcopy(new)] if new is not None else []
    elif new is not None:
        parent.children.append(copy.deepcopy(new))


def _numbered(parent: Node, name: str, number: int) -> Node | None:
    """The child of that name whose `SequenceNumeric` is the number, else the child at that place."""
    children = list(parent.all(name))
    for each in children:
        if each.value("SequenceNumeric") == str(number):
            return each
    unnumbered = [each for each in children if not each.value("SequenceNumeric")]
    return unnumbered[number - 1] if 0 < number <= len(unnumbered) else None
