"""What holds of each deployable contract: who rules it, what ends it, which network it is bound to."""

import pytest

from ledger.core.records import Domain

CONTRACTS = ["AdministrationRegistry", "ManifestLog", "ConsignmentLedger"]
IMMUTABLES = {
    "AdministrationRegistry": ["genesisHash", "manifestLog", "consignmentLedger"],
    "ManifestLog": ["genesisHash", "registry", "consignmentLedger"],
    "ConsignmentLedger": ["genesisHash", "registry", "manifestLog"],
}


@pytest.fixture
def deployed(network):
    return dict(zip(CONTRACTS, (network.registry, network.log, network.ledger), strict=True))


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_contract_says_who_rules_it_and_what_ends_it(project, name):
    devdoc = getattr(project, name).contract_type.devdoc
    assert len(devdoc["custom:authority"].split()) > 5
    assert devdoc["custom:kill"].startswith("None")


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_contract_is_bound_to_its_network_and_its_sisters(network, deployed, name):
    expected = {
        "genesisHash": network.genesis_hash,
        "registry": network.registry.address,
        "manifestLog": network.log.address,
        "consignmentLedger": network.ledger.address,
    }
    for getter in IMMUTABLES[name]:
        assert getattr(deployed[name], getter)() == expected[getter]


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_code_itself_holds_what_it_is_bound_to(chain, network, deployed, name):
    code = bytes(chain.provider.get_code(deployed[name].address))
    assert network.genesis_hash in code
    for sister in deployed.values():
        if sister is not deployed[name]:
            assert bytes.fromhex(sister.address[2:]) in code


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_contract_signs_in_its_own_domain(network, deployed, name):
    contract = deployed[name]
    here = Domain(network.chain_id, bytes.fromhex(contract.address[2:]))
    assert contract.domainSeparator() == here.separator


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_event_begins_with_its_number(project, name):
    for event in getattr(project, name).contract_type.events:
        assert (event.inputs[0].name, event.inputs[0].type, event.inputs[0].indexed) == (
            "sequence",
            "uint64",
            False,
        )


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_contract_takes_money_or_calls_it_his_own(project, name):
    abi = getattr(project, name).contract_type
    assert abi.fallback is None and getattr(abi, "receive", None) is None
    assert not [method.name for method in abi.mutable_methods if method.stateMutability == "payable"]
    assert not {"owner", "transferOwnership", "pause", "upgradeTo", "admin"} & {
        method.name for method in (*abi.mutable_methods, *abi.view_methods)
    }
