"""Compile the contracts and write what the library needs of them to `ledger/abi`.

The wheel ships interfaces, bytecode and storage layout, so that nothing at run time needs a compiler or Ape. The
settings are read from `ape-config.yaml`, but for one: the bytecode carries no hash of the sources' metadata, so that
it depends on the code alone and a comment changes nothing. The compiler's node numbers, which change with any other
file, are left out.

    python scripts/export_abi.py            write the files
    python scripts/export_abi.py --check    exit 1 if a file is missing or stale, and say which
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("SOLCX_BINARY_PATH", str(ROOT / "solc"))

import solcx  # noqa: E402  (it reads SOLCX_BINARY_PATH as it is imported)
import yaml  # type: ignore[import-untyped]  # noqa: E402

CONTRACTS = ("AdministrationRegistry", "ManifestLog", "ConsignmentLedger")


def main() -> int:
    """Write the files, or with `--check` compare them.

    Returns:
        The exit code: 0 done or fresh, 1 stale.
    """
    parser = argparse.ArgumentParser(description="Write ledger/abi from the contracts.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    parser.add_argument("--out", type=Path, default=ROOT / "ledger" / "abi", help="folder to write to")
    arguments = parser.parse_args()
    stale = []
    for name, text in exported().items():
        path = arguments.out / f"{name}.json"
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path))
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for path_text in stale:
        print(f"{path_text}: {'stale, run scripts/export_abi.py' if arguments.check else 'written'}")
    return 1 if arguments.check and stale else 0


def exported() -> dict[str, str]:
    """Compile the deployable contracts.

    Returns:
        The text of each file in `ledger/abi`, by contract name.
    """
    solidity = yaml.safe_load((ROOT / "ape-config.yaml").read_text())["solidity"]
    # What is imported from node_modules the `solc` command finds by itself.
    sources = sorted((ROOT / "contracts").rglob("*.sol"))
    output = solcx.compile_standard(
        {
            "language": "Solidity",
            "sources": {str(path.relative_to(ROOT)): {"content": path.read_text()} for path in sources},
            "settings": {
                "remappings": solidity["import_remapping"],
                "optimizer": {"enabled": solidity["optimize"], "runs": solidity["optimization_runs"]},
                "evmVersion": solidity["evm_version"],
                "metadata": {"bytecodeHash": "none"},
                "outputSelection": {
                    "*": {
                        "": ["ast"],
                        "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode", "storageLayout"],
                    }
                },
            },
        },
        solc_version=solidity["version"],
    )
    for warning in output.get("errors", []):
        if warning["sourceLocation"]["file"].startswith("contracts/"):
            print(warning["formattedMessage"], file=sys.stderr)
    return {name: json.dumps(_artifact(name, output), indent=1) + "\n" for name in CONTRACTS}


def _artifact(name: str, output: dict[str, Any]) -> dict[str, Any]:
    path = f"contracts/{name}.sol"
    compiled = output["contracts"][path][name]
    deployed = compiled["evm"]["deployedBytecode"]
    names = {node["id"]: node["name"] for node in _variables(output["sources"][path]["ast"], name)}
    return {
        "contractName": name,
        "abi": sorted(compiled["abi"], key=_abi_order),
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutableReferences": {
            names[int(node)]: places for node, places in sorted(deployed["immutableReferences"].items())
        },
        "storageLayout": _without_node_numbers(compiled["storageLayout"]),
    }


def _variables(ast: dict[str, Any], name: str) -> list[dict[str, Any]]:
    contract = next(node for node in ast["nodes"] if node.get("name") == name)
    return [node for node in contract["nodes"] if node["nodeType"] == "VariableDeclaration"]


def _abi_order(item: dict[str, Any]) -> tuple[str, str, str]:
    return item["type"], item.get("name", ""), json.dumps(item.get("inputs", []))


def _without_node_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name not in ("astId", "contract")}
        return {_plain(name): _without_node_numbers(item) for name, item in kept.items()}
    if isinstance(value, list):
        return [_without_node_numbers(item) for item in value]
    return _plain(value) if isinstance(value, str) else value


def _plain(type_name: str) -> str:
    return re.sub(r"(t_(?:struct|enum|contract)\(\w+\))\d+", r"\1", type_name)


if __name__ == "__main__":
    sys.exit(main())
