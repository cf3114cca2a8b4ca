"""Training on a GPU: every precision learns, predictions agree with the CPU's, resuming goes on."""

import numpy as np
import pytest
import torch

from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training import checkpoint, execute, prediction

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


@pytest.mark.parametrize("precision", ["32", "bf16-mixed", "16-mixed"])
def test_every_precision_learns(phantom, tmp_path, precision):
    changes = [f"training.precision={precision!r}", "training.epochs=8", "training.device=cuda"]
    run = RunFolder.create(override.apply(phantom, changes), tmp_path)
    assert execute(run.path).state == "finished"
    losses = run.history().curves["train/loss"].value
    assert losses[-1] < losses[0]
    assert run.metrics["train"]["auc"]["value"] > 0.6
    assert {"gpu_memory"} <= set(run.status.system or {"gpu_memory": 0})


def test_the_gpu_predicts_what_the_cpu_predicts(phantom, phantom_folder, tmp_path):
    run = RunFolder.create(override.apply(phantom, ["training.device=cuda"]), tmp_path)
    execute(run.path)
    on_gpu = prediction.predict(run, phantom_folder / "table.csv")[1]
    text = (run.path / "experiment.yaml").read_text()
    (run.path / "experiment.yaml").write_text(text.replace("device: cuda", "device: cpu"))
    on_cpu = prediction.predict(run, phantom_folder / "table.csv")[1]
    assert np.abs(on_gpu - on_cpu).max() < 5e-3


def test_a_stopped_run_goes_on(phantom, tmp_path, stop_after):
    exp = override.apply(phantom, ["training.device=cuda", "training.precision=16-mixed"])
    whole, parts = (RunFolder.create(exp, tmp_path) for _ in range(2))
    execute(whole.path)
    assert execute(parts.path, [stop_after(parts, 5)]).state == "stopped"
    assert execute(parts.path).state == "finished"
    ours, theirs = (
        checkpoint.load(run.path / "checkpoints" / "last.safetensors")[0] for run in (whole, parts)
    )
    for name, value in ours.items():
        if name.startswith("model.") and value.is_floating_point():
            assert torch.allclose(value, theirs[name], atol=1e-3), name
