"""Parts of models describe themselves, whoever registered them."""

import pytest

from medfusion import registry, spec
from medfusion.commands import models_page
from medfusion.commands.models import import_makers
from medfusion.models.description import contract_of, describe, families, parse

import_makers()
KINDS = [kind for kinds in families().values() for kind in kinds.values()]


def test_everything_that_a_model_can_ask_for_is_there():
    found = families()
    assert {"image", "attention", "views", "table", "fusion", "head"} <= set(found)
    for family in ("image", "attention", "views", "table", "fusion", "head"):
        assert set(registry.list_kinds(family)) <= set(found[family])
    assert not {"transform", "target", "split"} & set(found)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k.family}-{k.__name__}")
def test_every_part_says_what_it_is(kind):
    found = describe(kind)
    assert found.summary.endswith((".", ")."))
    assert all(setting["meaning"] for setting in found.settings.values())
    assert all(link.startswith("https://") for link in found.papers)
    assert found.text


def test_a_docstring_is_taken_apart():
    parsed = parse(
        """First line.

        With a formula:

            z = x + y

        Args:
            x: Float [B, d],
                over two lines.
            y: Another.

        Returns:
            The sum
            of both: [B, d].
        """
    )
    assert parsed.paragraphs == ("First line.", "With a formula:", "    z = x + y")
    assert parsed.sections["Args"] == (("x", "Float [B, d], over two lines."), ("y", "Another."))
    assert parsed.sections["Returns"] == (("", "The sum of both: [B, d]."),)
    assert parse("").paragraphs == ()


def test_a_family_has_one_contract():
    assert contract_of(families()["fusion"]).paragraphs[0].startswith("Base of all fusions")
    assert contract_of(families()["image"]).paragraphs == ()


def test_an_extension_is_listed_too():
    class Mine(spec.Spec):
        """A part from elsewhere (https://example.org/paper)."""

        family = "mine"
        kind: str = "new"

    def maker(settings):
        """Make it."""
        return settings

    maker.__module__ = "medfusion.models.mine"
    registry.register(Mine)(maker)
    try:
        assert families()["mine"] == {"new": Mine}
        assert "### mine `new`" in models_page.page()
        assert describe(Mine).papers == ("https://example.org/paper",)
    finally:
        registry._makers.pop("mine")


def test_the_page_has_every_part_and_every_encoder():
    page = models_page.page()
    for kind in KINDS:
        assert f"### {kind.family} `{registry.kind_of(kind)}`" in page
    assert "`convnextv2_atto` | 3.4 | 0.55 | 224 | cc-by-nc-4.0 (**non-commercial**)" in page
    assert "z = sum_m g_m * tanh(h_m)" in page
