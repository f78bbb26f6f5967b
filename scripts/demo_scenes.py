"""The scenes of the demonstration up to Singapore: what happens to cargo when all goes as it should, or nearly.

The goods, references and oddities are those of HMRC's sample declarations (scripts/demo_data/README.md); who carries
them where is the demonstration's own. Each scene checks what it tells, at the services and on chain.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from demo_network import ADMINISTRATIONS, PEOPLE, governor_name, party_of
from demo_stage import expect
from demo_story import WAIT_SECONDS, Cargo, Story, load, warnings

from ledger.cli.words import basis_text, short
from ledger.core.records import CustodyKind, ManifestReason
from ledger.messages import AccompanyingFile, ManifestView, from_hex, to_hex

Kind = CustodyKind
CONTAINER = "CSQU3054383"
SEAL = "ML204417"
NEW_SEAL = "NL882190"
CITIES = {"GBFXT": "Felixstowe", "NLRTM": "Rotterdam", "SGSIN": "Singapore"}


class Cargoes:
    """The consignments of the story, by what they are."""

    def __init__(self) -> None:
        self.gin = Cargo("gin", "thames", load("export-excise-goods"))
        self.paper = Cargo("paper envelopes", "thames", load("export-consolidated"))
        self.straw = Cargo("straw envelopes, processed abroad", "thames", load("outward-processing"))
        self.resold = Cargo("straw envelopes, re-exported", "thames", load("re-export"))
        self.shavers = Cargo("shaver parts", "pennine", load("import-free-circulation"))
        self.controlled = Cargo("shaver parts and shavers", "pennine", load("import-under-control"))
        self.horses = Cargo("thoroughbred horses", "pennine", load("import-simplified"))
        self.prints = Cargo("antique prints", "pennine", load("import-former-hs-code"))
        self.cases = Cargo("vanity cases", "pennine", load("warehousing"))
        self.leeks = Cargo("leeks", "pennine", load("inward-processing"))
        self.guitars = Cargo("electric guitars", "pennine", load("temporary-admission"))
        self.fabrics = Cargo("coated fabrics", "pennine", load("re-import"))
        self.carvings = Cargo("carvings of ivory and bone", "pennine", load("supplementary"))
        self.container = Cargo("the container", "maasline", {})

    @property
    def exports(self) -> list[Cargo]:
        """What leaves Felixstowe."""
        return [self.gin, self.paper, self.straw, self.resold]

    @property
    def imports(self) -> dict[str, list[Cargo]]:
        """What comes to stay, by the procedure that is declared."""
        return {
            "free circulation": [self.shavers, self.controlled, self.horses],
            "customs warehousing": [self.cases],
            "inward processing": [self.leeks],
            "temporary admission": [self.guitars],
            "re-import": [self.fabrics],
        }

    @property
    def arriving(self) -> list[Cargo]:
        """All that is opened at Felixstowe."""
        return [*self.exports, *(each for group in self.imports.values() for each in group), self.prints]

    @property
    def lodged(self) -> list[Cargo]:
        """All manifests of the first morning."""
        return [*self.arriving, self.carvings]


def found(story: Story) -> None:
    """Three administrations found the network and enrol their people; their services start."""
    network, stage = story.network, story.stage
    stage.scene(
        "Three administrations found a network",
        "Nobody owns it: three contracts, deployed with a key that nobody keeps, and a governor for each administration, "
        "who enrols its own people. Each administration runs its own service with its own database.",
    )
    with stage.progress("starting the chain, deploying three contracts", 1) as advance:
        network.found()
        advance(1)
    network.start_services()  # they take seconds to be ready; meanwhile people are enrolled
    with stage.progress("enrolling people, each with the own signature", len(PEOPLE)) as advance:
        network.enrol(advance=lambda name: advance(1))
    with stage.progress("starting the services", len(ADMINISTRATIONS)) as advance:
        network.serve(advance=lambda code: advance(1))
    for person in PEOPLE:
        party, roles, *_ = network.chain.view(
            "AdministrationRegistry", "account", network.key(person.name).address
        )
        expect(bytes(party) == party_of(person.party), f"The registry has {person.name} for another party.")
        expect(roles == person.role, f"The registry has {person.name} with other roles.")
    rows = []
    for each in ADMINISTRATIONS:
        members = network.client(each.code).administrations()
        known = {member.administration: member.governor for member in members if member.active}
        expect(
            len(known) == len(ADMINISTRATIONS),
            f"The service of {each.code} knows {len(known)} administrations.",
        )
        governor = network.key(governor_name(each.code)).address
        expect(known[each.code] == governor, f"{each.code} has another governor than it was founded with.")
        mine = [person for person in PEOPLE if person.administration == each.code]
        people = ", ".join(f"{person.party} {person.role.name.lower()}" for person in mine)
        rows.append((each.code, each.name, short(governor), network.services[each.code].url, people))
    stage.table("Administrations", ("code", "name", "governor", "service", "enrolled"), rows)
    story.count("people enrolled", len(PEOPLE))


def lodge_manifests(story: Story, cargoes: Cargoes) -> None:
    """Exporter and importer lodge their manifests; they are anchored."""
    stage = story.stage
    stage.scene(
        "Manifests are lodged",
        "An exporter and an importer lodge thirteen manifests made from customs declarations. The documents stay with "
        "their administration; the chain gets one root for the whole log, however long it is.",
    )
    expect(len(cargoes.lodged) == 13, f"There are {len(cargoes.lodged)} manifests, not thirteen.")
    oddities = {each.label: warnings(each.document) for each in cargoes.lodged}
    with stage.progress("lodging: signed, durable, answered with a promise", len(cargoes.lodged)) as advance:
        for cargo in cargoes.lodged:
            lodged = story.person(cargo.trader).lodge(cargo)
            expect(
                lodged.answer.promise.index == lodged.answer.index,
                "A promise names another place in the log.",
            )
            advance(1)
    story.anchored("anchored on chain", [("GB", each.manifest) for each in cargoes.lodged])
    rows = []
    for cargo in cargoes.lodged:
        view = _manifest(story, cargo)
        basis = basis_text(cargo.document).partition(",")[0].replace(" declaration", "")
        rows.append((cargo.reference, cargo.label, basis, view.party, len(oddities[cargo.label]) or ""))
    stage.table(
        "Manifests in GB's log",
        ("trade reference", "goods", "basis", "lodged by", "odd"),
        rows,
    )
    head = story.network.client("GB").head("GB")
    size, root = head.size, from_hex(head.root)
    on_chain = story.network.chain.view("ManifestLog", "head", _code("GB"))
    expect(size == len(cargoes.lodged), f"GB's log has {size} leaves, not {len(cargoes.lodged)}.")
    expect(bytes(on_chain[3]) == root, "The root on chain is not the log's.")
    total = sum(len(each) for each in oddities.values())
    stage.odd(
        f"{total} things in them are odd and kept as stated: nothing that can be committed to is refused. "
        f"For instance: {oddities[cargoes.gin.label][0]} {oddities[cargoes.prints.label][0]}"
    )
    stage.done(
        f"All that the chain knows of them: {size} leaves under the root {short(head.root)}, block {head.block}."
    )


def open_and_arrive(story: Story, cargoes: Cargoes) -> None:
    """Consignments are opened and arrive at the first checkpoint."""
    stage, officer = story.stage, story.person("officer-gb")
    stage.scene(
        "Cargo arrives at Felixstowe",
        "The traders open a consignment for each manifest and are in charge of it (of one the goods have gone already: "
        "its declaration is supplementary). An officer records the arrivals. On chain stand kinds, times, parties and "
        "digests; places, seals and reasons stay in GB's files.",
    )
    for cargo in cargoes.arriving:
        story.person(cargo.trader).open(cargo)
    for cargo in cargoes.arriving:
        seals = [seal for each in cargo.document.get("containers", []) for seal in each.get("seals", [])]
        details: dict[str, Any] = {"place": "GBFXT", **({"seals": seals} if seals else {})}
        officer.do(Kind.ARRIVAL, cargo, details)
    story.settle("opened and arrived, taken by the chain")
    for cargo in cargoes.arriving:
        view = story.view("GB", cargo.id)
        trader = story.person(cargo.trader).party
        expect(view.custodian == trader and view.records == 2, f"{cargo.label}: {view.summary}")
        expect(
            _trail(story, cargo) == from_hex(view.trail),
            f"{cargo.label}: the chain has another trail than GB.",
        )
    story.count("consignments opened", len(cargoes.arriving))
    one = cargoes.shavers
    stage.say(f"What an officer reads of one, {one.reference}:")
    stage.quote(story.view("GB", one.id).summary)


def control(story: Story, cargoes: Cargoes) -> None:
    """Cargo under control: documents wanted, holds, inspections; a manifest is amended, another withdrawn."""
    stage, officer, importer = story.stage, story.person("officer-gb"), story.person("pennine")
    stage.scene(
        "Under control",
        "Two shipments are put on hold (HMRC says: under control) and inspected. The importer corrects one manifest, as "
        "the declarant really did: an item is deleted. Another was lodged in error and is withdrawn.",
    )
    due = (datetime.now(UTC) + timedelta(days=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    officer.do(Kind.REMARK, cargoes.controlled, {"reason": "documents wanted", "due": due})
    holds = {
        "controlled": officer.do(Kind.HOLD, cargoes.controlled, {"reason": "control", "place": "GBFXT"}),
        "horses": officer.do(Kind.HOLD, cargoes.horses, {"reason": "veterinary check", "place": "GBFXT"}),
    }
    officer.do(Kind.INSPECTION, cargoes.horses, {"outcome": "conform", "note": "4 animals, passports seen"})
    officer.do(Kind.INSPECTION, cargoes.controlled, {"outcome": "2 items found, 3 stated", "place": "GBFXT"})
    story.settle("hold, inspection, documents wanted")
    for cargo in (cargoes.controlled, cargoes.horses):
        view = story.view("GB", cargo.id)
        expect(len(view.holds) == 1 and not view.may_go, f"{cargo.label}: {view.summary}")
        stage.quote(f"{cargo.label}: {view.summary}")
    former = cargoes.controlled.manifest
    stated = len(cargoes.controlled.document["goods"])
    cargoes.controlled.document = load("import-under-control-v2")
    expect(len(cargoes.controlled.document["goods"]) == stated - 1, "The correction deletes no item.")
    cargoes.controlled.lodged = importer.client.amend(
        former.id, cargoes.controlled.document, ManifestReason.QUANTITY_CHANGED
    )
    withdrawn = cargoes.carvings.manifest
    importer.client.withdraw(withdrawn.id, ManifestReason.LODGED_IN_ERROR)
    with stage.progress("amended and withdrawn, closed on chain", 2) as advance:
        for manifest in (former.id, withdrawn.id):
            _wait_until_closed(story, manifest)
            advance(1)
    story.count("manifests amended")
    story.count("manifests withdrawn")
    successor = story.network.client("GB").manifest(former.id).closure
    expect(
        successor is not None and successor.successor == to_hex(cargoes.controlled.manifest.id),
        "The amended manifest does not name its successor.",
    )
    stage.done(
        f"Amended: manifest {_short(former.id)} is superseded by {_short(cargoes.controlled.manifest.id)}."
    )
    stage.done(f"Withdrawn: manifest {_short(withdrawn.id)}, the carvings: lodged in error, no successor.")
    officer.do(Kind.LIFT, cargoes.controlled, {"outcome": "A1"}, subject=holds["controlled"])
    officer.do(Kind.LIFT, cargoes.horses, {"outcome": "conform"}, subject=holds["horses"])
    story.settle("holds lifted")
    for cargo in (cargoes.controlled, cargoes.horses):
        expect(not story.view("GB", cargo.id).holds, f"The hold on {cargo.label} is not lifted.")


def release(story: Story, cargoes: Cargoes) -> None:
    """Goods are released for export and for the import procedures, cleared, delivered."""
    stage, officer, importer = story.stage, story.person("officer-gb"), story.person("pennine")
    stage.scene(
        "Released, cleared, delivered",
        "A release is always for a procedure and for one manifest: for export, or for the import procedure declared. "
        "Clearance, the end of all formalities, is another act. What is delivered is closed: nobody is in charge of it.",
    )
    procedures = {"export": cargoes.exports, **cargoes.imports}
    delivered = [*cargoes.imports["free circulation"], *cargoes.imports["re-import"]]
    for procedure, group in procedures.items():
        for cargo in group:
            officer.do(Kind.RELEASE, cargo, {"procedure": procedure}, subject=cargo.manifest.id)
    story.settle("released")
    for group in procedures.values():
        for cargo in group:
            view = story.view("GB", cargo.id)
            expect(view.may_go, f"{cargo.label} is released and may not go: {view.summary}")
    for procedure, group in cargoes.imports.items():
        for cargo in group:
            officer.do(Kind.CLEARANCE, cargo, {"procedure": procedure}, subject=cargo.manifest.id)
    for cargo in delivered:
        importer.do(Kind.CLOSE, cargo, {"outcome": "delivered"})
    story.settle("cleared and delivered")
    rows = []
    for procedure, group in procedures.items():
        for cargo in group:
            view = story.view("GB", cargo.id)
            expect(view.closed == (cargo in delivered), f"{cargo.label}: {view.summary}")
            rows.append(
                (cargo.label, procedure, "closed" if view.closed else view.custodian, _findings(view))
            )
            story.count(f"released for {'export' if procedure == 'export' else 'import'}")
    stage.table("Released by GB", ("goods", "for", "in the charge of", "look at"), rows)


def seize(story: Story, cargoes: Cargoes) -> None:
    """Goods under hold are moved: that is recorded, seen, and ends in a seizure."""
    stage, officer, importer = story.stage, story.person("officer-gb"), story.person("pennine")
    cargo = cargoes.prints
    stage.scene(
        "A seizure",
        "Facts are never refused, permissions are. The antique prints are on hold, and still they are moved: the record "
        "of it is taken, everyone sees it as a finding, and customs takes the goods into its own charge.",
    )
    officer.do(Kind.HOLD, cargo, {"reason": "no export licence for cultural goods shown", "place": "GBFXT"})
    importer.do(Kind.DEPARTURE, cargo, {"place": "GBFXT"})
    officer.do(Kind.TAKE, cargo, {"reason": "moved while on hold", "place": "GBFXT"})
    story.settle("hold, departure, seizure")
    view = story.view("GB", cargo.id)
    kinds = {finding.kind for finding in view.findings}
    expect("moved-under-hold" in kinds, f"The move under hold is no finding: {sorted(kinds)}")
    expect(view.custodian == "GB", f"The prints are not in the charge of GB: {view.summary}")
    stage.quote(view.summary)
    for finding in view.findings:
        stage.odd(finding.message)
    story.count("shipments seized")


def consolidate(story: Story, cargoes: Cargoes) -> None:
    """Exports change hands to the carrier and go into one container."""
    stage, exporter, carrier = story.stage, story.person("thames"), story.person("maasline")
    box = cargoes.container
    stage.scene(
        "Into one container",
        "The exporter offers four consignments to a Dutch carrier, who accepts them at its own administration's service: "
        "a handover takes two signatures. Then all four go into one container, with a seal.",
    )
    offers = {
        cargo.label: exporter.do(Kind.OFFER, cargo, {"place": "GBFXT"}, counterpart=carrier.party)
        for cargo in cargoes.exports
    }
    story.settle("offered to NL:MAASLINE")
    for cargo in cargoes.exports:
        carrier.do(Kind.ACCEPT, cargo, {"place": "GBFXT"}, subject=offers[cargo.label])
    box.document = _bill_of_lading(cargoes)
    carrier.lodge(box)
    carrier.open(box)
    story.count("consignments opened")
    for cargo in cargoes.exports:
        details = {"reference": box.reference, "place": "GBFXT", "containers": [CONTAINER]}
        carrier.do(Kind.CONSOLIDATE, cargo, details, subject=box.id)
    carrier.do(
        Kind.SEAL, box, {"seal": SEAL, "action": "affixed", "containers": [CONTAINER], "place": "GBFXT"}
    )
    story.settle("handover accepted, consolidated, sealed")
    story.anchored("the bill of lading anchored by NL", [("NL", box.manifest)])
    view = story.view("NL", box.id)
    expect(
        len(view.contents) == len(cargoes.exports), f"The container holds {len(view.contents)} consignments."
    )
    for cargo in cargoes.exports:
        inside = story.view("GB", cargo.id)
        expect(inside.inside == to_hex(box.id), f"{cargo.label} is not in the container: {inside.summary}")
        expect(inside.custodian == carrier.party, f"{cargo.label}: {inside.summary}")
    story.count("handovers accepted", len(cargoes.exports))
    stage.quote(f"{CONTAINER}: {view.summary}")


def travel(story: Story, cargoes: Cargoes) -> None:
    """The accompanying files go ahead to Rotterdam; another agency's hold; released for transit; the gin gets out."""
    stage, carrier = story.stage, story.person("maasline")
    felixstowe, rotterdam, agency = (
        story.person(each) for each in ("officer-gb", "officer-nl", "inspector-nvwa")
    )
    box, gin = cargoes.container, cargoes.gin
    stage.scene(
        "The file that travels with the cargo",
        "Nobody can look cargo up from the chain alone. The accompanying file takes the consignment's key and chosen "
        "fields of its manifest from one administration's service to the next, which checks all of it against the chain.",
    )
    expect(
        not story.network.client("NL").find_consignments(reference=gin.reference), "NL knows the gin already."
    )
    files = _hand_over_files(story, "NL", "GB", [box], ["/containers", "/references", "/basis"])
    found = story.network.client("GB").find_consignments(container=CONTAINER)
    expect([each.id for each in found] == [to_hex(box.id)], "GB does not find the container by its number.")
    felixstowe.do(Kind.DEPARTURE, found[0].id, {"place": "GBFXT", "office_role": "exit"})
    shown = ["/references", "/basis", "/goods/0/description"]
    files += _hand_over_files(story, "GB", "NL", cargoes.exports, shown)
    expect(
        len(story.network.client("NL").find_consignments(reference=gin.reference)) == 1,
        "NL cannot find the gin.",
    )
    stage.table("Accompanying files", ("from", "to", "cargo", "trade reference", "fields shown"), files)
    story.settle("departed from Felixstowe")
    rotterdam.do(Kind.ARRIVAL, box, {"place": "NLRTM", "office_role": "transit", "seals": [SEAL]})
    hold = agency.do(Kind.HOLD, gin, {"reason": "sample of spirit drinks", "place": "NLRTM"})
    for cargo in (box, cargoes.paper, cargoes.straw, cargoes.resold):
        rotterdam.do(Kind.RELEASE, cargo, {"procedure": "transit"}, subject=cargo.manifest.id)
    story.settle("arrived at Rotterdam; the food authority holds the gin; the rest released for transit")
    view = story.view("NL", gin.id)
    expect(
        [each.party for each in view.holds] == ["NL:NVWA"],
        f"The gin is not on hold by NL:NVWA: {view.summary}",
    )
    stage.quote(f"gin: {view.summary}")
    agency.do(Kind.INSPECTION, gin, {"outcome": "conform", "note": "sample 30 of 30 packages"})
    agency.do(Kind.LIFT, gin, {"outcome": "conform"}, subject=hold)
    rotterdam.do(Kind.RELEASE, gin, {"procedure": "transit"}, subject=gin.manifest.id)
    carrier.do(
        Kind.SEAL, box, {"seal": SEAL, "action": "removed", "containers": [CONTAINER], "place": "NLRTM"}
    )
    carrier.do(Kind.DECONSOLIDATE, gin, {"reference": box.reference, "place": "NLRTM"}, subject=box.id)
    carrier.do(
        Kind.SEAL, box, {"seal": NEW_SEAL, "action": "affixed", "containers": [CONTAINER], "place": "NLRTM"}
    )
    carrier.do(Kind.CLOSE, gin, {"outcome": "transhipped to New York", "place": "NLRTM"})
    rotterdam.do(Kind.DEPARTURE, box, {"place": "NLRTM", "office_role": "transit"})
    story.settle("hold lifted, gin taken out and transhipped, container sailed")
    expect(len(story.view("NL", box.id).contents) == 3, "The gin is still in the container.")
    expect(story.view("NL", gin.id).closed, "The gin is not closed.")
    story.count("released for transit", 5)


def arrive_in_singapore(story: Story, cargoes: Cargoes) -> None:
    """An officer at the destination looks the container up."""
    stage, officer = story.stage, story.person("officer-sg")
    box = cargoes.container
    travelling = [cargoes.paper, cargoes.straw, cargoes.resold]
    stage.scene(
        "Singapore looks the container up",
        "The files travel on: Rotterdam passes on what it was given. An officer at Singapore types the number on the box "
        "and reads whose it is, where it has been, whether it is held and whether it may go, with the age of the answer.",
    )
    files = _hand_over_files(story, "NL", "SG", [box], ["/containers", "/references", "/basis"])
    files += _hand_over_files(story, "NL", "SG", travelling, [])
    stage.done(f"NL to SG: {len(files)} accompanying files loaded, checked against the chain.")
    officer.do(Kind.ARRIVAL, box, {"place": "SGSIN", "office_role": "destination", "seals": [NEW_SEAL]})
    story.settle("arrived at Singapore")
    shown = story.command("consignment", "show", CONTAINER, administration="SG")
    for words in (
        "In the charge of NL:MAASLINE",
        "3 consignments inside",
        "May not go: SG has not released it",
    ):
        expect(words in shown.replace("\n", " "), f"The look-up does not say: {words}.")
    for cargo in travelling:
        there = story.network.client("SG").find_consignments(reference=cargo.reference)
        expect(
            len(there) == 1 and there[0].inside == to_hex(box.id),
            f"SG does not find {cargo.label} in the box.",
        )


def distribute(story: Story, cargoes: Cargoes) -> None:
    """The container is emptied: one consignment declined, inspected, accepted, released for import, delivered."""
    stage, carrier, importer = story.stage, story.person("maasline"), story.person("merlion")
    officer, leaving = story.person("officer-sg"), story.person("officer-sg-left")
    box, resold = cargoes.container, cargoes.resold
    stage.scene(
        "Out of the container",
        "Three consignments come out. The importer declines one: 25 packages are stated, the items add up to 10. An "
        "inspection settles it; the importer accepts, lodges its own manifest, and the goods are released for import.",
    )
    document = resold.document
    packages = (
        document["totals"]["packages"],
        sum(each["packages"][0]["count"] for each in document["goods"]),
    )
    expect(packages == (25, 10), f"The manifest states {packages[0]} packages and has {packages[1]}.")
    carrier.do(
        Kind.SEAL, box, {"seal": NEW_SEAL, "action": "removed", "containers": [CONTAINER], "place": "SGSIN"}
    )
    for cargo in (cargoes.paper, cargoes.straw, resold):
        carrier.do(Kind.DECONSOLIDATE, cargo, {"reference": box.reference, "place": "SGSIN"}, subject=box.id)
    offer = carrier.do(Kind.OFFER, resold, {"place": "SGSIN"}, counterpart=importer.party)
    carrier.do(Kind.CLOSE, box, {"outcome": "emptied", "place": "SGSIN"})
    story.settle("taken out, offered to SG:MERLION")
    reason = "25 packages stated, items add up to 10"
    importer.do(Kind.DECLINE, resold, {"place": "SGSIN", "reason": reason}, subject=offer)
    leaving.do(Kind.INSPECTION, resold, {"outcome": "10 packages counted", "place": "SGSIN"})
    officer.do(Kind.HOLD, cargoes.straw, {"reason": "plant health: straw", "place": "SGSIN"})
    transhipment = {"procedure": "transhipment to Tokyo"}
    officer.do(Kind.RELEASE, cargoes.paper, transhipment, subject=cargoes.paper.manifest.id)
    story.settle("declined, inspected; another consignment held, another released for transhipment")
    offer = carrier.do(Kind.OFFER, resold, {"place": "SGSIN"}, counterpart=importer.party)
    story.settle("offered again")
    importer.do(Kind.ACCEPT, resold, {"place": "SGSIN"}, subject=offer)
    story.count("handovers accepted")
    own = Cargo("straw envelopes, imported", "merlion", _import_of(resold))
    importer.lodge(own, consignment=resold.id)
    story.settle("handover accepted")
    story.anchored("the importer's own manifest anchored by SG", [("SG", own.manifest)])
    officer.do(Kind.RELEASE, resold, {"procedure": "import"}, subject=own.manifest.id)
    story.count("released for import")
    view = story.view("SG", resold.id)
    officer.do(Kind.CLEARANCE, resold, {"procedure": "import"}, subject=own.manifest.id)
    importer.do(Kind.CLOSE, resold, {"outcome": "delivered", "place": "SGSIN"})
    story.settle("released for import, cleared, delivered")
    rows = []
    for cargo in (cargoes.paper, cargoes.straw, resold, box):
        view = story.view("SG", cargo.id)
        charge = "closed" if view.closed else view.custodian
        held = "; ".join(f"{each.party}: {each.reason}" for each in view.holds)
        released = "; ".join(f"{each.procedure}" for each in view.releases if each.party == "SG")
        rows.append(
            (cargo.reference, charge, held or "no", released or "not", "yes" if view.may_go else "no")
        )
    columns = ("trade reference", "in the charge of", "on hold", "released by SG for", "may go")
    stage.table("What Singapore knows now", columns, rows)
    expect(story.view("SG", cargoes.paper.id).may_go, "The paper envelopes may not go on to Tokyo.")
    expect(not story.view("SG", cargoes.straw.id).may_go, "The straw envelopes may go, though they are held.")
    expect(view.closed and story.view("SG", resold.id).closed, "What was delivered is not closed.")


# --- what scenes share


def _manifest(story: Story, cargo: Cargo) -> ManifestView:
    return story.network.client("GB").manifest(cargo.manifest.id)


def _trail(story: Story, cargo: Cargo) -> bytes:
    return bytes(story.network.chain.view("ConsignmentLedger", "trail", cargo.id))


def _code(administration: str) -> bytes:
    return party_of(administration)[:8]


def _short(digest: bytes) -> str:
    return short(to_hex(digest))


def _findings(view: Any) -> str:
    return ", ".join(sorted({finding.kind.replace("-", " ") for finding in view.findings}))


def _wait_until_closed(story: Story, manifest: bytes) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while story.network.client("GB").manifest(manifest).closure is None:
        expect(
            time.monotonic() < deadline, f"Manifest {_short(manifest)} is not closed on chain after a minute."
        )
        time.sleep(0.15)
    on_chain = bytes(story.network.chain.view("ManifestLog", "closure", manifest))
    expect(any(on_chain), f"The chain has no closure of manifest {_short(manifest)}.")


def _hand_over_files(
    story: Story, giver: str, taker: str, cargoes: list[Cargo], show: list[str]
) -> list[tuple[str, ...]]:
    """Write accompanying files at one administration's service and load them at another's; a row for each."""
    rows: list[tuple[str, ...]] = []
    folder = story.network.folder / "travelling"
    folder.mkdir(exist_ok=True)
    for cargo in cargoes:
        pointers = [each for each in show if each.split("/")[1] in cargo.document]
        file = story.network.client(giver).accompanying_file(cargo.id, pointers)
        path = folder / f"{giver.lower()}-{taker.lower()}-{cargo.id.hex()[:8]}.json"
        path.write_text(json.dumps(file.model_dump(mode="json", by_alias=True), indent=1) + "\n")
        travelled = AccompanyingFile.model_validate_json(path.read_bytes())
        view = story.network.client(taker).load_accompanying(travelled)
        expect(view.reference == cargo.reference, f"{taker} loaded another reference than {cargo.reference}.")
        story.count("accompanying files loaded")
        disclosure = file.manifest.disclosure
        fields = f"{len(disclosure['fields'])} of {disclosure['leaves']}"
        rows.append((giver, taker, cargo.label, cargo.reference, fields))
    return rows


def _bill_of_lading(cargoes: Cargoes) -> dict[str, Any]:
    """The carrier's own manifest: one container with what the exporters' manifests state of the goods."""
    goods = []
    for number, cargo in enumerate(cargoes.exports, 1):
        first = cargo.document["goods"][0]
        scheme, _, value = cargo.reference.partition(":")
        kept = {name: first[name] for name in ("description", "gross_mass_kg", "packages") if name in first}
        goods.append({"sequence": number, "references": [{"scheme": scheme, "value": value}], **kept})
    return {
        "schema": "cargo-manifest/1",
        "basis": {"kind": "bill of lading"},
        "references": [{"scheme": "bl", "value": "MAAS24110017"}],
        "carrier": {"name": "Maaslijn Container Lines"},
        "transport": {"mode": "sea"},
        "containers": [{"number": CONTAINER, "seals": [SEAL]}],
        "place_of_loading": "GBFXT",
        "place_of_discharge": "SGSIN",
        "itinerary": ["GB", "NL", "SG"],
        "goods": goods,
    }


def _import_of(cargo: Cargo) -> dict[str, Any]:
    """The importer's own manifest of goods that it bought on the way: the goods as stated, and as counted."""
    goods = [
        {name: value for name, value in each.items() if name not in ("procedure", "documents", "statements")}
        for each in cargo.document["goods"]
    ]
    return {
        "schema": "cargo-manifest/1",
        "basis": {"kind": "declaration", "type": "IMA"},
        "references": cargo.document["references"],
        "importer": {"name": "Merlion Trading"},
        "export_country": "GB",
        "destination": "SG",
        "goods": goods,
        "totals": {"items": len(goods), "packages": sum(each["packages"][0]["count"] for each in goods)},
    }
