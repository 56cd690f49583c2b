"""The run folder: ``store`` writes it (one writer), ``reader`` reads it without torch, ``schema`` is what both know.

``scores`` adds what the deciding metric is the mean of, when the comparison is over.
"""

from __future__ import annotations

from harness.plugin.contracts.records import Records
from harness.records.reader import FolderRecords, open_records
from harness.records.scores import write_scores
from harness.records.store import Store

__all__ = ["FolderRecords", "Records", "Store", "open_records", "write_scores"]
