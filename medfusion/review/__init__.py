"""Label review: which labels a run contradicts, and what a person decides about them."""

from medfusion.review.review import Review as Review
from medfusion.review.suspects import Findings as Findings
from medfusion.review.suspects import Suspect as Suspect
from medfusion.review.suspects import find_suspects as find_suspects

__all__ = ["Findings", "Review", "Suspect", "find_suspects"]
