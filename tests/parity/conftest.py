"""Parity tests stand on the same network as the contract tests: their fixtures, taken over as they are."""

import importlib.util
import sys
from pathlib import Path

_path = Path(__file__).parent.parent / "contracts" / "conftest.py"
_spec = importlib.util.spec_from_file_location("contracts_conftest", _path)
_module = importlib.util.module_from_spec(_spec)
sys.modules["contracts_conftest"] = _module  # dataclasses look their module up
_spec.loader.exec_module(_module)
globals().update({name: value for name, value in vars(_module).items() if not name.startswith("__")})
