"""harness: honest comparison of training algorithms.

Everything a plugin needs is imported from here and from nowhere deeper. A name that is imported as itself is public.
The names of rooms that take long to import are in ``_LAZY``, and are looked up when they are first used.
"""

import importlib
import typing

from harness.console import numbers as numbers
from harness.errors import DataError as DataError
from harness.errors import Diverged as Diverged
from harness.errors import HarnessError as HarnessError
from harness.errors import PluginError as PluginError
from harness.plugin.contracts import Analysis as Analysis
from harness.plugin.contracts import Backbone as Backbone
from harness.plugin.contracts import Catalogue as Catalogue
from harness.plugin.contracts import Data as Data
from harness.plugin.contracts import DataRequest as DataRequest
from harness.plugin.contracts import Dataset as Dataset
from harness.plugin.contracts import Download as Download
from harness.plugin.contracts import Executor as Executor
from harness.plugin.contracts import Listener as Listener
from harness.plugin.contracts import ListenerRequest as ListenerRequest
from harness.plugin.contracts import Metric as Metric
from harness.plugin.contracts import Occurrence as Occurrence
from harness.plugin.contracts import Opening as Opening
from harness.plugin.contracts import Optimizer as Optimizer
from harness.plugin.contracts import Parts as Parts
from harness.plugin.contracts import Photo as Photo
from harness.plugin.contracts import Probe as Probe
from harness.plugin.contracts import Records as Records
from harness.plugin.contracts import Report as Report
from harness.plugin.contracts import Results as Results
from harness.plugin.contracts import RunningExecutor as RunningExecutor
from harness.plugin.contracts import Schedule as Schedule
from harness.plugin.contracts import Scheduler as Scheduler
from harness.plugin.contracts import Several as Several
from harness.plugin.contracts import Split as Split
from harness.plugin.contracts import Staffing as Staffing
from harness.plugin.contracts import Task as Task
from harness.plugin.contracts import Weights as Weights
from harness.plugin.contracts import Workbench as Workbench
from harness.plugin.contracts import Workloads as Workloads
from harness.plugin.hookspecs import hookimpl as hookimpl
from harness.plugin.meta import Deciding as Deciding
from harness.plugin.meta import Meta as Meta
from harness.plugin.meta import sign_of as sign_of
from harness.plugin.runs import Arm as Arm
from harness.plugin.runs import Done as Done
from harness.plugin.runs import Epoch as Epoch
from harness.plugin.runs import Event as Event
from harness.plugin.runs import Failed as Failed
from harness.plugin.runs import Interrupted as Interrupted
from harness.plugin.runs import Job as Job
from harness.plugin.runs import Measured as Measured
from harness.plugin.runs import Measurement as Measurement
from harness.plugin.runs import Run as Run
from harness.plugin.runs import State as State
from harness.plugin.runs import digest as digest

if typing.TYPE_CHECKING:
    import optuna.distributions

    from harness.console.latex import latex_text as latex_text
    from harness.console.safe_text import from_spreadsheet_cell as from_spreadsheet_cell
    from harness.console.safe_text import markdown_text as markdown_text
    from harness.console.safe_text import spreadsheet_cell as spreadsheet_cell
    from harness.console.safe_text import spreadsheet_table as spreadsheet_table
    from harness.console.safe_text import typed as typed
    from harness.data.archive import open_archive as open_archive
    from harness.data.images import ImageSource as ImageSource
    from harness.data.images import ImageStore as ImageStore
    from harness.data.images import decode_photos as decode_photos
    from harness.data.images import draw_images as draw_images
    from harness.data.kinds import is_rubbish as is_rubbish
    from harness.data.limits import usable_cores as usable_cores
    from harness.data.photo_sets import image_bytes as image_bytes
    from harness.data.photo_sets import photo_dataset as photo_dataset
    from harness.data.photos import photo_files as photo_files
    from harness.data.photos import photo_members as photo_members
    from harness.data.places import cache_folder as cache_folder
    from harness.data.splits import stratified as stratified
    from harness.data.tables import table_data as table_data
    from harness.results.loading import load as load
    from harness.results.pictures.range_test import draw_range_test as draw_range_test
    from harness.results.pictures.walks import Stroke as Stroke
    from harness.results.pictures.walks import describe_walk as describe_walk
    from harness.results.pictures.walks import draw_walks as draw_walks
    from harness.running.python.calls import lr_find as lr_find
    from harness.running.python.calls import plan as plan
    from harness.running.python.calls import run as run
    from harness.running.python.fitting import fit as fit
    from harness.running.python.model_calls import export as export
    from harness.running.python.model_calls import predict as predict
    from harness.running.workers.messages import Left as Left
    from harness.running.workers.pool import WorkerPool as WorkerPool
    from harness.running.workers.processes import Processes as Processes
    from harness.running.workers.shipping import Arrival as Arrival
    from harness.running.workers.shipping import Shipment as Shipment
    from harness.running.workers.worker import Worker as Worker
    from harness.training.loop import execute as execute
    from harness.training.pretrained import read_weights as read_weights
    from harness.verdict.protocol import Protocol as Protocol
    from harness.verdict.protocol import Registered as Registered
    from harness.verdict.protocol import registered_protocols as registered_protocols
    from harness.verdict.protocol import standing_first as standing_first
    from harness.verdict.protocol import standing_protocol as standing_protocol

    Choice = optuna.distributions.CategoricalDistribution
    Float = optuna.distributions.FloatDistribution
    Int = optuna.distributions.IntDistribution

_LAZY = {
    "Choice": "optuna.distributions.CategoricalDistribution",
    "Float": "optuna.distributions.FloatDistribution",
    "Int": "optuna.distributions.IntDistribution",
    "lr_find": "harness.running.python.calls.lr_find",
    "plan": "harness.running.python.calls.plan",
    "export": "harness.running.python.model_calls.export",
    "predict": "harness.running.python.model_calls.predict",
    "run": "harness.running.python.calls.run",
    "from_spreadsheet_cell": "harness.console.safe_text.from_spreadsheet_cell",
    "latex_text": "harness.console.latex.latex_text",
    "markdown_text": "harness.console.safe_text.markdown_text",
    "spreadsheet_cell": "harness.console.safe_text.spreadsheet_cell",
    "spreadsheet_table": "harness.console.safe_text.spreadsheet_table",
    "typed": "harness.console.safe_text.typed",
    "open_archive": "harness.data.archive.open_archive",
    "ImageSource": "harness.data.images.ImageSource",
    "ImageStore": "harness.data.images.ImageStore",
    "decode_photos": "harness.data.images.decode_photos",
    "draw_images": "harness.data.images.draw_images",
    "stratified": "harness.data.splits.stratified",
    "is_rubbish": "harness.data.kinds.is_rubbish",
    "image_bytes": "harness.data.photo_sets.image_bytes",
    "photo_dataset": "harness.data.photo_sets.photo_dataset",
    "table_data": "harness.data.tables.table_data",
    "photo_files": "harness.data.photos.photo_files",
    "photo_members": "harness.data.photos.photo_members",
    "cache_folder": "harness.data.places.cache_folder",
    "load": "harness.results.loading.load",
    "draw_range_test": "harness.results.pictures.range_test.draw_range_test",
    "Stroke": "harness.results.pictures.walks.Stroke",
    "describe_walk": "harness.results.pictures.walks.describe_walk",
    "draw_walks": "harness.results.pictures.walks.draw_walks",
    "fit": "harness.running.python.fitting.fit",
    "Arrival": "harness.running.workers.shipping.Arrival",
    "Left": "harness.running.workers.messages.Left",
    "Processes": "harness.running.workers.processes.Processes",
    "Shipment": "harness.running.workers.shipping.Shipment",
    "Worker": "harness.running.workers.worker.Worker",
    "WorkerPool": "harness.running.workers.pool.WorkerPool",
    "usable_cores": "harness.data.limits.usable_cores",
    "execute": "harness.training.loop.execute",
    "read_weights": "harness.training.pretrained.read_weights",
    "Protocol": "harness.verdict.protocol.Protocol",
    "Registered": "harness.verdict.protocol.Registered",
    "registered_protocols": "harness.verdict.protocol.registered_protocols",
    "standing_first": "harness.verdict.protocol.standing_first",
    "standing_protocol": "harness.verdict.protocol.standing_protocol",
}

__version__ = "0.1.0"
_MODULES = {"importlib", "typing", "harness.console", "harness.errors", "harness.plugin"}  # not public here
_PLAIN = [
    name for name, value in globals().items() if name[0] != "_" and getattr(value, "__name__", "") not in _MODULES
]
__all__ = sorted([*_PLAIN, *_LAZY, "__version__"])


def __getattr__(name: str) -> typing.Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    module, _, attribute = _LAZY[name].rpartition(".")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
