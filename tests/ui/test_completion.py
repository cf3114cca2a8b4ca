"""Completion as JupyterLab asks the kernel for it."""


def test_completion_through_the_kernel(lab, played):
    run = played("known")
    lab.open("tab.ipynb", "%load_ext medfusion")
    lab.run_all()
    lab.page.wait_for_timeout(500)
    lab.wait_idle()
    assert "%%medfusion" in lab.complete("%%medf")
    assert lab.complete("%medfusion val") == ["validate"]
    assert lab.complete("run = %medfusion tr") == ["train"]
    assert "--set" in lab.complete("%medfusion train x.yaml --")
    assert f"runs/{run.name}" in lab.complete("%medfusion report runs/")
    assert lab.complete("%medfusion train x.yaml --set model.fusion.kind=ga") == [
        "model.fusion.kind=gated"
    ]
    assert lab.complete("%%medfusion --na") == ["--name"]
    cell = "%%medfusion\nmedfusion: 1\ndata:\n  ta"
    assert lab.complete(cell) == ["table: ", "target: "]
    assert lab.complete("%%medfusion\nmodel:\n  fusion: {kind: cross") == ["cross-attention"]
    # The cursor in the middle of a cell, with keys that are there already.
    cell = "%%medfusion\ntraining:\n  ep\n  batch_size: 8\n"
    assert lab.complete(cell, at=cell.index("ep") + 2) == ["epochs: "]
    # Elsewhere nothing of ours is offered.
    assert "validate" not in lab.complete("va")
