"""Aggregators: several views, slices or images of a bag become one."""

from medfusion.models.aggregators.attention import AttentionViews, GatedAttentionViews
from medfusion.models.aggregators.contract import Aggregated, Aggregator
from medfusion.models.aggregators.cross_view import CrossViewAttention
from medfusion.models.aggregators.learned_weight import LearnedWeightViews
from medfusion.models.aggregators.max import MaxViews
from medfusion.models.aggregators.mean import MeanViews
from medfusion.models.aggregators.top_mean import TopMeanViews
from medfusion.models.aggregators.transmil import TransMILViews

__all__ = [
    "Aggregated",
    "Aggregator",
    "AttentionViews",
    "CrossViewAttention",
    "GatedAttentionViews",
    "LearnedWeightViews",
    "MaxViews",
    "MeanViews",
    "TopMeanViews",
    "TransMILViews",
]
