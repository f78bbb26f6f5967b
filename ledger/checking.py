"""Look at a document and say what is wrong with it and what is odd about it.

An *error* means that the document is not what its `schema` says; a *warning* means that something in it is unusual:
an equipment number that is no container number, an HS code that left the nomenclature, a placeholder. Real manifests
have odd ones, so a warning stops nothing, and neither kind stops a commitment: only `core.documents` decides what
cannot be committed to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Literal

import orjson
from jsonschema import Draft202012Validator, ValidationError

from ledger.core import documents, identifiers
from ledger.errors import InvalidDocument, InvalidIdentifier

Severity = Literal["error", "warning"]
MANIFEST = "cargo-manifest/1"
MAX_FINDINGS = 1_000  # of one document; a file of 10,000 odd codes is told once, not 10,000 times

_DECIMAL_DIGITS = 64
_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a document.

    Attributes:
        severity: `error` (it is not what its schema says) or `warning` (it is odd).
        pointer: RFC 6901 JSON Pointer of the place, "" for the whole document.
        rule: Short name of the rule, for programs.
        message: A sentence: what is there, and what was expected.
    """

    severity: Severity
    pointer: str
    rule: str
    message: str


@cache
def schema(name: str) -> Mapping[str, Any] | None:
    """Return the JSON Schema of a document kind.

    Args:
        name: As `cargo-manifest/1`.

    Returns:
        The schema, or None if this library has none of that name.
    """
    file = resources.files("ledger") / "schemas" / f"{name.replace('/', '-')}.schema.json"
    if "/" not in name or "-" not in name or not name.replace("/", "").replace("-", "").isalnum():
        return None
    if not file.is_file():
        return None
    loaded: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


@cache
def _validator(name: str) -> Draft202012Validator | None:
    body = schema(name)
    return None if body is None else Draft202012Validator(body)


def check_bytes(data: bytes) -> list[Finding]:
    """Check the bytes of a file; what cannot be committed to is one error with its pointer and reason."""
    try:
        documents.parse(data)
    except InvalidDocument as error:
        return [Finding("error", error.pointer, "document", str(error))]
    return check(orjson.loads(data))


def check(document: Mapping[str, Any]) -> list[Finding]:
    """Check a document against its schema and, if it is a manifest, against the field's codes.

    Args:
        document: The parsed JSON object; `check_bytes` parses and bounds what strangers send.

    Returns:
        Errors first, then warnings, each in the order of the document; at most `MAX_FINDINGS`.
    """
    name = document.get("schema")
    if not isinstance(name, str):
        return [
            Finding(
                "error",
                "/schema" if "schema" in document else "",
                "schema",
                f'The document does not say what it is: a member "schema" with a text such as "{MANIFEST}" is expected.',
            )
        ]
    validator = _validator(name)
    if validator is None:
        return [
            Finding(
                "error",
                "/schema",
                "schema",
                f"{name[:80]!r} is not known here; known are {', '.join(known())}.",
            )
        ]
    found = [_violation(error) for error in validator.iter_errors(document)]
    if name == MANIFEST and not any(each.severity == "error" for each in found):
        found += list(_manifest_warnings(document))
    return sorted(found, key=lambda each: each.severity)[:MAX_FINDINGS]


def known() -> list[str]:
    """The names of the schemas that this library has, in order."""
    files = (resources.files("ledger") / "schemas").iterdir()
    names = sorted(
        each.name.removesuffix(".schema.json") for each in files if each.name.endswith(".schema.json")
    )
    return ["/".join(name.rsplit("-", 1)) for name in names]


def _pointer(parts: Iterator[Any]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _violation(error: ValidationError) -> Finding:
    pointer = _pointer(iter(error.absolute_path))
    place = pointer or "The document"
    rule = str(error.validator)
    value, wanted_value, body = _facts(error)
    if rule == "required":
        missing = [name for name in wanted_value if name not in value]
        sentence = (
            f"{place} lacks {', '.join(missing)}; a {body.get('title', 'member of this kind')} needs it"
        )
    elif rule == "type":
        types = wanted_value if isinstance(wanted_value, list) else [wanted_value]
        sentence = f"{place} is {_kind(value)}; {' or '.join(_TYPES[each] for each in types)} is expected"
    elif rule == "minItems":
        sentence = f"{place} is an empty list; at least one is expected"
    elif rule in ("minLength", "maxLength"):
        bound = "at least" if rule == "minLength" else "at most"
        sentence = f"{place} has {len(value)} characters; {bound} {wanted_value} are expected"
    elif rule in ("pattern", "enum", "const"):
        wanted = body.get("description", "") if rule == "pattern" else ""
        listed = " or ".join(map(str, wanted_value)) if rule == "enum" else wanted_value
        sentence = f"{place} is {str(value)[:80]!r}; {wanted or listed} is expected"
    else:
        sentence = f"{place} is {_kind(value)} of a shape that its schema does not have"
    return Finding("error", pointer, rule, sentence + ".")


def _facts(error: ValidationError) -> tuple[Any, Any, Any]:
    return error.instance, error.validator_value, error.schema


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return _TYPES["boolean"]
    if isinstance(value, dict):
        return _TYPES["object"]
    if isinstance(value, list):
        return _TYPES["array"]
    if isinstance(value, str):
        return _TYPES["string"]
    return "null" if value is None else "a number"


def _manifest_warnings(document: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _unknown_members(document)
    yield from _references(document)
    yield from _codes(document)
    yield from _containers(document)
    yield from _transport(document)
    for index, item in enumerate(document["goods"]):
        yield from _goods(item, f"/goods/{index}")
    yield from _sums(document)


def _warn(pointer: str, rule: str, message: str) -> Finding:
    return Finding("warning", pointer, rule, message)


def _parsed(parse: Callable[[str], object], value: object, pointer: str, rule: str) -> Iterator[Finding]:
    """A warning with the identifier's own sentence if the value is stated and does not parse."""
    if value is None:
        return
    try:
        parse(str(value))
    except InvalidIdentifier as error:
        yield _warn(pointer, rule, str(error))


def _unknown_members(document: Mapping[str, Any]) -> Iterator[Finding]:
    body = schema(MANIFEST)
    known_members = body["properties"] if body else {}
    known_of_goods = known_members["goods"]["items"]["properties"]
    places = [("", document, known_members)] + [
        (f"/goods/{index}", item, known_of_goods) for index, item in enumerate(document["goods"])
    ]
    for pointer, members, names in places:
        for name in members:
            if name not in names:
                yield _warn(
                    pointer + _pointer(iter([name])),
                    "member",
                    f"{name[:80]!r} is no member of {MANIFEST}; partners may not read it.",
                )


def _references(document: Mapping[str, Any]) -> Iterator[Finding]:
    groups = [("", document)] + [(f"/goods/{i}", item) for i, item in enumerate(document["goods"])]
    for pointer, holder in groups:
        for index, reference in enumerate(holder.get("references", [])):
            place = f"{pointer}/references/{index}/value"
            scheme, value = reference["scheme"].lower(), reference["value"]
            if scheme == "ucr":
                yield from _parsed(identifiers.ucr, value, place, "ucr")
            elif scheme == "ducr":
                yield from _parsed(identifiers.ducr, value, place, "ducr")
            elif scheme in ("mrn", "ens") or _looks_like_mrn(value):
                yield from _parsed(identifiers.Mrn, value, place, "mrn")
    yield from _parsed(identifiers.Mrn, document.get("basis", {}).get("mrn"), "/basis/mrn", "mrn")


def _looks_like_mrn(value: str) -> bool:
    return len(value) == 18 and value[:2].isdigit() and value[2:4].isalpha() and value.isalnum()


def _codes(document: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("export_country", "destination"):
        yield from _parsed(identifiers.country, document.get(name), f"/{name}", "country")
    for index, country in enumerate(document.get("itinerary", [])):
        yield from _parsed(identifiers.country, country, f"/itinerary/{index}", "country")
    for name in (
        "declarant",
        "agent",
        "exporter",
        "importer",
        "consignor",
        "consignee",
        "buyer",
        "seller",
        "carrier",
    ):
        yield from _parsed(
            identifiers.country, document.get(name, {}).get("country"), f"/{name}/country", "country"
        )
    for name in ("place_of_loading", "place_of_discharge"):
        yield from _parsed(identifiers.un_locode, document.get(name), f"/{name}", "un-locode")
    yield from _parsed(identifiers.incoterm, document.get("incoterm"), "/incoterm", "incoterm")
    place = document.get("incoterm_place", "")
    if len(place) == 5 and place.isupper():
        yield from _parsed(identifiers.un_locode, place, "/incoterm_place", "un-locode")
    for name, office in document.get("offices", {}).items():
        yield from _parsed(identifiers.customs_office, office, f"/offices/{name}", "customs-office")
    location = document.get("location", {})
    yield from _parsed(identifiers.country, location.get("country"), "/location/country", "country")
    if location.get("qualifier") == "U" and "country" in location and "code" in location:
        yield from _parsed(
            identifiers.un_locode,
            location["country"] + location["code"][:3],
            "/location/code",
            "un-locode",
        )
    yield from _amount(document.get("totals", {}).get("invoice"), "/totals/invoice")


def _containers(document: Mapping[str, Any]) -> Iterator[Finding]:
    numbers = [each["number"] for each in document.get("containers", [])]
    for index, number in enumerate(numbers):
        yield from _parsed(
            identifiers.ContainerNumber, number, f"/containers/{index}/number", "container-number"
        )
        if number in numbers[:index]:
            yield _warn(
                f"/containers/{index}/number", "container-twice", f"Container {number[:64]} is listed twice."
            )
        tare = document["containers"][index].get("tare_kg")
        yield from _mass(tare, f"/containers/{index}/tare_kg")
    if document.get("containerised") is False and numbers:
        yield _warn(
            "/containerised",
            "containerised",
            "The manifest says that the goods are in no containers, and lists some.",
        )


def _transport(document: Mapping[str, Any]) -> Iterator[Finding]:
    transport = document.get("transport", {})
    vessel = transport.get("vessel", {})
    yield from _parsed(identifiers.imo_number, vessel.get("imo"), "/transport/vessel/imo", "imo-number")
    for name in ("border", "arrival", "departure"):
        means = transport.get(name, {})
        if means.get("id_type") == "10":
            yield from _parsed(identifiers.imo_number, means.get("id"), f"/transport/{name}/id", "imo-number")
        yield from _parsed(identifiers.country, means.get("flag"), f"/transport/{name}/flag", "country")


def _goods(item: Mapping[str, Any], pointer: str) -> Iterator[Finding]:
    yield from _classification(item, pointer)
    packages = item.get("packages", [])
    listed = (
        [("", packages)]
        if isinstance(packages, dict)
        else [(f"/{i}", each) for i, each in enumerate(packages)]
    )
    for part, each in listed:
        place = f"{pointer}/packages{part}"
        yield from _parsed(identifiers.package_type, each.get("type"), f"{place}/type", "package-type")
        yield from _number(each.get("count"), f"{place}/count", "count")
    gross, net = item.get("gross_mass_kg"), item.get("net_mass_kg")
    yield from _mass(gross, f"{pointer}/gross_mass_kg")
    yield from _mass(net, f"{pointer}/net_mass_kg")
    heavy, light = _decimal(gross), _decimal(net)
    if heavy is not None and light is not None and heavy < light:
        yield _warn(
            f"{pointer}/gross_mass_kg",
            "gross-below-net",
            f"The gross mass {gross} kg is below the net mass {net} kg.",
        )
    for name in ("value", "statistical_value"):
        yield from _amount(item.get(name), f"{pointer}/{name}")
    for name in ("origin", "preferential_origin", "export_country", "destination"):
        yield from _parsed(identifiers.country, item.get(name), f"{pointer}/{name}", "country")
    yield from _quantity(item.get("tariff_quantity"), f"{pointer}/tariff_quantity")
    for index, document in enumerate(item.get("documents", [])):
        yield from _quantity(document.get("write_off"), f"{pointer}/documents/{index}/write_off")
    for index, number in enumerate(item.get("dangerous_goods", [])):
        if not (
            number.removeprefix("UN").strip().isdecimal() and len(number.removeprefix("UN").strip()) == 4
        ):
            yield _warn(
                f"{pointer}/dangerous_goods/{index}",
                "un-number",
                f"{number[:16]!r} is no UN number: four digits are expected.",
            )


def _classification(item: Mapping[str, Any], pointer: str) -> Iterator[Finding]:
    said = set()
    if "hs" in item:
        code, edition = item["hs"]["code"], item["hs"]["edition"]
        said.add((code, edition))
        yield from _parsed(
            lambda text: identifiers.HsCode(text, edition), code, f"{pointer}/hs/code", "hs-code"
        )
    for index, each in enumerate(item.get("classification", [])):
        edition = each.get("edition", "2022")
        if each["system"] in ("hs", "cn") and (each["code"][:6], edition) not in said:
            said.add((each["code"][:6], edition))
            yield from _parsed(
                lambda text, edition=edition: identifiers.HsCode(text[:6], edition),  # type: ignore[misc]
                each["code"],
                f"{pointer}/classification/{index}/code",
                "hs-code",
            )


def _amount(amount: Mapping[str, Any] | None, pointer: str) -> Iterator[Finding]:
    if amount:
        yield from _number(amount.get("amount"), f"{pointer}/amount", "amount")
        yield from _parsed(identifiers.currency, amount.get("currency"), f"{pointer}/currency", "currency")


def _quantity(quantity: Mapping[str, Any] | None, pointer: str) -> Iterator[Finding]:
    if quantity:
        yield from _number(quantity.get("quantity"), f"{pointer}/quantity", "quantity")
        yield from _parsed(identifiers.unit, quantity.get("unit"), f"{pointer}/unit", "unit")


def _mass(value: object, pointer: str) -> Iterator[Finding]:
    yield from _number(value, pointer, "mass")


def _number(value: object, pointer: str, what: str) -> Iterator[Finding]:
    if value is None:
        return
    number = _decimal(value)
    if number is None:
        yield _warn(
            pointer, "decimal", f"{str(value)[:80]!r} is no {what}: a decimal such as 1250.5 is expected."
        )
    elif number < 0:
        yield _warn(pointer, "negative", f"The {what} {value} is negative.")


def _decimal(value: object) -> Decimal | None:
    """The number, if it is an integer or plain decimal text; never an exponent, which could be enormous."""
    text = str(value)
    plain = text.removeprefix("-")
    whole, dot, fraction = plain.partition(".")
    is_plain = (
        whole.isascii() and whole.isdigit() and (not dot or (fraction.isascii() and fraction.isdigit()))
    )
    return (
        Decimal(text) if is_plain and len(text) <= _DECIMAL_DIGITS and not isinstance(value, bool) else None
    )


def _sums(document: Mapping[str, Any]) -> Iterator[Finding]:
    goods, totals = document["goods"], document.get("totals", {})
    numbers = [item["sequence"] for item in goods if "sequence" in item]
    if len(set(map(str, numbers))) < len(numbers):
        yield _warn("/goods", "sequence", "Two goods items have the same number.")
    stated = _decimal(totals.get("items"))
    if stated is not None and stated != len(goods):
        yield _warn("/totals/items", "items", f"{stated} goods items are stated, {len(goods)} are listed.")
    yield from _sum(totals.get("packages"), _package_counts(goods), "/totals/packages", "packages")
    gross = [_decimal(item.get("gross_mass_kg")) for item in goods]
    yield from _sum(totals.get("gross_mass_kg"), gross, "/totals/gross_mass_kg", "gross mass in kg")
    yield from _used_containers(document)


def _package_counts(goods: list[Mapping[str, Any]]) -> list[Decimal | None]:
    counts: list[Decimal | None] = []
    for item in goods:
        packages = item.get("packages")
        if packages is None:
            counts.append(None)
            continue
        for each in [packages] if isinstance(packages, dict) else packages:
            counts.append(_decimal(each.get("count")))
    return counts


def _sum(stated: object, parts: list[Decimal | None], pointer: str, what: str) -> Iterator[Finding]:
    """A warning if a stated total is not the sum; silent where a part is not stated."""
    total = _decimal(stated) if stated is not None else None
    known_parts = [each for each in parts if each is not None]
    if total is None or len(known_parts) < len(parts):
        return
    if sum(known_parts) != total:
        yield _warn(
            pointer,
            "sum",
            f"The total of {what} is stated as {total}, the goods items add up to {sum(known_parts)}.",
        )


def _used_containers(document: Mapping[str, Any]) -> Iterator[Finding]:
    listed = {each["number"] for each in document.get("containers", [])}
    for index, item in enumerate(document["goods"]):
        used = [("container", item["container"])] if "container" in item else []
        used += [(f"containers/{i}", number) for i, number in enumerate(item.get("containers", []))]
        for place, number in used:
            if number not in listed:
                yield _warn(
                    f"/goods/{index}/{place}",
                    "unknown-container",
                    f"Container {number[:64]} is not among the manifest's containers.",
                )
