"""The model page in a real JupyterLab: clicks change the draft, and the diagram follows at once."""

import statistics

DATA = {
    "table": "skin.csv",
    "id": "image_id",
    "images": {
        "photo": {"column": "image_path", "size": [96, 96]},
        "close": {"column": "close_path", "size": [96, 96]},
    },
    "numeric": ["age"],
    "categorical": ["sex", "place"],
    "target": {"kind": "binary", "column": "malignant"},
    "split": {"kind": "grouped"},
}
REACTION = """async ([family, kind]) => {
  const select = document.querySelector(`.mf-model select[data-family="${family}"]`);
  const status = document.querySelector('.mf-model .mf-status');
  const block = () => document.querySelector(`.mf-diagram [data-block="${family}"]`).textContent;
  const model = document.querySelector('.mf-model');
  const start = performance.now();
  select.value = kind;
  select.dispatchEvent(new Event('change', {bubbles: true}));
  const found = {};
  while (found.settled === undefined) {
    await new Promise(requestAnimationFrame);
    if (found.seen === undefined && block().includes(kind)) found.seen = performance.now() - start;
    if (found.seen !== undefined && status.textContent === '' && !model.classList.contains('mf-stale'))
      found.settled = performance.now() - start;
  }
  return found;
}"""


def model_tab(lab):
    return lab.page.locator(".mf-builder").get_by_role("tab", name="Model")


def opened(lab, name, data=None):
    """Open a builder, of a draft with this data where it is given, on its model page."""
    lines = ["import medfusion as mf", f"builder = mf.Builder(name={name!r})"]
    if data is not None:
        lines += [f"builder.draft.set(('data',), {data!r})", "builder.changed()"]
    lab.open(f"{name}.ipynb", "\n".join([*lines, "builder"]))
    lab.run_all()
    model_tab(lab).click()


def settle(lab, timeout=90_000):
    """Wait until the numbers are there."""
    ready = """() => document.querySelector('.mf-model .mf-status')?.textContent === '' &&
        document.querySelector('.mf-model .mf-sum').textContent !== ''"""
    lab.page.wait_for_function(ready, timeout=timeout)


def test_a_model_by_clicks_and_what_it_costs(lab):
    opened(lab, "model_page", DATA)
    settle(lab)
    page = lab.page
    block = lambda name: page.locator(f'.mf-diagram [data-block="{name}"]')  # noqa: E731
    assert "512 \u00d7 3 \u00d7 3" in block("image").text_content()
    assert "11.2 M" in block("image").text_content()
    assert "memory" in page.locator(".mf-fit").text_content()
    search = page.get_by_label("Search", exact=True)
    search.fill("densenet")
    assert page.locator(".mf-found").text_content() == "3 of 80"
    page.locator('[data-encoder="densenet121"]').click()
    page.wait_for_function(
        "() => document.querySelector('.mf-diagram').textContent.includes('1024 \u00d7 3 \u00d7 3')"
    )
    settle(lab)
    assert lab.kernel("print(builder.experiment.model.image.name)") == "densenet121"
    assert "6.95 M" in block("image").text_content()

    # By keys alone: the next in the list, and back by undo.
    search.fill("")
    grid = page.get_by_role("grid", name="Image encoders")
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.mf-diagram').textContent.includes('densenet169')"
    )
    settle(lab)
    assert lab.kernel("print(builder.experiment.model.image.name)") == "densenet169"
    page.keyboard.press("Control+z")
    page.wait_for_function(
        "() => document.querySelector('.mf-diagram').textContent.includes('densenet121')"
    )

    # What cannot be is said where it is.
    page.locator('select[data-family="attention"]').select_option("cbam")
    block("attention").wait_for()
    settle(lab)
    search.fill("vit_tiny_patch16")
    page.locator('[data-encoder="vit_tiny_patch16_224"]').click()
    page.locator(".mf-model-wrong li", has_text="no convolutional stages").wait_for()
    assert "mf-bad" in block("attention").get_attribute("class")
    page.locator('select[data-family="attention"]').select_option("")
    page.locator(".mf-model-wrong li").first.wait_for(state="detached")
    settle(lab)
    search.fill("")
    page.locator('[data-encoder="vit_tiny_patch16_224"]').wait_for()  # it is looked for
    lab.picture("model_catalogue")
    page.locator(".mf-diagram").scroll_into_view_if_needed()
    page.locator(".mf-part-choice").nth(2).scroll_into_view_if_needed()
    page.locator(".mf-part-choice details summary").nth(2).click()
    lab.picture("model_parts")
    page.evaluate("document.querySelector('.mf-model').closest('.mf-pane').scrollTop = 0")
    lab.picture("model_light")
    lab.theme("JupyterLab Dark")
    lab.picture("model_dark")
    lab.theme("JupyterLab Light")
    page.set_viewport_size({"width": 700, "height": 1000})
    page.wait_for_timeout(300)
    lab.picture("model_narrow")
    page.set_viewport_size({"width": 1360, "height": 1000})

    # Another day: the same model.
    lab.reopen("model_page.ipynb")
    lab.wait_idle()
    lab.run_all()
    model_tab(lab).click()
    settle(lab)
    assert "vit_tiny" in block("image").text_content()


def test_a_change_is_followed_within_a_second(lab):
    opened(lab, "model_quick", DATA)
    settle(lab)
    lab.page.locator('.mf-model select[data-family="fusion"] option').first.wait_for(
        state="attached"
    )
    kinds = ["film", "concatenate", "bilinear", "late", "cross-attention", "kronecker", "mfb"]
    times = [lab.page.evaluate(REACTION, ["fusion", kind]) for kind in kinds]
    assert statistics.median(one["seen"] for one in times) < 150, times
    assert statistics.median(one["settled"] for one in times) < 1000, times


def test_an_empty_draft_is_shown_by_an_example(lab):
    opened(lab, "model_empty")
    settle(lab)
    assert "Assumed: an example" in lab.page.locator(".mf-assumed").text_content()
    assert lab.page.locator('.mf-diagram [data-block="fusion"]').count() == 1
    assert lab.kernel("print(builder.yaml)").split() == ["medfusion:", "1", "data:", "{}"]
