"""The importer on messages made here: each rule of CUSTOMS.md's table, each refusal beside what is taken."""

import json
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checking import check, check_bytes
from ledger.errors import InvalidDeclaration, LedgerError
from ledger.importing import xml_source
from ledger.importing.amendments import amended, changes
from ledger.importing.declarations import decimal, declaration, manifest, parse_moment, rfc3339
from ledger.importing.hmrc_cds import import_files

MRN = "24GB0YUZI38FK68A00"
OTHER_MRN = "21GB7X8M7S6NG8N6R0"
GOODS = """
<GovernmentAgencyGoodsItem>
  <SequenceNumeric>{number}</SequenceNumeric>
  <StatisticalValueAmount currencyID="GBP">0600.50</StatisticalValueAmount>
  <AdditionalDocument><CategoryCode>C</CategoryCode><ID>GBCGU1</ID><TypeCode>505</TypeCode></AdditionalDocument>
  <AdditionalDocument><CategoryCode>N</CategoryCode><ID>54</ID><TypeCode>935</TypeCode>
    <LPCOExemptionCode>AC</LPCOExemptionCode>
    <WriteOff><QuantityQuantity unitCode="KGM#G">4.0</QuantityQuantity></WriteOff></AdditionalDocument>
  <Commodity><Description>Straw envelopes</Description>
    <Classification><ID>46021910</ID><IdentificationTypeCode>TSP</IdentificationTypeCode></Classification>
    <Classification><ID>VATZ</ID><IdentificationTypeCode>GN</IdentificationTypeCode></Classification>
    <DutyTaxFee><TypeCode>A00</TypeCode><Payment><MethodCode>E</MethodCode></Payment></DutyTaxFee>
    <GoodsMeasure><GrossMassMeasure>00150.0</GrossMassMeasure><NetNetWeightMeasure>100</NetNetWeightMeasure>
    </GoodsMeasure>
    <InvoiceLine><ItemChargeAmount currencyID="GBP">1000.10</ItemChargeAmount></InvoiceLine>
  </Commodity>
  <GovernmentProcedure><CurrentCode>10</CurrentCode><PreviousCode>40</PreviousCode></GovernmentProcedure>
  <GovernmentProcedure><CurrentCode>000</CurrentCode></GovernmentProcedure>
  <Origin><CountryCode>GB</CountryCode><TypeCode>1</TypeCode></Origin>
  <Packaging><MarksNumbersID>A/1</MarksNumbersID><QuantityQuantity>10</QuantityQuantity><TypeCode>BX</TypeCode>
  </Packaging>
</GovernmentAgencyGoodsItem>"""
HEAD = '<md:MetaData xmlns:md="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2" xmlns="urn:wco:datamodel:WCO:DEC-DMS:2">'


def declared(
    lrn: str = "LRN1",
    type_code: str = "EXD",
    function: str = "9",
    goods: str = GOODS.format(number=1),
    header: str = "",
    references: str = "<PreviousDocument><CategoryCode>Z</CategoryCode><ID>5GB395784431192-A</ID>"
    "<TypeCode>DCR</TypeCode></PreviousDocument>",
) -> str:
    return f"""{HEAD}<Declaration xmlns:p1="urn:wco:datamodel:WCO:Declaration_DS:DMS:2">
      <FunctionCode>{function}</FunctionCode><FunctionalReferenceID>{lrn}</FunctionalReferenceID>
      <TypeCode>{type_code}</TypeCode><TotalPackageQuantity>10</TotalPackageQuantity>{header}
      <BorderTransportMeans><RegistrationNationalityCode>GB</RegistrationNationalityCode><ModeCode>1</ModeCode>
      </BorderTransportMeans>
      <Declarant><ID>GB427168118378</ID></Declarant>
      <ObligationGuarantee><ID>G1</ID></ObligationGuarantee>
      <GoodsShipment>
        <Consignment><ContainerCode>1</ContainerCode>
          <GoodsLocation><Name>LGWLGWLGW</Name><TypeCode>A</TypeCode>
            <Address><TypeCode>U</TypeCode><CountryCode>GB</CountryCode></Address></GoodsLocation>
          <TransportEquipment><SequenceNumeric>1</SequenceNumeric><ID>CSQU3054383</ID>
            <Seal><SequenceNumeric>1</SequenceNumeric><ID>12345</ID></Seal></TransportEquipment></Consignment>
        {goods}{references}
      </GoodsShipment></Declaration></md:MetaData>"""


class Folder:
    """A folder of messages, and what their import gives."""

    def __init__(self, path: Path) -> None:
        self.path = path / "in"
        self.path.mkdir()
        self.out = path / "out"
        self._count = 0

    def put(self, text: str | bytes, name: str = "") -> Path:
        self._count += 1
        path = self.path / (name or f"{self._count:02d}.xml")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def notify(
        self,
        function: str,
        at: str,
        mrn: str = MRN,
        lrn: str = "LRN1",
        version: str = "1",
        result: str = "",
        extra: str = "",
        reference: str = "",
    ) -> None:
        information = (
            f"<AdditionalInformation><StatementCode>{result}</StatementCode><StatementTypeCode>AFB</StatementTypeCode>"
            "</AdditionalInformation>"
            if result
            else ""
        )
        self.put(
            f"""<MetaData><WCOTypeName>RES</WCOTypeName><Response><FunctionCode>{function}</FunctionCode>
            <FunctionalReferenceID>{reference or f"ref{self._count}"}</FunctionalReferenceID>
            <IssueDateTime><DateTimeString formatCode="304">{at}</DateTimeString></IssueDateTime>
            {information}{extra}
            <Declaration><FunctionalReferenceID>{lrn}</FunctionalReferenceID><ID>{mrn}</ID>
            <VersionID>{version}</VersionID></Declaration>
            {"<Declaration><FunctionCode>9</FunctionCode>" + extra + "</Declaration>" if "Amendment" in extra else ""}
            </Response></MetaData>"""
        )

    def move(self, code: str, ucr: str, kind: str = "D", at: str = "") -> None:
        element = {"EAL": "goodsArrivalDateTime", "EDL": "goodsDepartureDateTime"}.get(code, "")
        moment = f"<{element}>{at}</{element}>" if at else ""
        self.put(
            """<i:inventoryLinkingMovementRequest xmlns:i="http://gov.uk/customs/inventoryLinking/v1">"""
            + f"""<messageCode>{code}</messageCode><ucrBlock><ucr>{ucr}</ucr><ucrType>{kind}</ucrType></ucrBlock>
            <goodsLocation>GBAULGWLGWLGW</goodsLocation>{moment}</i:inventoryLinkingMovementRequest>"""
        )

    def imported(self):
        return import_files([self.path], self.out)

    def kinds(self, reference: str = f"mrn:{MRN}") -> list[str]:
        return [each["kind"] for each in self.records(reference)]

    def records(self, reference: str = f"mrn:{MRN}") -> list[dict]:
        report = self.imported()
        assert report.refusals == []
        sequence = next(each for each in report.sequences if each.reference == reference)
        return [json.loads(line) for line in (self.out / sequence.file).read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# ------------------------------------------------------------------------------------------------------- declarations


def test_a_declaration_becomes_a_manifest_with_its_facts(folder: Folder) -> None:
    folder.put(declared(), "Step 1 (a).xml")
    report = folder.imported()
    (imported,) = report.manifests
    assert imported.manifest == "manifests/Step-1-a.json"
    data = (folder.out / imported.manifest).read_bytes()
    document = json.loads(data)
    assert check_bytes(data) == []
    assert document["basis"] == {"kind": "declaration", "type": "EXD", "function": "9", "lrn": "LRN1"}
    assert document["references"] == [
        {"scheme": "ducr", "category": "Z", "type": "DCR", "value": "5GB395784431192-A"}
    ]
    assert document["containers"] == [{"number": "CSQU3054383", "seals": ["12345"]}]
    assert document["containerised"] is True
    (item,) = document["goods"]
    assert item["hs"] == {"code": "460219", "edition": "2022"}
    assert item["packages"] == [{"count": 10, "type": "BX", "marks": "A/1"}]
    assert item["procedure"] == {"current": "10", "previous": "40", "additional": ["000"]}
    assert item["origin"] == "GB"


def test_masses_and_amounts_are_decimal_texts_in_one_spelling(folder: Folder) -> None:
    folder.put(declared())
    (imported,) = folder.imported().manifests
    (item,) = json.loads((folder.out / imported.manifest).read_text())["goods"]
    assert item["gross_mass_kg"] == "150"
    assert item["value"] == {"amount": "1000.1", "currency": "GBP"}
    assert item["statistical_value"] == {"amount": "600.5", "currency": "GBP"}
    assert item["documents"][0]["write_off"] == {"quantity": "4", "unit": "KGM#G"}


def test_duty_tax_and_guarantee_stay_out(folder: Folder) -> None:
    folder.put(declared())
    (imported,) = folder.imported().manifests
    text = (folder.out / imported.manifest).read_text()
    for fiscal in ("A00", "G1", "GBCGU1", "VATZ", "duty", "tax"):
        assert fiscal not in text
    assert [each["type"] for each in json.loads(text)["goods"][0]["documents"]] == ["935"]


def test_the_edition_follows_the_day_of_acceptance(folder: Folder) -> None:
    moment = (
        "<AcceptanceDateTime><p1:DateTimeString formatCode='304'>{}</p1:DateTimeString></AcceptanceDateTime>"
    )
    folder.put(declared("A", header=moment.format("20211231235959Z")))
    folder.put(declared("B", header=moment.format("20220101000000Z")))
    documents = [json.loads((folder.out / each.manifest).read_text()) for each in folder.imported().manifests]
    assert [each["goods"][0]["hs"]["edition"] for each in documents] == ["2017", "2022"]


def test_a_declaration_without_any_ucr_is_known_by_its_lrn(folder: Folder) -> None:
    folder.put(declared(references=""))
    (imported,) = folder.imported().manifests
    assert json.loads((folder.out / imported.manifest).read_text())["references"] == [
        {"scheme": "lrn", "value": "LRN1"}
    ]


def test_a_declaration_in_an_envelope_of_the_service_is_imported(folder: Folder) -> None:
    folder.put(
        f"<submitDeclarationRequest><requestDetail>{declared()}</requestDetail></submitDeclarationRequest>"
    )
    assert len(folder.imported().manifests) == 1


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("150", "150"),
        ("+0150.500", "150.5"),
        ("-0.0", "0"),
        ("-3.10", "-3.1"),
        ("00", "0"),
        ("", ""),
        ("1e3", "1e3"),
        ("1,5", "1,5"),
    ],
)
def test_a_decimal_has_one_spelling_and_what_is_none_is_kept(text: str, normal: str) -> None:
    assert decimal(text) == normal


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("20230526203214+01", "2023-05-26T19:32:14Z"),
        ("20230526203214Z", "2023-05-26T20:32:14Z"),
        ("20230526203214-0130", "2023-05-26T22:02:14Z"),
        ("202305262032", "2023-05-26T20:32:00Z"),
        ("20230526", "2023-05-26T00:00:00Z"),
        ("2024-01-25T09:31:47.047Z", "2024-01-25T09:31:47Z"),
        ("2025-05-09T16:16:40.040+01:00", "2025-05-09T15:16:40Z"),
    ],
)
def test_a_moment_is_read_with_its_zone(text: str, utc: str) -> None:
    assert rfc3339(parse_moment(text)) == utc


@pytest.mark.parametrize(
    "text", ["", "Wed Nov 13 00:00:00 UTC 2019", "20231332000000Z", "00000101", "99991231235959-99"]
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert parse_moment(text) is None


# ------------------------------------------------------------------------------------------------ notifications: table


def test_received_then_accepted_lodges_and_opens_once(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("02", "20240125093135Z")
    folder.notify("01", "20240125093151Z")
    lodge, opened = folder.records()
    assert (lodge["kind"], lodge["reason"], lodge["manifest"]) == ("LODGE", 0, "manifests/01.json")
    assert (opened["kind"], opened["party"]["role"], opened["manifest"]) == (
        "OPEN",
        "trader",
        "manifests/01.json",
    )
    assert opened["observed_at"] == 1706175095
    assert lodge["party"]["identifier"] == "GB427168118378"


def test_a_rejection_withdraws_what_was_lodged(folder: Folder) -> None:
    folder.notify("02", "20240125093135Z")
    folder.notify("03", "20240125093136Z")
    assert folder.kinds() == ["LODGE", "OPEN", "WITHDRAW"]


def test_a_rejection_of_what_was_never_lodged_is_nothing(folder: Folder) -> None:
    folder.notify("03", "20240125093136Z")
    assert folder.kinds() == []


def test_a_control_is_a_hold_and_a_satisfactory_result_lifts_it_before_the_release(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    folder.notify("05", "20240125090001Z")
    folder.notify("08", "20240125090002Z", result="A2")
    records = folder.records()
    assert [each["kind"] for each in records] == ["LODGE", "OPEN", "HOLD", "LIFT", "RELEASE"]
    assert records[3]["subject"] == 3
    assert records[4]["subject"] == 1
    assert records[4]["details"] == {
        "schema": "cargo-release/1",
        "procedure": "export",
        "procedure_codes": ["1040"],
        "outcome": "A2",
    }
    for each in records[2:]:
        assert check(each["details"]) == []


@pytest.mark.parametrize("result", ["B1", ""])
def test_a_result_that_is_not_satisfactory_releases_nothing_under_a_hold(folder: Folder, result: str) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify("05", "20240125090001Z")
    folder.notify("08", "20240125090002Z", result=result)
    assert folder.kinds() == ["LODGE", "OPEN", "HOLD"]
    assert any("no release follows" in str(each) for each in folder.imported().findings)


def test_a_result_that_is_not_satisfactory_releases_nothing_even_without_a_hold(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify("09", "20240125090002Z", result="B1")
    assert folder.kinds() == ["LODGE", "OPEN"]


NCTS = """<n:{name} xmlns:n="http://ncts.dgtaxud.ec"><messageSender>NTA.GB</messageSender>
<preparationDateAndTime>{at}</preparationDateAndTime><messageIdentification>{number}</messageIdentification>
<TransitOperation><LRN>LRN1</LRN><MRN>24GB0YUZI38FK68A00</MRN>{more}</TransitOperation>
<CustomsOfficeOfDeparture><referenceNumber>GB000060</referenceNumber></CustomsOfficeOfDeparture></n:{name}>"""


def test_transit_messages_hold_release_and_clear(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z")
    for minute, name in enumerate(("CC060C", "CC029C", "CC043C", "CC044C", "CC045C")):
        folder.put(NCTS.format(name=name, at=f"2024-01-25T10:{minute:02d}:00", number=minute, more=""))
    records = folder.records()
    assert [each["kind"] for each in records[2:]] == [
        "HOLD",
        "LIFT",
        "RELEASE",
        "REMARK",
        "REMARK",
        "CLEARANCE",
    ]
    assert records[4]["details"] == {
        "schema": "cargo-release/1",
        "procedure": "transit",
        "office": "GB000060",
    }


def test_a_transit_that_is_not_released_at_destination_is_no_release(folder: Folder) -> None:
    more = "<releaseIndicator>4</releaseIndicator>"
    folder.notify("01", "20240125090000Z")
    folder.put(NCTS.format(name="CC025C", at="2024-01-25T10:00:00", number=1, more=more))
    assert folder.kinds() == ["LODGE", "OPEN"]


@pytest.mark.parametrize("missing", ["MRN", "preparationDateAndTime"])
def test_a_transit_message_without_its_number_or_time_is_refused(folder: Folder, missing: str) -> None:
    folder.put(NCTS.format(name="CC029C", at="2024-01-25T10:00:00", number=1, more="").replace(missing, "x"))
    (refused,) = folder.imported().refusals
    assert missing in refused.reason


def test_documents_wanted_are_a_remark_with_the_limit_and_no_hold(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify(
        "06",
        "20240125090001Z",
        extra="<AdditionalInformation><LimitDateTime><DateTimeString formatCode='304'>20240508145535Z</DateTimeString>"
        "</LimitDateTime><StatementTypeCode>ACA</StatementTypeCode></AdditionalInformation>",
    )
    folder.notify("09", "20240125090002Z", result="A2")
    records = folder.records()
    assert [each["kind"] for each in records] == ["LODGE", "OPEN", "REMARK", "CLEARANCE"]
    assert records[2]["details"]["due"] == "2024-05-08T14:55:35Z"


AMENDMENT = """<Amendment><ChangeReasonCode>28</ChangeReasonCode>
  <Pointer><DocumentSectionCode>42A</DocumentSectionCode><TagID>146</TagID></Pointer></Amendment>
  <TotalPackageQuantity>12</TotalPackageQuantity>"""


def test_an_amendment_amends_and_the_manifest_has_the_new_values(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    folder.notify("07", "20240125090001Z", version="2", extra=AMENDMENT)
    folder.notify("09", "20240125090002Z", result="A2")
    records = folder.records()
    assert [each["kind"] for each in records] == ["LODGE", "OPEN", "AMEND", "CLEARANCE"]
    amend, clearance = records[2:]
    assert (amend["supersedes"], amend["reason"], clearance["subject"]) == (1, 2, 3)
    before, after = (json.loads((folder.out / records[i]["manifest"]).read_text()) for i in (0, 2))
    assert (before["totals"]["packages"], after["totals"]["packages"]) == (10, 12)
    assert (before["basis"].get("version"), after["basis"]["version"]) == (None, "2")
    assert after["goods"] == before["goods"]


@pytest.mark.parametrize(
    ("stated", "versions"), [(("", ""), ["2", "3"]), (("4", "9"), ["4", "9"]), (("1", "1"), ["2", "3"])]
)
def test_every_amendment_has_a_version_of_its_own_whatever_it_states(
    folder: Folder, stated, versions
) -> None:
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    for second, version in enumerate(stated):
        folder.notify("07", f"2024012509000{second + 1}Z", version=version)
    amendments = [each for each in folder.records() if each["kind"] == "AMEND"]
    assert [each["supersedes"] for each in amendments] == [1, 3]
    documents = [json.loads((folder.out / each["manifest"]).read_text()) for each in amendments]
    assert [each["basis"]["version"] for each in documents] == versions


def test_an_invalidation_withdraws_by_order_and_holds_what_was_released(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify("09", "20240125090001Z", result="A2")
    folder.notify("10", "20240125090002Z")
    records = folder.records()
    assert [each["kind"] for each in records] == ["LODGE", "OPEN", "CLEARANCE", "WITHDRAW", "HOLD"]
    assert (records[3]["reason"], records[3]["supersedes"]) == (5, 1)


def test_an_invalidation_of_what_was_not_released_only_withdraws(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify("10", "20240125090002Z")
    assert folder.kinds() == ["LODGE", "OPEN", "WITHDRAW"]


@pytest.mark.parametrize("function", ["01", "07", "10"])
def test_what_comes_after_a_withdrawal_changes_nothing(folder: Folder, function: str) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify("10", "20240125090001Z")
    folder.notify(function, "20240125090002Z")
    assert folder.kinds() == ["LODGE", "OPEN", "WITHDRAW"]


@pytest.mark.parametrize(("function", "kind"), [("07", "AMEND"), ("10", "WITHDRAW")])
def test_what_changes_a_lodging_of_another_batch_is_told_and_names_no_former_manifest(
    folder: Folder, function: str, kind: str
) -> None:
    folder.notify(function, "20240125090001Z")
    (record,) = folder.records()
    assert (record["kind"], record["supersedes"], record["manifest"]) == (kind, None, None)
    assert any("lodging is not in this batch" in str(each) for each in folder.imported().findings)


@pytest.mark.parametrize("function", ["11", "13", "14", "15", "18"])
def test_fiscal_messages_go_to_the_file_only(folder: Folder, function: str) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify(function, "20240125090001Z")
    assert folder.kinds() == ["LODGE", "OPEN"]
    assert folder.imported().sequences[0].fiscal == 1


def test_an_exit_is_a_departure_at_the_office_of_exit_at_the_time_of_the_movement(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    folder.move("EDL", "5GB395784431192-A", at="2024-01-25T09:32:04.004Z")
    folder.notify(
        "16",
        "20240126000000Z",
        extra="<AdditionalInformation><StatementDescription>GB000085</StatementDescription>"
        "<StatementTypeCode>CEX</StatementTypeCode></AdditionalInformation>"
        "<Status><EffectiveDateTime><DateTimeString formatCode='304'>20240125000000Z</DateTimeString>"
        "</EffectiveDateTime><NameCode>A1</NameCode></Status>",
    )
    *_, moved, left = folder.records()
    assert (moved["kind"], left["kind"]) == ("DEPARTURE", "DEPARTURE")
    assert moved["details"]["place"] == "GBLGW"
    assert left["details"] == {
        "schema": "cargo-passage/1",
        "office": "GB000085",
        "office_role": "exit",
        "outcome": "A1",
    }
    assert left["observed_at"] == moved["observed_at"] == 1706175124


def test_an_exit_without_a_movement_has_the_time_of_issue_not_midnight(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify("16", "20240125093207Z")
    assert folder.records()[-1]["observed_at"] == 1706175127


def test_another_agency_holds_and_lifts_its_own(folder: Folder) -> None:
    agency = "<AdditionalInformation><StatementDescription>Port health</StatementDescription></AdditionalInformation>"
    folder.notify("01", "20240125090000Z")
    folder.notify("50", "20240125090001Z", extra=agency)
    folder.notify("50", "20240125090002Z", extra=agency, result="A1")
    records = folder.records()
    assert [each["kind"] for each in records] == ["LODGE", "OPEN", "HOLD", "LIFT"]
    assert {each["party"]["role"] for each in records[2:]} == {"agency"}
    assert records[3]["subject"] == 3


@pytest.mark.parametrize("type_code", ["IMY", "IMZ", "IMQ"])
def test_a_supplementary_declaration_gives_manifest_records_only(folder: Folder, type_code: str) -> None:
    folder.put(declared(type_code=type_code))
    folder.notify("01", "20240125090000Z")
    folder.notify("05", "20240125090001Z")
    folder.notify("06", "20240125090001Z")
    folder.notify("50", "20240125090001Z")
    folder.notify("09", "20240125090002Z", result="A2")
    folder.notify("16", "20240125090002Z")
    folder.move("EAL", "5GB395784431192-A", at="2024-01-25T10:00:00Z")
    folder.notify("10", "20240125090003Z")
    assert folder.kinds() == ["LODGE", "WITHDRAW"]


def test_a_movement_of_a_master_reference_is_on_the_parent(folder: Folder) -> None:
    master = "<PreviousDocument><ID>A:85659360832</ID><TypeCode>MCR</TypeCode></PreviousDocument>"
    folder.put(declared(references=master))
    folder.notify("01", "20240125090000Z")
    folder.move("EAA", "A:85659360832", "M")
    folder.move("EDL", "A:85659360832", "M", at="2024-01-25T12:00:00Z")
    folder.move("EAL", "A:85659360832", "M", at="2024-01-25T10:00:00Z")
    folder.put(
        "<inventoryLinkingConsolidationRequest><messageCode>CST</messageCode><masterUCR>A:85659360832</masterUCR>"
        "</inventoryLinkingConsolidationRequest>"
    )
    assert folder.kinds("mucr:A:85659360832") == ["LODGE", "OPEN", "REMARK", "ARRIVAL", "DEPARTURE"]
    assert folder.kinds() == ["LODGE", "OPEN"]
    (master_manifest,) = folder.out.glob("manifests/master-*.json")
    assert check_bytes(master_manifest.read_bytes()) == []


@pytest.mark.parametrize(
    ("references", "at", "words"),
    [
        ("", "2024-01-25T12:00:00Z", "nothing in this batch names the master reference"),
        (
            "<PreviousDocument><ID>A:1</ID><TypeCode>MCR</TypeCode></PreviousDocument>",
            "",
            "says when anything moved",
        ),
    ],
)
def test_a_master_that_cannot_be_opened_from_the_batch_is_a_finding(
    folder: Folder, references: str, at: str, words: str
) -> None:
    folder.put(declared(references=references))
    folder.move("EAL", "A:1", "M", at=at)
    assert folder.kinds("mucr:A:1") == (["ARRIVAL"] if at else [])
    assert any(words in str(each) for each in folder.imported().findings)


def test_a_movement_of_an_unknown_kind_is_a_finding(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    folder.move("XYZ", "5GB395784431192-A")
    assert folder.kinds() == ["LODGE", "OPEN"]
    assert any("movement code XYZ" in str(each) for each in folder.imported().findings)


def test_an_association_is_a_consolidation_into_the_master(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    folder.put(
        "<inventoryLinkingConsolidationRequest><messageCode>EAC</messageCode><masterUCR>A:85659360832</masterUCR>"
        "<ucrBlock><ucr>5GB395784431192-A</ucr><ucrType>D</ucrType></ucrBlock></inventoryLinkingConsolidationRequest>"
    )
    records = folder.records()
    assert [each["kind"] for each in records] == ["LODGE", "OPEN", "CONSOLIDATE"]
    assert records[2]["details"] == {"schema": "cargo-consolidation/1", "reference": "mucr:A:85659360832"}


def test_a_presentation_of_goods_arrives_after_the_acceptance_it_led_to(folder: Folder) -> None:
    folder.put(declared())
    folder.put(
        f"{HEAD}<Declaration><FunctionCode>13</FunctionCode><FunctionalReferenceID>LRN1</FunctionalReferenceID>"
        f"<ID>{MRN}</ID><TypeCode>GPR</TypeCode><Submitter><ID>XI553202734852</ID></Submitter></Declaration></md:MetaData>"
    )
    folder.notify("02", "20240125090000Z")
    folder.notify("01", "20240125090005Z")
    records = folder.records()
    assert [each["kind"] for each in records] == ["LODGE", "OPEN", "ARRIVAL"]
    assert records[2]["party"]["identifier"] == "XI553202734852"


def test_an_opening_names_the_best_reference_that_is_stated(folder: Folder) -> None:
    ucr = "<UCR><TraderAssignedReferenceID>6sg 2019-7</TraderAssignedReferenceID></UCR>"
    folder.put(declared())
    folder.put(declared("LRN2", references=ucr))
    folder.notify("01", "20240125090000Z")
    folder.notify("01", "20240125090000Z", mrn=OTHER_MRN, lrn="LRN2")
    folder.notify("01", "20240125090000Z", mrn="22GB5PAB6M5UPWCAR1", lrn="LRN3")
    references = [
        folder.records(f"mrn:{mrn}")[1]["trade_reference"] for mrn in (MRN, OTHER_MRN, "22GB5PAB6M5UPWCAR1")
    ]
    assert references == ["ducr:5GB395784431192-A", "ucr:6SG2019-7", "mrn:22GB5PAB6M5UPWCAR1"]


def test_a_movement_in_the_gateways_envelope_is_read(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    folder.move("EAL", "5GB395784431192-A", at="2024-01-25T10:00:00Z")
    bare = (folder.path / "03.xml").read_text()
    (folder.path / "03.xml").write_text(f"<Inbound><requestDetail>{bare}</requestDetail></Inbound>")
    assert folder.kinds() == ["LODGE", "OPEN", "ARRIVAL"]


@pytest.mark.parametrize(
    ("departure", "is_odd"), [("2024-01-25T10:00:00Z", True), ("2024-01-27T10:00:00Z", False)]
)
def test_a_departure_from_a_place_the_day_before_the_arrival_there_is_a_finding(
    folder: Folder, departure: str, is_odd: bool
) -> None:
    folder.move("EDL", "5GB395784431192-A", at=departure)
    folder.move("EAL", "5GB395784431192-A", at="2024-01-26T10:00:00Z")
    assert any("before they arrive there" in str(each) for each in folder.imported().findings) == is_odd


def test_goods_that_depart_before_they_arrive_are_a_finding(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("01", "20240120090000Z")
    folder.move("EAL", "5GB395784431192-A", at="2024-01-26T10:00:00Z")
    folder.notify("16", "20240126120000Z")
    folder.move("EDL", "5GB395784431192-A", at="2024-01-25T10:00:00Z")
    assert any("before they arrive" in str(each) for each in folder.imported().findings)


# ------------------------------------------------------------------------------------------------ order and belonging


def test_at_equal_times_the_order_is_the_tables_not_the_files(folder: Folder) -> None:
    for function in ("09", "07", "05", "13", "01", "02"):
        folder.notify(function, "20240125090000Z", result="A2" if function == "09" else "")
    assert folder.kinds() == ["LODGE", "OPEN", "HOLD", "AMEND", "LIFT", "CLEARANCE"]
    assert folder.imported().sequences[0].messages == ("02", "01", "13", "05", "07", "09")


def test_the_zone_decides_the_order_not_the_digits(folder: Folder) -> None:
    folder.notify("09", "20240125100001+01", result="A2")
    folder.notify("01", "20240125090000Z")
    assert folder.kinds() == ["LODGE", "OPEN", "CLEARANCE"]


def test_a_repeated_message_counts_once(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z", reference="same")
    folder.notify("05", "20240125090001Z", reference="control")
    folder.notify("05", "20240125090001Z", reference="control")
    assert folder.kinds() == ["LODGE", "OPEN", "HOLD"]
    assert folder.imported().sequences[0].repeated == 1


def test_two_mrns_in_one_folder_go_each_their_own_way_and_are_a_finding(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify("05", "20240125090001Z", mrn=OTHER_MRN)
    report = folder.imported()
    assert [each.kinds for each in report.sequences] == [("HOLD",), ("LODGE", "OPEN")]
    assert any("about 2 declarations" in str(each) for each in report.findings)
    assert any("neither received nor accepted" in str(each) for each in report.findings)


def test_a_foreign_lrn_is_a_finding_and_links_nothing(folder: Folder) -> None:
    folder.put(declared("LRN1"))
    folder.notify("01", "20240125090000Z", lrn="ANOTHER")
    assert folder.records()[0]["manifest"] is None
    assert any("has the LRN ANOTHER" in str(each) for each in folder.imported().findings)


def test_of_two_declarations_with_one_lrn_the_nearer_folder_decides(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for name in ("a", "b"):
        (folder.path / name / "notes").mkdir(parents=True)
        folder.put(declared(), f"{name}/{name}.xml")
    folder.notify("01", "20240125090000Z")
    (folder.path / "03.xml").rename(folder.path / "b/notes/03.xml")
    assert folder.records()[0]["manifest"] == "manifests/b.json"


def test_of_two_declarations_with_one_lrn_in_one_folder_none_is_taken(folder: Folder) -> None:
    folder.put(declared())
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    assert folder.records()[0]["manifest"] is None
    assert any("several declarations have the LRN" in str(each) for each in folder.imported().findings)


def test_an_unknown_function_code_is_a_finding(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z")
    folder.notify("77", "20240125090001Z")
    assert folder.kinds() == ["LODGE", "OPEN"]
    assert any("function code 77" in str(each) for each in folder.imported().findings)


# ------------------------------------------------------------------------------------------------------------ requests


def test_a_request_for_invalidation_states_no_goods_and_is_no_refusal(folder: Folder) -> None:
    folder.put(
        f"{HEAD}<Declaration><FunctionCode>13</FunctionCode><FunctionalReferenceID>R1</FunctionalReferenceID>"
        f"<ID>{MRN}</ID><TypeCode>INV</TypeCode></Declaration></md:MetaData>"
    )
    report = folder.imported()
    assert (len(report.requests), report.manifests, report.refusals) == (1, [], [])


def test_a_requested_amendment_is_laid_over_the_declaration_it_amends(folder: Folder) -> None:
    folder.put(declared())
    folder.put(
        f"{HEAD}<Declaration><FunctionCode>13</FunctionCode><FunctionalReferenceID>R1</FunctionalReferenceID>"
        f"<ID>{MRN}</ID><TypeCode>COR</TypeCode>{AMENDMENT}</Declaration></md:MetaData>"
    )
    folder.notify("01", "20240125090000Z")
    report = folder.imported()
    documents = [json.loads((folder.out / each.manifest).read_text()) for each in report.manifests]
    assert [each["totals"]["packages"] for each in documents] == [10, 12]
    assert [each["basis"]["function"] for each in documents] == ["9", "13"]


def _declaration(goods: str) -> xml_source.Node:
    return xml_source.parse(declared(goods=goods).encode(), "x").first("Declaration")


def _pointer(*steps: tuple[str, int], tag: str = "") -> str:
    pointers = "".join(
        f"<Pointer><SequenceNumeric>{number}</SequenceNumeric><DocumentSectionCode>{section}</DocumentSectionCode>"
        f"{f'<TagID>{tag}</TagID>' if tag and (section, number) == steps[-1] else ''}</Pointer>"
        for section, number in steps
    )
    return f"<A><Amendment><ChangeReasonCode>30</ChangeReasonCode>{pointers}</Amendment></A>"


def _changes(text: str):
    return changes(xml_source.parse(text.encode(), "x").all("Amendment"))


def test_an_item_that_is_named_and_not_stated_is_deleted() -> None:
    base = _declaration(GOODS.format(number=1) + GOODS.format(number=2))
    after = amended(base, None, _changes(_pointer(("42A", 1), ("67A", 1), ("68A", 1))))
    assert [each["sequence"] for each in manifest(declaration(after))["goods"]] == [2]
    assert len(manifest(declaration(base))["goods"]) == 2


def test_an_item_that_is_new_is_added() -> None:
    base, stated = _declaration(GOODS.format(number=1)), _declaration(GOODS.format(number=2))
    after = amended(base, stated, _changes(_pointer(("42A", 1), ("67A", 1), ("68A", 2))))
    assert [each["sequence"] for each in manifest(declaration(after))["goods"]] == [1, 2]


def test_one_value_of_an_item_is_replaced_or_taken_away() -> None:
    base = _declaration(GOODS.format(number=1))
    stated = _declaration(GOODS.format(number=1).replace("00150.0", "175"))
    path = (("42A", 1), ("67A", 1), ("68A", 1), ("23A", 1), ("65A", 1))
    after = amended(base, stated, _changes(_pointer(*path, tag="126")))
    assert manifest(declaration(after))["goods"][0]["gross_mass_kg"] == "175"
    gone = amended(base, None, _changes(_pointer(*path, tag="126")))
    assert "gross_mass_kg" not in manifest(declaration(gone))["goods"][0]


@pytest.mark.parametrize(("section", "tag"), [("ZZZ", ""), ("67A", "999")])
def test_a_section_or_tag_that_is_not_known_changes_nothing(section: str, tag: str) -> None:
    base = _declaration(GOODS.format(number=1))
    (change,) = _changes(_pointer(("42A", 1), ("67A", 1), (section, 1), tag=tag))
    assert not change.is_known
    assert manifest(declaration(amended(base, None, [change]))) == manifest(declaration(base))


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"", "line 1, column 1", "not well-formed"),
        (b'{"a": 1}', "line 1, column 1", "not well-formed"),
        (b"<a><b></a>", "line 1, column 9", "not well-formed XML: mismatched tag"),
        (b"<!DOCTYPE a><a/>", "line 1", "document type declaration"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "line 1", "document type declaration"),
        (b"<a>&b;</a>", "line 1, column 4", "undefined entity"),
        (b"<a>" * 65, "line 1", "nest deeper"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "line 1", "unknown encoding"),
        (b"\n <html/>", "line 2, column 2", "no declaration and no notification: its root element is html"),
        (b"<MetaData><Response/></MetaData>", "line 1, column 11", "names no declaration"),
        (b"<MetaData><Declaration/></MetaData>", "line 1, column 11", "states nothing"),
        (
            b'<MetaData><Declaration xmlns="urn:x"/></MetaData>',
            "line 1, column 11",
            "unknown namespace urn:x",
        ),
        (
            b'<mdMetaData xmlns="urnwco"><Declaration/></mdMetaData>',
            "line 1, column 1",
            "lost the colons after their prefixes",
        ),
        (b"<inventoryLinkingMovementRequest/>", "line 1, column 1", "names no declaration (MRN) and no UCR"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name_and_place_and_the_rest_goes_on(
    folder: Folder, data: bytes, place: str, words: str
) -> None:
    bad = folder.put(data, "bad.xml")
    folder.put(declared())
    report = folder.imported()
    (refused,) = report.refusals
    assert refused.file == str(bad)
    assert refused.place.startswith(place)
    assert words in refused.reason
    assert str(refused) == f"{bad}, {refused.place}: {refused.reason}."
    assert len(report.manifests) == 1


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("IssueDateTime", "no time of issue"),
        ("FunctionCode", "no function code"),
        ("ID", "names no declaration"),
    ],
)
def test_a_notification_without_what_orders_it_is_refused(folder: Folder, missing: str, words: str) -> None:
    folder.notify("01", "20240125090000Z")
    whole = (folder.path / "01.xml").read_text()
    folder.put(whole.replace(f"<{missing}>", "<X>").replace(f"</{missing}>", "</X>"), "bad.xml")
    (refused,) = folder.imported().refusals
    assert words in refused.reason


def test_a_declaration_without_goods_is_refused_and_one_without_any_reference_too(folder: Folder) -> None:
    folder.put(declared(goods=""), "no-goods.xml")
    folder.put(declared(lrn="", references=""), "no-reference.xml")
    reasons = {Path(each.file).name: each.reason for each in folder.imported().refusals}
    assert "without any goods item" in reasons["no-goods.xml"]
    assert "states no reference at all" in reasons["no-reference.xml"]


def test_a_file_over_the_limit_is_refused_before_it_is_read(folder: Folder, monkeypatch) -> None:
    path = folder.path / "huge.xml"
    with path.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it was opened"))
    (refused,) = import_files([path], folder.out).refusals
    assert "104,857,600 bytes, over the limit" in refused.reason


def test_a_file_of_more_elements_than_the_limit_is_refused(folder: Folder, monkeypatch) -> None:
    monkeypatch.setattr(xml_source, "MAX_ELEMENTS", 10)
    folder.put("<a>" + "<b/>" * 10 + "</a>")
    (refused,) = folder.imported().refusals
    assert "more than 10 elements" in refused.reason


def test_a_file_that_is_not_there_is_refused_with_the_reason(folder: Folder) -> None:
    (refused,) = import_files([folder.path / "none.xml"], folder.out).refusals
    assert "No such file" in refused.reason


def test_a_manifest_that_cannot_be_committed_to_is_refused(folder: Folder) -> None:
    statement = "<AdditionalInformation><StatementCode>{}</StatementCode></AdditionalInformation>"
    many = "".join(statement.format(i) for i in range(10_001))
    folder.put(declared(header=many))
    report = folder.imported()
    assert "cannot be committed to" in report.refusals[0].reason
    assert report.manifests == []


def test_an_output_folder_that_cannot_be_written_is_an_error(folder: Folder) -> None:
    folder.put(declared())
    folder.out.write_text("a file")
    with pytest.raises(InvalidDeclaration, match="cannot be written"):
        folder.imported()


def test_nothing_half_written_is_left_behind(folder: Folder, monkeypatch) -> None:
    folder.put(declared())
    folder.imported()
    before = {path: path.read_bytes() for path in folder.out.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InvalidDeclaration, match="No space left"):
        folder.imported()
    assert {path: path.read_bytes() for path in folder.out.rglob("*") if path.is_file()} == before


def test_a_second_run_writes_the_same(folder: Folder) -> None:
    folder.put(declared())
    folder.notify("01", "20240125090000Z")
    folder.imported()
    before = {path: path.read_bytes() for path in folder.out.rglob("*") if path.is_file()}
    folder.imported()
    assert {path: path.read_bytes() for path in folder.out.rglob("*") if path.is_file()} == before


def test_progress_is_told_after_every_file(folder: Folder) -> None:
    folder.put(declared())
    folder.put("<a")
    told: list[tuple[int, int]] = []
    import_files([folder.path], folder.out, lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_name_with_a_path_in_it_stays_inside_the_output_folder(folder: Folder) -> None:
    folder.notify("01", "20240125090000Z", mrn="../../../24GB")
    (sequence,) = folder.imported().sequences
    assert (folder.out / sequence.file).resolve().is_relative_to(folder.out.resolve())


@given(st.binary(max_size=300))
def test_whatever_bytes_come_only_our_own_error_is_raised(data: bytes) -> None:
    try:
        xml_source.parse(data, "x")
    except LedgerError:
        pass


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=12))
def test_whatever_a_declaration_states_a_manifest_or_a_reason_comes(
    tmp_path_factory, lrn, name, quantity
) -> None:
    folder = Folder(tmp_path_factory.mktemp("batch"))
    text = declared(escape(lrn), header=f"<Exporter><Name>{escape(name)}</Name></Exporter>").replace(
        "<QuantityQuantity>10<", f"<QuantityQuantity>{escape(quantity)}<"
    )
    folder.put(text.encode("utf-8", "surrogatepass"))
    report = folder.imported()
    assert len(report.manifests) + len(report.refusals) == 1
    for each in report.manifests:
        assert not [
            f for f in check_bytes((folder.out / each.manifest).read_bytes()) if f.severity == "error"
        ]
