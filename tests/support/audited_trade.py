"""Two months of trade for a report to draw: three oceans, every kind of finding, and what was never disclosed."""

from written_chain import DAY, HOUR, START, Consignment, WrittenChain

from ledger.core.records import CustodyKind as K

PEOPLE = {
    "exporter": "SG:ACME01",
    "maker": "KR:HANSO1",
    "carrier": "SG:CARR01",
    "importer": "NL:IMPEX1",
    "singapore": "SG",
    "rotterdam": "NL",
    "suez": "EG",
    "korea": "KR",
    "america": "US",
    "clerk": "NL",
}
WEST = (("SGSIN", "singapore"), ("LKCMB", None), ("EGPSD", "suez"), ("NLRTM", "rotterdam"))
EAST = (("KRPUS", "korea"), ("JPYOK", None), ("USLAX", "america"))


def trade(lives: int = 24, *, odd: bool = True, **how: bool) -> tuple[WrittenChain, dict[str, Consignment]]:
    """The chain, and the consignments by what they are there for.

    Args:
        lives: Voyages beside the consignments with something odd.
        odd: Whether there are those.
        how: As `WrittenChain`: whether it is sealed, whether its state is shown.
    """
    chain = WrittenChain(("SG", "NL", "EG", "KR", "US"), PEOPLE, **how)
    steps: list[tuple[int, int, object]] = []

    def later(at, act):
        steps.append((at, len(steps), act))

    named: dict[str, Consignment] = {}
    for number in range(lives):
        _voyage(later, named, chain, number)
    if odd:
        _findings(later, named, chain)
    for at, _, act in sorted(steps, key=lambda step: step[:2]):
        act(at)
    return chain, named


def _voyage(later, named, chain, number):
    """One consignment from its opening to its closing, as most are."""
    is_west = number % 3 != 2
    route, opener = (WEST, "exporter") if is_west else (EAST, "maker")
    begin = START + DAY * (1 + number * 2 % 45) + HOUR * (number * 7 % 24)
    name = f"voyage {number}"
    shows = number % 4 != 3
    later(begin, lambda at: named.__setitem__(name, chain.consignment(opener, at)))
    at = begin + 2 * HOUR
    for leg, (place, officer) in enumerate(route):
        who = officer or opener
        passage = {"schema": "cargo-passage/1", "place": place, "seals": ["ML-SG 204417"]}
        if leg:
            late = 60 * (7 + number % 50) if number % 5 else 30 * HOUR
            later(at + late, lambda time, p=passage, w=who, a=at: chain.record(
                K.ARRIVAL, w, named[name], time, p, observed=a, show=shows))  # fmt: skip
        if leg < len(route) - 1:
            at += 2 * DAY
            later(at, lambda time, p=passage, w=who: chain.record(
                K.DEPARTURE, w, named[name], time, p, observed=time - 240, show=shows))  # fmt: skip
            at += 6 * DAY + number % 3 * DAY
    at += 2 * DAY
    officer = route[-1][1]
    later(at, lambda time: chain.record(
        K.RELEASE, officer, named[name], time,
        {"schema": "cargo-release/1", "procedure": "free circulation"}, subject=b"\x0a" * 32))  # fmt: skip
    if number % 2:
        later(at + DAY, lambda time: chain.record(
            K.CLOSE, opener, named[name], time, {"schema": "cargo-close/1", "outcome": "delivered"}))  # fmt: skip


def _findings(later, named, chain):
    """Consignments with something odd: held and moved, handed over, another seal, disputed, out of order, never released."""
    begin = START + 20 * DAY + 9 * HOUR

    def of(name):
        return named[name]

    def opens(name, at, reference=None):
        later(at, lambda time: named.__setitem__(name, chain.consignment("exporter", time, reference)))

    def act(at, kind, role, name, document=None, **more):
        later(at, lambda time: chain.record(
            kind, role, of(name), time, document,
            **{key: value(time) if callable(value) else value for key, value in more.items()}))  # fmt: skip

    held = {}
    opens("held", begin)
    act(begin + HOUR, K.DEPARTURE, "singapore", "held", {"place": "SGSIN", "seals": ["ML-SG 310022"]})
    act(begin + 9 * DAY, K.ARRIVAL, "suez", "held", {"place": "EGPSD", "seals": ["ML-SG 310022"]})
    later(begin + 9 * DAY + 2 * HOUR, lambda time: held.__setitem__("one", chain.record(
        K.HOLD, "suez", of("held"), time, {"schema": "cargo-hold/1", "reason": "sanitary inspection"})))  # fmt: skip
    act(begin + 10 * DAY, K.DEPARTURE, "suez", "held", {"place": "EGPSD", "seals": ["ML-SG 310022"]})
    act(begin + 18 * DAY, K.ARRIVAL, "rotterdam", "held", {"place": "NLRTM", "seals": ["XX-99 000001"]})
    act(begin + 18 * DAY + HOUR, K.HOLD, "rotterdam", "held", {"reason": "seal broken <b>on arrival</b>"})
    act(begin + 19 * DAY, K.OFFER, "exporter", "held", counterpart="SG:CARR01")
    act(begin + 19 * DAY + HOUR, K.ACCEPT, "carrier", "held", subject=lambda _: of("held").custody_line)

    opens("box", begin + 3 * HOUR)
    opens("vessel", begin + 4 * HOUR)
    later(begin + 5 * HOUR, lambda time: chain.record(
        K.CONSOLIDATE, "exporter", of("box"), time, subject=of("vessel").id, other=of("vessel").id))  # fmt: skip
    act(begin + 6 * HOUR, K.OFFER, "exporter", "vessel", counterpart="SG:CARR01")
    act(begin + 7 * HOUR, K.ACCEPT, "carrier", "vessel", subject=lambda _: of("vessel").custody_line)
    act(begin + DAY, K.DEPARTURE, "carrier", "vessel", {"place": "SGSIN"})
    act(
        begin + 12 * DAY,
        K.ARRIVAL,
        "rotterdam",
        "vessel",
        {"place": "NLRTM"},
        observed=lambda time: time - 3 * DAY,
    )

    opens("disputed", begin + 8 * HOUR)
    act(begin + 2 * DAY, K.INSPECTION, "clerk", "disputed", {"outcome": "as declared"})
    act(begin + 3 * DAY, K.RELEASE, "clerk", "disputed", {"procedure": "export"}, subject=b"\x0b" * 32)
    later(begin + 25 * DAY, lambda time: chain.revoke("clerk", begin + DAY, time))

    opens("early", begin + 10 * HOUR)
    act(begin + 2 * DAY + HOUR, K.DEPARTURE, "exporter", "early", {"place": "ZZZZZ"})
    act(begin + 2 * DAY + 2 * HOUR, K.ARRIVAL, "rotterdam", "early", {"location": "GBAUFXTFXTFXT"},
        observed=lambda time: time - 6 * HOUR)  # fmt: skip
    act(begin + 3 * DAY + HOUR, K.CLOSE, "exporter", "early", {"outcome": "abandoned"})
