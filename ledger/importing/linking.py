"""Find what belongs together in a batch: by the MRN, LRN and UCR that messages state, never by the folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

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


class _Index:
    """The declarations of a batch by what they state, requests left out."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.originals = [
            (index, found) for index, (_, found) in enumerate(batch.declarations) if not found.request
        ]
        self._by_lrn: dict[str, list[int]] = {}
        self._by_mrn: dict[str, list[int]] = {}
        for index, found in self.originals:
            if found.lrn:
                self._by_lrn.setdefault(found.lrn, []).append(index)
            if found.mrn and not found.retrieved:
                self._by_mrn.setdefault(found.mrn.upper(), []).append(index)

    def of_lrns(self, lrns: Sequence[str]) -> list[int]:
        """Declarations of these LRNs; those that a trader lodged before those that customs gave out again."""
        found = [index for lrn in lrns for index in self._by_lrn.get(lrn, [])]
        lodged = [index for index in found if not self._batch.declarations[index][1].retrieved]
        return lodged or found

    def of_mrn(self, mrn: str) -> list[int]:
        """Declarations that a trader lodged and that state this MRN."""
        return self._by_mrn.get(mrn, [])


def link(batch: Batch, notices: Sequence[Notification], report: ImportReport) -> Links:
    """Find which declaration belongs to which MRN, by the references they state; ambiguity is a finding, no guess."""
    links, index = Links(), _Index(batch)
    _link_notified(batch, notices, links, index, report)
    for number, found in index.originals:
        if found.mrn:
            mrn = found.mrn.upper()
            links.mrn_of.setdefault(number, mrn)
            lodged = _nearest(index.of_lrns([found.lrn]), batch, batch.declarations[number][0])
            links.mrn_of.setdefault(number if lodged is None else lodged, mrn)
            links.by_mrn.setdefault(mrn, number if lodged is None else lodged)
    for number, (_, found) in enumerate(batch.declarations):
        if found.request and found.mrn.upper() in links.by_mrn:
            links.base_of[number] = links.by_mrn[found.mrn.upper()]
    for number, found in index.originals:
        references, mrn = found.references, links.mrn_of.get(number, "")
        if mrn and "ducr" in references:
            links.mrn_by_ucr.setdefault(references["ducr"], []).append(mrn)
        if "mucr" in references:
            links.masters.setdefault(references["mucr"], []).append(number)
    return links


def _link_notified(
    batch: Batch, notices: Sequence[Notification], links: Links, index: _Index, report: ImportReport
) -> None:
    by_mrn: dict[str, list[Notification]] = {}
    for each in sorted(notices, key=lambda each: (each.issued, each.file)):
        by_mrn.setdefault(each.mrn, []).append(each)
    for mrn, group in by_mrn.items():
        file = group[0].file
        lrns = list(dict.fromkeys(each.lrn for each in group if each.lrn))
        named = ", ".join(lrns) or "(none stated)"
        candidates = index.of_mrn(mrn) or index.of_lrns(lrns)
        chosen = _nearest(candidates, batch, file)
        sentences = []
        if len(lrns) > 1:
            sentences.append(
                f"the notifications about {mrn} name several LRNs ({named}); they are kept together by the MRN"
            )
        if chosen is None and candidates:
            sentences.append(
                f"several declarations have the LRN {named}; none is taken for {mrn}, name it when sending"
            )
        elif chosen is None:
            sentences.append(
                f"no declaration of this batch has the LRN {named} of {mrn}; its records name no manifest"
            )
        else:
            if chosen in links.mrn_of:
                sentences.append(
                    f"the declaration of LRN {named} has two MRNs, {links.mrn_of[chosen]} and {mrn}; each has records of "
                    "its own"
                )
            links.by_mrn[mrn] = chosen
            links.mrn_of.setdefault(chosen, mrn)
        report.findings += [ImportFinding(file, sentence) for sentence in sentences]


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
