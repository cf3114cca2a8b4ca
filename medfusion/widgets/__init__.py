"""Panels for notebooks: widgets that show a run; their state is the run folder, never a copy."""

from medfusion.widgets.run_panel import RunPanel as RunPanel

__all__ = ["RunPanel"]
