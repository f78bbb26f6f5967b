"""Find what belongs together in a batch: by the MRN, LRN and UCR that messages state, never by the folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from ledger.importing.declarations import Declaration
from ledger.importing.notifications import Notification
from ledger.importing.ordering import Message
from ledger.importing.recognition import Batch
from ledger.importing.report import ImportFinding, ImportReport


@dataclass(slots=True)
class Links:
    """Which declaration belongs to which MRN.

    Attributes:
        by_mrn: Index of the declaration first lodged, by MRN.
        mrn_of: MRN, by index of the declaration.
        base_of: Index of the declaration that a request amends, by index of the request.
        mrn_by_ucr: MRNs by the DUCR their declaration states.
        masters: Indexes of the declarations that state a master UCR, by that reference.
    """

    by_mrn: dict[str, int] = field(default_factory=dict)
    mrn_of: dict[int, str] = field(default_factory=dict)
    base_of: dict[int, int] = field(default_factory=dict)
    mrn_by_ucr: dict[str, list[str]] = field(default_factory=dict)
    masters: dict[str, list[int]] = field(default_factory=dict)


def link(batch: Batch, notices: Sequence[Notification], report: ImportReport) -> Links:
    """Find which declaration belongs to which MRN, by the references they state; ambiguity is a finding, no guess."""
    links = Links()
    originals = [
        (index, name, found) for index, (name, found) in enumerate(batch.declarations) if not found.request
    ]
    by_mrn: dict[str, list[Notification]] = {}
    for each in sorted(notices, key=lambda each: (each.issued, each.file)):
        by_mrn.setdefault(each.mrn, []).append(each)
    for mrn, group in by_mrn.items():
        stated = [index for index, _, found in originals if found.mrn.upper() == mrn and not found.retrieved]
        lrns = list(dict.fromkeys(each.lrn for each in group if each.lrn))
        if len(lrns) > 1:
            report.findings.append(
                ImportFinding(
                    group[0].file,
                    f"the notifications about {mrn} name several LRNs ({', '.join(lrns)}); they are kept together by the MRN",
                )
            )
        candidates = stated or _by_lrn(originals, lrns)
        chosen = _nearest(candidates, batch, group[0].file)
        if chosen is not None:
            links.by_mrn[mrn] = chosen
            links.mrn_of[chosen] = mrn
        elif candidates:
            report.findings.append(
                ImportFinding(
                    group[0].file,
                    f"several declarations have the LRN {', '.join(lrns)}; none is taken for {mrn}, name it when sending",
                )
            )
        else:
            report.findings.append(
                ImportFinding(
                    group[0].file,
                    f"no declaration of this batch has the LRN {', '.join(lrns) or '(none stated)'} of {mrn}; its records "
                    "name no manifest",
                )
            )
    for index, _, found in originals:
        if found.mrn:
            mrn = found.mrn.upper()
            links.mrn_of.setdefault(index, mrn)
            lodged = _nearest(_by_lrn(originals, [found.lrn]), batch, batch.declarations[index][0])
            links.mrn_of.setdefault(index if lodged is None else lodged, mrn)
            links.by_mrn.setdefault(mrn, index if lodged is None else lodged)
    for index, (_, found) in enumerate(batch.declarations):
        if found.request and found.mrn.upper() in links.by_mrn:
            links.base_of[index] = links.by_mrn[found.mrn.upper()]
    for index, _, found in originals:
        references = found.references
        mrn = links.mrn_of.get(index, "")
        if mrn and "ducr" in references:
            links.mrn_by_ucr.setdefault(references["ducr"], []).append(mrn)
        if "mucr" in references:
            links.masters.setdefault(references["mucr"], []).append(index)
    return links


def _by_lrn(originals: Sequence[tuple[int, str, Declaration]], lrns: Sequence[str]) -> list[int]:
    """Declarations of these LRNs; those that a trader lodged before those that customs gave out again."""
    found = [each for each in originals if each[2].lrn and each[2].lrn in lrns]
    lodged = [each for each in found if not each[2].retrieved]
    return [index for index, _, _ in lodged or found]


def _nearest(candidates: Sequence[int], batch: Batch, file: str) -> int | None:
    """Of several declarations, the one that shares most folders with the file; None if that does not decide."""
    if not candidates:
        return None

    def shared(index: int) -> int:
        one, other = PurePath(batch.declarations[index][0]).parts, PurePath(file).parts
        return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))

    best = max(map(shared, candidates))
    nearest = [index for index in candidates if shared(index) == best]
    return nearest[0] if len(nearest) == 1 else None


def report_mixed_folders(notices: Sequence[Notification], report: ImportReport) -> None:
    """Say which folders hold notifications about several declarations."""
    folders: dict[str, set[str]] = {}
    for each in notices:
        folders.setdefault(str(PurePath(each.file).parent), set()).add(each.mrn)
    for folder, mrns in sorted(folders.items()):
        if len(mrns) > 1:
            report.findings.append(
                ImportFinding(
                    folder,
                    f"its notifications are about {len(mrns)} declarations ({', '.join(sorted(mrns)[:5])}); each goes its own way",
                )
            )


def group(batch: Batch, links: Links) -> dict[str, list[Message]]:
    """Group messages by what they are about: `mrn:…`, `mucr:…`, or `ducr:…` of no declaration known here."""
    groups: dict[str, list[Message]] = {}
    for each in batch.messages:
        if isinstance(each, Notification) or each.mrn:
            groups.setdefault(f"mrn:{each.mrn}", []).append(each)
        elif each.is_master:
            groups.setdefault(f"mucr:{each.ucr or each.master}", []).append(each)
        else:
            known = set(links.mrn_by_ucr.get(each.ucr, []))
            reference = f"mrn:{known.pop()}" if len(known) == 1 else f"ducr:{each.ucr}"
            groups.setdefault(reference, []).append(each)
    return dict(sorted(groups.items()))
