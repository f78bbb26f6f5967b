"""A goods declaration of the WCO Data Model becomes a `cargo-manifest/1` document.

Every fact keeps the meaning the declarant gave it, under the manifest's name for it; the WCO ids stand in the schema.
Duty, tax, guarantees, deferment and valuation stay out: fiscal secrecy, and no use to a partner. Odd values are kept
as they are; `ledger.checking` reports them.

Source: CUSTOMS.md; WCO Data Model 3.6, HMRC's subset (customs-declarations 3.0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from ledger.importing.xml_source import Node

Json = dict[str, Any]

SCHEMA = "cargo-manifest/1"
SUPPLEMENTARY = frozenset(
    "QUVWXYZ"
)  # third letter of the type: the goods have gone, only the statement is new
REQUESTS = {  # type codes of function 13: messages about a declaration that customs has already
    "COR": "amendment",
    "INV": "invalidation",
    "GPR": "arrival",
    "GPN": "arrival",
    "GAN": "arrival",
}


_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
_DATE_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_SCHEMES = {  # previous document types that are themselves references of the consignment
    "DCR": "ducr",
    "DCS": "ducr-part",
    "MCR": "mucr",
    "MRN": "mrn",
    "705": "bl",
    "704": "bl",
    "714": "bl",
    "740": "awb",
    "741": "awb",
    "703": "awb",
    "730": "cmr",
    "720": "cim",
    "355": "ens",
}
_FISCAL_DOCUMENTS = frozenset({("C", "505"), ("C", "506")})  # comprehensive guarantee, deferment of payment
_FISCAL_CODE = re.compile(r"VAT[A-Z]|X[0-9]{3}")  # national additional codes that only state a tax
_SYSTEMS = {"TSP": "cn", "TRC": "taric", "TRA": "taric-additional", "GN": "national-additional", "CV": "cus"}
_MODES = {
    "1": "sea",
    "2": "rail",
    "3": "road",
    "4": "air",
    "5": "post",
    "7": "fixed",
    "8": "inland-water",
    "9": "own-propulsion",
}
_NOTHING = Node("", "", {}, 0, 0)  # stands for an element that is not there


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declaration as read: its identity and the element it stands in.

    Attributes:
        node: The `Declaration` element.
        type_code: As `IMA`, `EXD`, `COR`; "" if it states none.
        function_code: As `9` (original), `13` (request about an earlier one).
        lrn: The declarant's own reference, "" if none.
        mrn: The customs reference, "" if it states none (a first declaration has none yet).
        version: Customs' version of it, "" if not stated.
        retrieved: Whether customs gave it out again (a full declaration response) rather than a trader lodged it.
    """

    node: Node
    type_code: str
    function_code: str
    lrn: str
    mrn: str
    version: str
    retrieved: bool = False

    @property
    def request(self) -> str:
        """What it asks or tells about an earlier declaration (amendment, invalidation, arrival), or "" if it is one."""
        return REQUESTS.get(self.type_code, "")

    @property
    def is_supplementary(self) -> bool:
        """Whether the goods have gone already, so that only manifest records follow."""
        return len(self.type_code) == 3 and not self.request and self.type_code[2] in SUPPLEMENTARY

    @property
    def references(self) -> dict[str, str]:
        """Its references by scheme: the first UCR, DUCR, MUCR that it states."""
        found: dict[str, str] = {}
        for reference in _references(self.node):
            found.setdefault(reference["scheme"], reference["value"])
        return found


def declaration(node: Node, summary: Node | None = None) -> Declaration:
    """Read the identity of a `Declaration` element.

    Args:
        node: The element.
        summary: `HighLevelSummaryDetails` of a full declaration response, which has the MRN beside it.
    """
    mrn, version = node.value("ID"), node.value("VersionID")
    if summary is not None:
        mrn, version = mrn or summary.value("MRN"), version or summary.value("VersionID")
    return Declaration(
        node,
        node.value("TypeCode").upper(),
        node.value("FunctionCode"),
        node.value("FunctionalReferenceID"),
        mrn,
        version,
        summary is not None,
    )


def moment(node: Node | None) -> datetime | None:
    """Read a date-time element: format 304 (`YYYYMMDDHHMMSS` with a zone), 102 and 203; without a zone it is UTC.

    Returns:
        An aware UTC `datetime`, or None if there is none or it is no date.
    """
    text = next((child.text for child in node.walk() if child.text), "") if node else ""
    return parse_moment(text)


def parse_moment(text: str) -> datetime | None:
    """Parse format 304, 203 or 102, or RFC 3339; see `moment`."""
    match = _DATE_TIME.fullmatch(text)
    try:
        if match is None:
            # `.047Z` and `+01:00`: movement messages are xs:dateTime; a text without a zone is taken as UTC.
            parsed = datetime.fromisoformat(text)
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
        year, month, day, hour, minute, second, zone = match.groups()
        offset = timedelta()
        if zone and zone != "Z":
            digits = zone[1:].replace(":", "").ljust(4, "0")
            offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
            offset = -offset if zone[0] == "-" else offset
        return datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=timezone(offset),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def rfc3339(value: datetime) -> str:
    """Write an aware `datetime` as RFC 3339 in UTC, whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal(text: str) -> str:
    """Normalise a decimal: no plus, no leading zeros, no trailing zeros of a fraction; what is none is kept as it is."""
    if not _DECIMAL.fullmatch(text):
        return text
    sign = "-" if text[0] == "-" else ""
    whole, _, fraction = text.lstrip("+-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    result = f"{whole}.{fraction}" if fraction else whole
    return result if result == "0" else sign + result


def manifest(source: Declaration, mrn: str = "", version: str = "") -> Json:
    """Make the manifest that a declaration states.

    Args:
        source: The declaration.
        mrn: The MRN, when a notification told it.
        version: The version of the declaration that this is, when it is not the declaration's own.

    Returns:
        A `cargo-manifest/1` document. `goods` may be empty for a request that names no goods: such a document is not
        a manifest, and the caller does not write it.
    """
    node = source.node
    shipment = node.first("GoodsShipment") or _NOTHING
    movement = shipment.first("Consignment") or _NOTHING
    carriage = node.first("Consignment") or _NOTHING
    issued = moment(node.first("IssueDateTime"))
    mrn = source.mrn or mrn
    edition = _edition(source, mrn)
    references = _references(node)
    if mrn and not any(each["scheme"] == "mrn" and each["value"] == mrn for each in references):
        references.insert(0, {"scheme": "mrn", "value": mrn})
    if source.lrn and not references:
        references.append({"scheme": "lrn", "value": source.lrn})
    goods = [
        _goods(item, place, edition)
        for place, item in enumerate(shipment.all("GovernmentAgencyGoodsItem"), start=1)
    ]
    document: Json = _filled(
        {
            "schema": SCHEMA,
            "basis": _basis(source, mrn, version),
            "references": references,
            "issued_at": rfc3339(issued) if issued else "",
            "declarant": _party(node.first("Declarant")),
            "agent": _party(node.first("Agent"), status="FunctionCode"),
            "exporter": _party(node.first("Exporter")),
            "importer": _party(shipment.first("Importer")),
            "consignor": _party(shipment.first("Consignor") or carriage.first("Consignor")),
            "consignee": _party(shipment.first("Consignee")),
            "buyer": _party(shipment.first("Buyer")),
            "seller": _party(shipment.first("Seller")),
            "carrier": _party(carriage.first("Carrier")),
            "location": _location(movement.first("GoodsLocation")),
            "offices": {
                "declaration": node.value("DeclarationOfficeID"),
                "exit": node.value("ExitOffice", "ID"),
                "presentation": node.value("PresentationOffice", "ID"),
                "supervising": node.value("SupervisingOffice", "ID"),
            },
            "warehouse": {
                "type": shipment.value("Warehouse", "TypeCode"),
                "code": shipment.value("Warehouse", "ID"),
            },
            "transport": {
                "mode": _MODES.get(node.value("BorderTransportMeans", "ModeCode"), ""),
                "border": _means(node.first("BorderTransportMeans")),
                "arrival": _means(movement.first("ArrivalTransportMeans")),
                "departure": _means(movement.first("DepartureTransportMeans")),
            },
            "containerised": {"1": True, "0": False}.get(movement.value("ContainerCode")),
            "containers": [_container(each) for each in movement.all("TransportEquipment")],
            "itinerary": [each.text for each in carriage.all("Itinerary", "RoutingCountryCode") if each.text],
            "place_of_loading": movement.value("LoadingLocation", "ID"),
            "export_country": shipment.value("ExportCountry", "ID"),
            "destination": shipment.value("Destination", "CountryCode"),
            "incoterm": shipment.value("TradeTerms", "ConditionCode"),
            "incoterm_place": shipment.value("TradeTerms", "LocationID")
            or shipment.value("TradeTerms", "LocationName"),
            "transaction_nature": shipment.value("TransactionNatureCode"),
            "goods": goods,
            "statements": [_statement(each) for each in node.all("AdditionalInformation")],
            "totals": {
                "items": _count(node.value("GoodsItemQuantity")),
                "packages": _count(node.value("TotalPackageQuantity")),
                "gross_mass_kg": decimal(node.value("TotalGrossMassMeasure")),
                "invoice": _amount(node.first("InvoiceAmount")),
            },
        }
    )
    return document


def _edition(source: Declaration, mrn: str) -> str:
    """The HS edition in force when the declaration was made; the present one if nothing says when."""
    dates = (moment(source.node.first(name)) for name in ("AcceptanceDateTime", "IssueDateTime"))
    when = next((each.year for each in dates if each), None)
    if when is None and mrn[:2].isascii() and mrn[:2].isdecimal():
        when = 2000 + int(mrn[:2])
    return "2017" if when is not None and when < 2022 else "2022"


def _basis(source: Declaration, mrn: str, version: str) -> Json:
    accepted = moment(source.node.first("AcceptanceDateTime"))
    return {
        "kind": "declaration",
        "type": source.type_code,
        "function": source.function_code,
        "lrn": source.lrn,
        "mrn": mrn,
        "version": version or source.version,
        "accepted_at": rfc3339(accepted) if accepted else "",
    }


def _references(node: Node) -> list[Json]:
    shipment = node.first("GoodsShipment")
    if shipment is None:
        return []
    ucrs = [
        {
            "scheme": "ucr",
            "value": each.value("ID") or each.value("TraderAssignedReferenceID"),
        }
        for each in shipment.all("UCR")
    ]
    return [each for each in ucrs if each["value"]] + _previous_documents(shipment)


def _previous_documents(node: Node) -> list[Json]:
    found = []
    for each in node.all("PreviousDocument"):
        kind = each.value("TypeCode")
        reference = _filled(
            {
                "scheme": _SCHEMES.get(kind, "document"),
                "category": each.value("CategoryCode"),
                "type": kind,
                "value": each.value("ID"),
                "line": _count(each.value("LineNumeric")),
            }
        )
        if "value" in reference:
            found.append(reference)
    return found


def _party(node: Node | None, status: str = "") -> Json:
    if node is None:
        return {}
    address = node.first("Address")
    return {
        "name": node.value("Name"),
        "identifier": node.value("ID"),
        "status": node.value(status) if status else "",
        "address": ", ".join(each.text for each in address.all("Line") if each.text) if address else "",
        "city": node.value("Address", "CityName"),
        "postcode": node.value("Address", "PostcodeID"),
        "country": node.value("Address", "CountryCode"),
    }


def _location(node: Node | None) -> Json:
    if node is None:
        return {}
    return {
        "type": node.value("TypeCode"),
        "qualifier": node.value("Address", "TypeCode"),
        "country": node.value("Address", "CountryCode"),
        "code": node.value("Name") or node.value("ID"),
    }


def _means(node: Node | None) -> Json:
    if node is None:
        return {}
    return {
        "mode": node.value("ModeCode"),
        "id": node.value("ID"),
        "id_type": node.value("IdentificationTypeCode"),
        "name": node.value("Name"),
        "flag": node.value("RegistrationNationalityCode"),
    }


def _container(node: Node) -> Json:
    return {
        "number": node.value("ID"),
        "seals": [each.value("ID") for each in node.all("Seal") if each.value("ID")],
    }


def _statement(node: Node) -> Json:
    return {
        "code": node.value("StatementCode"),
        "type": node.value("StatementTypeCode"),
        "text": node.value("StatementDescription"),
    }


def _count(text: str) -> int | str | None:
    """A whole number as an integer, another decimal as text, nothing as None."""
    if not text:
        return None
    plain = decimal(text)
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) <= 15 else plain


def _amount(node: Node | None) -> Json:
    if node is None or not node.text:
        return {}
    return {"amount": decimal(node.text), "currency": node.attributes.get("currencyID", "")}


def _quantity(node: Node | None) -> Json:
    if node is None or not node.text:
        return {}
    return {"quantity": decimal(node.text), "unit": node.attributes.get("unitCode", "")}


def _goods(item: Node, place: int, edition: str) -> Json:
    commodity = item.first("Commodity") or _NOTHING
    measure = commodity.first("GoodsMeasure") or _NOTHING
    containers = [each.value("ID") for each in commodity.all("TransportEquipment") if each.value("ID")]
    procedures = list(item.all("GovernmentProcedure"))
    main = next((each for each in procedures if each.value("PreviousCode")), None)
    classification = _classification(commodity, edition)
    code = next((each["code"] for each in classification if each["system"] == "cn"), "")
    return {
        "sequence": _count(item.value("SequenceNumeric")) or place,
        "description": commodity.value("Description"),
        "hs": {"code": code[:6], "edition": edition} if re.fullmatch(r"[0-9]{6,10}", code) else {},
        "classification": classification,
        "packages": [
            {
                "count": _count(each.value("QuantityQuantity")),
                "type": each.value("TypeCode"),
                "marks": each.value("MarksNumbersID"),
            }
            for each in item.all("Packaging")
        ],
        "gross_mass_kg": decimal(measure.value("GrossMassMeasure")),
        "net_mass_kg": decimal(measure.value("NetNetWeightMeasure")),
        "tariff_quantity": _quantity(measure.first("TariffQuantity")),
        "value": _amount(commodity.first("InvoiceLine", "ItemChargeAmount")),
        "statistical_value": _amount(item.first("StatisticalValueAmount")),
        "origin": _origin(item, preferential=False),
        "preferential_origin": _origin(item, preferential=True),
        "export_country": item.value("ExportCountry", "ID"),
        "destination": item.value("Destination", "CountryCode"),
        "consignor": _party(item.first("Consignor")),
        "consignee": _party(item.first("Consignee")),
        "procedure": {
            "current": main.value("CurrentCode") if main else "",
            "previous": main.value("PreviousCode") if main else "",
            "additional": [each.value("CurrentCode") for each in procedures if each is not main],
        },
        "transaction_nature": item.value("TransactionNatureCode"),
        "dangerous_goods": [each.text for each in commodity.all("DangerousGoods", "UNDGID") if each.text],
        "containers": containers,
        "references": [
            {"scheme": "ucr", "value": each.value("ID") or each.value("TraderAssignedReferenceID")}
            for each in item.all("UCR")
        ]
        + _previous_documents(item),
        "documents": [_document(each) for each in item.all("AdditionalDocument") if not _is_fiscal(each)],
        "statements": [_statement(each) for each in item.all("AdditionalInformation")],
    }


def _classification(commodity: Node, edition: str) -> list[Json]:
    found = []
    for each in commodity.all("Classification"):
        code, system = each.value("ID"), each.value("IdentificationTypeCode")
        if code and not (system == "GN" and _FISCAL_CODE.fullmatch(code)):
            found.append({"system": _SYSTEMS.get(system, system or "cn"), "code": code, "edition": edition})
    return found


def _origin(item: Node, preferential: bool) -> str:
    wanted = "2" if preferential else "1"
    return next(
        (
            each.value("CountryCode") or each.value("RegionID")
            for each in item.all("Origin")
            if (each.value("TypeCode") or "1") == wanted
        ),
        "",
    )


def _is_fiscal(document: Node) -> bool:
    return (document.value("CategoryCode"), document.value("TypeCode")) in _FISCAL_DOCUMENTS


def _document(node: Node) -> Json:
    expiry = moment(node.first("EffectiveDateTime"))
    return {
        "category": node.value("CategoryCode"),
        "type": node.value("TypeCode"),
        "id": node.value("ID"),
        "name": node.value("Name"),
        "exemption": node.value("LPCOExemptionCode"),
        "valid_until": rfc3339(expiry) if expiry else "",
        "issuer": node.value("Submitter", "Name"),
        "write_off": _quantity(node.first("WriteOff", "QuantityQuantity")),
    }


def _filled(value: Any) -> Any:
    """Leave out what is not stated: empty texts, objects, arrays and None, at every depth."""
    if isinstance(value, dict):
        kept = {key: _filled(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in ("", None, {}, [])}
    if isinstance(value, list):
        return [each for each in map(_filled, value) if each not in ("", None, {}, [])]
    return value
