"""The analyses are tested on the records that the reports' tests make up."""

from __future__ import annotations

import importlib.util
from pathlib import Path

FILE = Path(__file__).parents[2] / "reports" / "conftest.py"
spec = importlib.util.spec_from_file_location("made_up_records", FILE)
assert spec
assert spec.loader
made_up = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made_up)
make_records, spoiled, scored, analysed = made_up.make_records, made_up.spoiled, made_up.scored, made_up.analysed
