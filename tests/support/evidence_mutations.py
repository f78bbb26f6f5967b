"""Changes of evidence and trust files: of their structure, of single values that keep their form, and of bytes."""

import orjson

from ledger.core import canonical

_HEX = "0123456789abcdef"


def containers(value, found=None):
    """Every object and array in a parsed file that holds something."""
    found = [] if found is None else found
    if isinstance(value, dict | list):
        if value:
            found.append(value)
        for each in value.values() if isinstance(value, dict) else value:
            containers(each, found)
    return found


def copied(value):
    return orjson.loads(orjson.dumps(value))


def _scalar(value, chance):
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, -value, 0, 2**53, str(value), None))
    if isinstance(value, str):
        cut = chance.randrange(len(value) + 1)
        return chance.choice((value[:cut], value + "00", value.upper(), "", None, value[::-1], [value], "0x"))
    return chance.choice((None, {}, [], "0x", 0))


def mutate(value, chance):
    """One structural change of a parsed file, in place."""
    found = containers(value)
    target = chance.choice(found)
    keys = list(target) if isinstance(target, dict) else range(len(target))
    key, other = chance.choice(list(keys)), chance.choice(list(keys))
    match chance.randrange(6):
        case 0:
            del target[key]
        case 1:
            target[key], target[other] = target[other], target[key]
        case 2:
            target[key] = _scalar(target[key], chance)
        case 3:
            source = chance.choice(found)
            places = list(source) if isinstance(source, dict) else range(len(source))
            target[key] = copied(source[chance.choice(list(places))])
        case 4 if isinstance(target, list):
            target.insert(chance.randrange(len(target) + 1), copied(target[key]))
        case 4:
            target[key + "_"] = copied(target[key])
        case 5 if isinstance(target, list):
            chance.shuffle(target)
        case 5:
            target.clear()


def mutate_within_form(value, chance):
    """One change of a parsed file, in place, that leaves most files readable: a digit, a number, an item of an array."""
    found = containers(value)
    target = chance.choice(found)
    key = chance.choice(list(target) if isinstance(target, dict) else range(len(target)))
    given = target[key]
    if isinstance(target, list) and chance.random() < 0.6:
        match chance.randrange(3):
            case 0:
                del target[key]
            case 1:
                target.insert(chance.randrange(len(target) + 1), copied(given))
            case 2:
                other = chance.randrange(len(target))
                target[key], target[other] = target[other], target[key]
    elif isinstance(given, bool):
        target[key] = not given
    elif isinstance(given, int):
        change = chance.choice((1, -1, 10, -10, 86_400, -86_400, 10**9, -given, 2**53 - 1 - given))
        target[key] = max(0, given + change)
    elif isinstance(given, str) and given.startswith("0x") and len(given) > 2:
        alike = [
            each
            for holder in found
            for each in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(each, str) and len(each) == len(given) and each.startswith("0x")
        ]
        at = chance.randrange(2, len(given))
        digit = given[:at] + chance.choice(_HEX) + given[at + 1 :]
        target[key] = chance.choice((digit, digit, chance.choice(alike), "0x" + "0" * (len(given) - 2)))
    elif isinstance(given, str):
        target[key] = chance.choice((given + "x", given[:-1], given.lower(), given + " ", given + "é\x07"))
    elif given is None:
        target[key] = chance.choice((None, {}, 0, "0x"))


# values as some reader might take them, right and wrong
SPELLINGS = (
    b"1.0", b"-0", b"-0.0", b"1e5", b"1e16", b"1e+16", b"0.00001", b"1e-6", b"1e-06", b"12.50", b"9007199254740992",
    b"-9007199254740993", b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809", b"01", b"NaN", b"1e999",
    b'"\\u00e9"', b'"\\u001b"', b'"\\u001B"', b'"\\/"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\xf0\x9f\x98\x80"', b'"\xed\xa0\x80"',
    b'"\t"', b'"\\t"', b'"\x7f"', b'"\\u2028"', b'"\xe2\x80\xa8"', b"[]", b"{}", b"[" * 250 + b"]" * 250, b"[" * 251 + b"]" * 251, b"[" * 28 + b"]" * 28, b"[" * 32 + b"]" * 32,
    b'{"__proto__":1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}', b'{"0":1}', b'{"\xef\xbc\xa1":1,"\xf0\x9f\x98\x80":2}',
    b'{"\xf0\x9f\x98\x80":2,"\xef\xbc\xa1":1}', b"true", b"nul",
)  # fmt: skip


def odd_bytes(data, chance):
    """A change of the bytes: one of them, a cut, or a value spelled as some reader might take it."""
    at = chance.randrange(len(data))
    match chance.randrange(6):
        case 0:
            return data[:at] + bytes((chance.randrange(256),)) + data[at + 1 :]
        case 1:
            return data[:at] + data[at + 1 :]
        case 2:
            return data[:at] + bytes((chance.choice(b' \n0f,":[]{}\\'),)) + data[at:]
        case 3:
            return chance.choice((data[:at], data + b"\n", b" " + data, b"\xef\xbb\xbf" + data, b""))
    starts = [
        place + 1 for place, byte in enumerate(data) if byte in b":" and data[place - 1 : place] == b'"'
    ]
    start = chance.choice(starts or [0])
    end = min(
        (found for found in (data.find(mark, start) for mark in (b",", b"}", b"]")) if found > 0),
        default=start,
    )
    return data[:start] + chance.choice(SPELLINGS) + data[end:]


def changed(data, chance):
    """A file that is changed in one of these ways, or not at all."""
    way = chance.random()
    if way < 0.05:
        return data
    if way < 0.2:
        return odd_bytes(data, chance)
    value = orjson.loads(data)
    change = mutate if way < 0.4 else mutate_within_form
    for _ in range(chance.choice((1, 1, 2, 3))):
        if containers(value):
            change(value, chance)
    return canonical.encode(value)
