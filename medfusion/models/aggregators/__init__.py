"""Aggregators: several views of a subject become one."""

from medfusion.models.aggregators.contract import Aggregated, Aggregator
from medfusion.models.aggregators.max import MaxViews
from medfusion.models.aggregators.mean import MeanViews

__all__ = ["Aggregated", "Aggregator", "MaxViews", "MeanViews"]
