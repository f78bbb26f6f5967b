"""What a release is for, in words: the procedure that the goods are declared for.

Source: UCC data requirements, data element 1/10 (procedure codes), in the order of HMRC's list.
"""

from __future__ import annotations

from collections.abc import Sequence

_PROCEDURES = {  # the first two digits of the procedure: what the goods are released for
    "01": "free circulation",
    "07": "excise warehousing",
    "10": "export",
    "11": "export",
    "21": "outward processing",
    "22": "outward processing",
    "23": "temporary export",
    "31": "re-export",
    "40": "free circulation",
    "42": "free circulation",
    "44": "end use",
    "45": "free circulation",
    "46": "outward processing",
    "48": "free circulation",
    "51": "inward processing",
    "53": "temporary admission",
    "61": "re-import",
    "63": "re-import",
    "68": "re-import",
    "71": "customs warehousing",
    "76": "export",
    "77": "export",
    "78": "free zone",
    "95": "customs warehousing",
    "96": "customs warehousing",
}
_BY_TYPE = {"IM": "import", "EX": "export", "CO": "free circulation", "T": "transit"}


def procedure(codes: Sequence[str], type_code: str) -> dict[str, object]:
    """Say what a release of a declaration is for.

    Args:
        codes: Requested and previous procedure of each goods item, four characters, as `4000`; may be empty.
        type_code: As `IMA`, "" if unknown.

    Returns:
        `procedure` in words and `procedure_codes` as declared, as the details of a release have them.
    """
    stated = list(dict.fromkeys(codes))
    words = [_PROCEDURES[code[:2]] for code in stated if code[:2] in _PROCEDURES]
    word = words[0] if words else _BY_TYPE.get(type_code[:2], "the declared procedure")
    return {"procedure": word, **({"procedure_codes": stated} if stated else {})}
