"""The methods paragraph names the encoder that the experiment asks for."""

from types import SimpleNamespace

import pytest

from medfusion.report import methods
from medfusion.spec import Experiment


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (None, ("a multilayer perceptron (hidden layers of 64 and 32 units) over embedded values "
               "with missing indicators, numbers piecewise linearly over up to 16 quantile bins "
               "of the training set.")),
        ({"kind": "mlp", "hidden": [8], "embeddings": "linear"},
         ("a multilayer perceptron (hidden layers of 8 units) over embedded values with missing "
         "indicators.")),
        ({"kind": "ft-transformer", "embedding": 24, "layers": 3},
         "an FT-Transformer (3 layers, 4 heads, 24 dimensions) over"),
        ({"kind": "tabm", "members": 5, "hidden": [8, 4]},
         "TabM, an ensemble of 5 perceptrons with shared weights (hidden layers of 8 and 4 units)"),
    ],
)  # fmt: skip
def test_the_table_encoder_is_named(table, said):
    experiment = Experiment.from_mapping(
        {
            "data": {
                "table": "t.csv",
                "id": "id",
                "numeric": ["age"],
                "target": {"kind": "binary", "column": "y"},
                "split": {"kind": "grouped"},
            },
            "model": {} if table is None else {"table": table},
        }
    )
    sentences = methods._model(SimpleNamespace(experiment=experiment))
    assert said in " ".join(sentences)
