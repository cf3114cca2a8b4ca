"""Generated cohorts whose best possible AUC is known: for the demo, the documentation and tests."""

from medfusion.data.phantom.cohort import Phantom as Phantom
from medfusion.data.phantom.cohort import write_phantom as write_phantom

__all__ = ["Phantom", "write_phantom"]
