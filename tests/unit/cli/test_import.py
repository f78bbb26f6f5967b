"""`import hmrc-cds` on the command line: what can be used is written, what cannot is named, and the rest goes on."""

import json

import pytest

DECLARATION = """<md:MetaData xmlns:md="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2">
<Declaration xmlns="urn:wco:datamodel:WCO:DEC-DMS:2">
  <FunctionCode>9</FunctionCode><FunctionalReferenceID>LRN1</FunctionalReferenceID><TypeCode>EXD</TypeCode>
  <GoodsShipment>
    <PreviousDocument><CategoryCode>Z</CategoryCode><ID>5GB395784431192-A</ID><TypeCode>DCR</TypeCode></PreviousDocument>
    <GovernmentAgencyGoodsItem><SequenceNumeric>1</SequenceNumeric>
      <Commodity><Description>Converters</Description></Commodity>
    </GovernmentAgencyGoodsItem>
  </GoodsShipment>
</Declaration></md:MetaData>"""


@pytest.fixture
def declaration(tmp_path):
    path = tmp_path / "declaration.xml"
    path.write_text(DECLARATION)
    return path


def test_a_declaration_becomes_a_manifest_that_can_be_checked_and_committed_to(cargo_ledger, declaration):
    result = cargo_ledger("import", "hmrc-cds", declaration, "--out", "imported", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    [made] = report["manifests"]
    assert (made["type_code"], made["lrn"], report["refusals"]) == ("EXD", "LRN1", [])
    path = f"imported/{made['manifest']}"
    assert cargo_ledger("manifest", "check", path).exit_code == 0
    assert cargo_ledger("manifest", "commit", path, "--json").exit_code == 0
    said = cargo_ledger("import", "hmrc-cds", declaration, "--out", "again").stdout
    assert "1 file read: 1 manifest, 0 files of records" in said


def test_what_cannot_be_used_is_refused_by_name_and_the_rest_goes_on(cargo_ledger, declaration, tmp_path):
    (tmp_path / "none.xml").write_text("no xml")
    (tmp_path / "entity.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    files = (declaration, "none.xml", "entity.xml")
    result = cargo_ledger("import", "hmrc-cds", *files, "--out", "imported", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert len(report["manifests"]) == 1
    assert [each["file"] for each in report["refusals"]] == ["none.xml", "entity.xml"]
    said = cargo_ledger("import", "hmrc-cds", *files, "--out", "again").stdout
    assert "Refused: none.xml, line 1, column " in said
    assert "2 refused. Written to again." in said


def test_a_missing_file_is_wrong_usage_and_nothing_is_written(cargo_ledger, tmp_path):
    result = cargo_ledger("import", "hmrc-cds", "missing.xml", "--out", "imported")
    assert result.exit_code == 2
    assert "missing.xml" in result.stderr
    assert not (tmp_path / "imported").exists()
