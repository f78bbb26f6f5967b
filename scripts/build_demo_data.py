"""Make the demo's examples from real declarations: facts of a dozen of HMRC's, imported by our own importer.

python scripts/build_demo_data.py           write scripts/demo_data/
python scripts/build_demo_data.py --check   exit 1 if a file is not what would be written (skipped, and said so,
                                            where the declarations are missing)
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from ledger.importing.hmrc_cds import import_files

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = (
    ROOT.parent / "shared/conformance/4-messages/hmrc-cds/public/api/conf/3.0/examples/annotated_XML_samples"
)
TARGET = ROOT / "scripts" / "demo_data"
EXAMPLES = {  # scenario folder: name of the example
    "TT_IM001a": "import-free-circulation",
    "TT_IM017a": "import-under-control",
    "TT_IM074a": "import-simplified",
    "TT_IM012a": "warehousing",
    "TT_IM146a": "inward-processing",
    "TT_IM226a": "temporary-admission",
    "TT_IM094a": "re-import",
    "TT_IM089a": "supplementary",
    "TT_IM168a": "import-former-hs-code",
    "TT_EX015a": "export-excise-goods",
    "TT_EX026a": "export-consolidated",
    "TT_EX049a": "outward-processing",
    "TT_EX051a": "re-export",
}


def examples() -> dict[str, str]:
    """Every file of the demo's data: name and text."""
    found: dict[str, str] = {}
    here = Path.cwd()
    # The records name their source files: from the samples' folder these are the same on every machine.
    os.chdir(SAMPLES)
    try:
        for folder, name in EXAMPLES.items():
            with tempfile.TemporaryDirectory() as out:
                report = import_files([Path(folder)], Path(out))
                lodged = next(each for each in report.manifests if "Amendment" not in each.source)
                found[f"{name}.json"] = _readable(Path(out) / lodged.manifest)
                for each in sorted((Path(out) / "manifests").glob("*-v[0-9].json")):
                    found[f"{name}-{each.stem.rpartition('-')[2]}.json"] = _readable(each)
                for each in (Path(out) / "manifests").glob("master-*.json"):
                    found[f"{name}-master.json"] = _readable(each)
                for sequence in report.sequences:
                    if sequence.kinds:
                        kind = "" if sequence.reference.startswith("mrn:") else "-movements"
                        text = (Path(out) / sequence.file).read_text(encoding="utf-8")
                        found[f"{name}{kind}.ndjson"] = _named(text, name)
    finally:
        os.chdir(here)
    return found


def _readable(path: Path) -> str:
    return (
        json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
    )


def _named(text: str, name: str) -> str:
    """The records with the manifests' names of this folder instead of the importer's."""
    lines = []
    for line in text.splitlines():
        record = json.loads(line)
        file = record.get("manifest")
        if file:
            version = file.removesuffix(".json").rpartition("-")[2]
            suffix = f"-{version}" if version[:1] == "v" and version[1:].isdigit() else ""
            record["manifest"] = f"{name}{'-master' if 'master-' in file else suffix}.json"
        lines.append(json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the examples; see the module docstring."""
    if not SAMPLES.is_dir():
        print(f"skipped: the declarations are not at {SAMPLES}")
        return 0
    wanted = examples()
    stale = [
        name
        for name, text in wanted.items()
        if not (TARGET / name).exists() or (TARGET / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        if stale:
            print(f"not current: {', '.join(stale)}; run scripts/build_demo_data.py")
        return 1 if stale else 0
    TARGET.mkdir(exist_ok=True)
    for name in stale:
        (TARGET / name).write_text(wanted[name], encoding="utf-8")
    print(f"{len(stale)} of {len(wanted)} files written to {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
