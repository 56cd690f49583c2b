"""What is written down: the run folder, which one process writes and any number read without torch.

Begin with ``schema``, which has every table and every path; ``store`` writes them, ``reader`` reads them, and ``files`` is the
one way in which a file is written. ``scores`` adds what the deciding metric is the mean of, when the comparison is over.
"""

from __future__ import annotations

from harness.plugin.contracts.records import Records
from harness.records.reader import FolderRecords, open_records
from harness.records.scores import write_scores
from harness.records.store import Store

__all__ = ["FolderRecords", "Records", "Store", "open_records", "write_scores"]
