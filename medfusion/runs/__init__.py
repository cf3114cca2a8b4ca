"""Run folders: the truth about every execution of an Experiment, readable while it runs."""

from medfusion.runs.folder import RunFolder as RunFolder
from medfusion.runs.folder import list_runs as list_runs
from medfusion.runs.history import History as History
from medfusion.runs.status import Status as Status

__all__ = ["History", "RunFolder", "Status", "list_runs"]
