"""The curated families of image encoders: what they are, where they come from, what they cost.

Parameters and multiply-adds are those of `facts` at the recommended size with three channels; a
test works them out again.
"""

from __future__ import annotations

from typing import NamedTuple


class Architecture(NamedTuple):
    """An image encoder of the catalogue.

    Attributes:
        name: Its name in timm; with a tag where the weights are what it is about.
        size: Recommended height and width in pixels, those of its published weights.
        parameters: In millions, without a classifier.
        multiply_adds: In thousand millions, for one image.
        summary: What it is chosen for.
    """

    name: str
    size: int
    parameters: float
    multiply_adds: float
    summary: str


class Family(NamedTuple):
    """Image encoders of one design.

    Attributes:
        name: As in `medfusion models image --family NAME`.
        title: As people write it.
        paper: Link.
        summary: What its design is.
        members: From light to heavy.
    """

    name: str
    title: str
    paper: str
    summary: str
    members: tuple[Architecture, ...]


def _family(
    name: str, title: str, paper: str, summary: str, *members: tuple[str, int, float, float, str]
) -> Family:
    return Family(name, title, paper, summary, tuple(Architecture(*member) for member in members))


# fmt: off
FAMILIES: tuple[Family, ...] = (
    _family(
        "resnet", "ResNet", "https://arxiv.org/abs/1512.03385",
        "Residual blocks; the usual baseline, small and robust.",
        ("resnet18", 224, 11.18, 1.81, "The default here: little data, quick runs."),
        ("resnet34", 224, 21.28, 3.66, "Twice the depth of resnet18, with the same simple blocks."),
        ("resnet50", 224, 23.51, 4.09, "Bottleneck blocks; the reference size of the literature."),
        ("resnet101", 224, 42.50, 7.80, "Deeper than resnet50, for larger cohorts."),
        ("resnet152", 224, 58.14, 11.51, "The deepest of the paper."),
        ("resnet50d", 224, 23.53, 4.33, "resnet50 with a better stem and downsampling (https://arxiv.org/abs/1812.01187)."),
    ),
    _family(
        "resnext", "ResNeXt", "https://arxiv.org/abs/1611.05431",
        "Residual blocks in parallel groups: more features at the same cost.",
        ("resnext50_32x4d", 224, 22.98, 4.23, "The size of resnet50, in 32 groups."),
        ("resnext101_32x8d", 224, 86.74, 16.41, "Large and wide, for large cohorts."),
    ),
    _family(
        "wide-resnet", "Wide ResNet", "https://arxiv.org/abs/1605.07146",
        "Fewer, wider residual blocks.",
        ("wide_resnet50_2", 224, 66.83, 11.40, "resnet50 with twice the inner width."),
    ),
    _family(
        "se-resnet", "SE-ResNet", "https://arxiv.org/abs/1709.01507",
        "Residual blocks with squeeze and excitation in each.",
        ("seresnet50", 224, 26.04, 4.09, "resnet50 with gates per channel."),
    ),
    _family(
        "densenet", "DenseNet", "https://arxiv.org/abs/1608.06993",
        "Every layer sees all before it; long in use for chest films (CheXNet).",
        ("densenet121", 224, 6.95, 2.83, "The usual choice in radiology."),
        ("densenet169", 224, 12.48, 3.36, "Deeper than densenet121."),
        ("densenet201", 224, 18.09, 4.29, "The deepest that is common."),
    ),
    _family(
        "efficientnet", "EfficientNet", "https://arxiv.org/abs/1905.11946",
        "Depth, width and size scaled together; few weights, but much memory in training.",
        ("efficientnet_b0", 224, 4.01, 0.38, "The smallest, at 224 pixels."),
        ("efficientnet_b1", 240, 6.51, 0.69, "A little larger and deeper."),
        ("efficientnet_b2", 256, 7.70, 0.86, "For images of about 256 pixels."),
        ("efficientnet_b3", 288, 10.70, 1.59, "For images of about 288 pixels; common for skin lesions."),
        ("efficientnet_b4", 320, 17.55, 3.06, "For images of about 320 pixels."),
    ),
    _family(
        "efficientnetv2", "EfficientNetV2", "https://arxiv.org/abs/2104.00298",
        "EfficientNet with plain convolutions early on: faster to train.",
        ("tf_efficientnetv2_b0", 192, 5.86, 0.53, "The smallest, at 192 pixels."),
        ("tf_efficientnetv2_s", 300, 20.18, 5.31, "For images of about 300 pixels."),
        ("tf_efficientnetv2_m", 384, 52.86, 15.74, "For images of about 384 pixels."),
    ),
    _family(
        "mobilenetv2", "MobileNetV2", "https://arxiv.org/abs/1801.04381",
        "Inverted residual blocks for small machines.",
        ("mobilenetv2_100", 224, 2.22, 0.30, "Small, and easy to quantize."),
    ),
    _family(
        "mobilenetv3", "MobileNetV3", "https://arxiv.org/abs/1905.02244",
        "MobileNetV2 refined by search, with squeeze and excitation.",
        ("mobilenetv3_small_100", 224, 1.52, 0.06, "The lightest net with useful published weights."),
        ("mobilenetv3_large_100", 224, 4.20, 0.22, "The larger of the two; still light on a processor."),
    ),
    _family(
        "mobilenetv4", "MobileNetV4", "https://arxiv.org/abs/2404.10518",
        "One block for all small machines.",
        ("mobilenetv4_conv_small", 224, 2.49, 0.18, "Convolutions only; fast everywhere."),
        ("mobilenetv4_conv_medium", 256, 8.43, 1.08, "Convolutions only, at 256 pixels."),
        ("mobilenetv4_hybrid_medium", 256, 9.79, 1.27, "With attention in its last stages."),
    ),
    _family(
        "regnet", "RegNet", "https://arxiv.org/abs/2003.13678",
        "Widths along one line: simple nets found by narrowing the space of designs.",
        ("regnetx_004", 224, 4.77, 0.40, "The smallest here, without squeeze and excitation."),
        ("regnety_004", 224, 3.90, 0.40, "The smallest here with squeeze and excitation."),
        ("regnety_016", 224, 10.31, 1.61, "A middle size."),
        ("regnety_032", 224, 17.92, 3.17, "The size of resnet50."),
    ),
    _family(
        "convnext", "ConvNeXt", "https://arxiv.org/abs/2201.03545",
        "A convolutional net with what made transformers good: large kernels, layer norm.",
        ("convnext_atto", 224, 3.37, 0.55, "The smallest."),
        ("convnext_nano", 224, 14.95, 2.44, "Between atto and tiny."),
        ("convnext_tiny", 224, 27.82, 4.45, "The size of resnet50, and a strong default with pretrained weights."),
        ("convnext_small", 224, 49.45, 8.68, "Deeper than tiny."),
        ("convnext_base", 224, 87.57, 15.35, "Wider than small."),
    ),
    _family(
        "convnextv2", "ConvNeXt V2", "https://arxiv.org/abs/2301.00808",
        "ConvNeXt trained by masked autoencoding, with response normalisation.",
        ("convnextv2_atto", 224, 3.39, 0.55, "The smallest."),
        ("convnextv2_nano", 224, 14.98, 2.44, "Between atto and tiny."),
        ("convnextv2_tiny", 224, 27.87, 4.45, "The size of resnet50."),
        ("convnextv2_base", 224, 87.69, 15.35, "For large cohorts."),
    ),
    _family(
        "vit", "ViT", "https://arxiv.org/abs/2010.11929",
        "The vision transformer: patches as tokens. Needs pretrained weights or much data.",
        ("vit_tiny_patch16_224", 224, 5.52, 1.25, "The smallest; weights by augmented training (https://arxiv.org/abs/2106.10270)."),
        ("vit_small_patch16_224", 224, 21.67, 4.60, "The size of resnet50."),
        ("vit_base_patch16_224", 224, 85.80, 17.56, "The reference size of the literature."),
        ("vit_large_patch16_224", 224, 303.30, 61.55, "For large cohorts and much memory."),
    ),
    _family(
        "deit", "DeiT", "https://arxiv.org/abs/2012.12877",
        "The same transformers, trained on ImageNet alone by a better recipe.",
        ("deit_tiny_patch16_224", 224, 5.52, 1.25, "The smallest."),
        ("deit_small_patch16_224", 224, 21.67, 4.60, "The size of resnet50."),
        ("deit_base_patch16_224", 224, 85.80, 17.56, "The size of vit_base."),
    ),
    _family(
        "deit3", "DeiT III", "https://arxiv.org/abs/2204.07118",
        "DeiT with a simpler and stronger recipe.",
        ("deit3_small_patch16_224", 224, 21.67, 4.60, "The size of resnet50."),
        ("deit3_base_patch16_224", 224, 85.82, 17.56, "The size of vit_base."),
    ),
    _family(
        "beit", "BEiT", "https://arxiv.org/abs/2106.08254",
        "Transformers that first learned to fill in masked patches, as visual words.",
        ("beit_base_patch16_224", 224, 85.76, 17.56, "The size of vit_base, with relative positions."),
    ),
    _family(
        "beitv2", "BEiT v2", "https://arxiv.org/abs/2208.06366",
        "BEiT with visual words that carry meaning.",
        ("beitv2_base_patch16_224", 224, 85.76, 17.56, "The size of vit_base."),
    ),
    _family(
        "mae", "MAE", "https://arxiv.org/abs/2111.06377",
        "ViT weights by masked autoencoding: the tag `mae` of a ViT's name.",
        ("vit_base_patch16_224.mae", 224, 85.80, 17.56, "vit_base without any labels in its training; fine-tune it."),
        ("vit_large_patch16_224.mae", 224, 303.30, 61.55, "vit_large, where masked autoencoding gains most."),
    ),
    _family(
        "hiera", "Hiera", "https://arxiv.org/abs/2306.00989",
        "A plain hierarchical transformer, trained as a masked autoencoder.",
        ("hiera_tiny_224", 224, 27.14, 4.90, "The smallest."),
        ("hiera_small_224", 224, 34.24, 6.41, "A little deeper."),
    ),
    _family(
        "eva02", "EVA-02", "https://arxiv.org/abs/2303.11331",
        "Transformers with rotary positions that learned to give CLIP's features.",
        ("eva02_tiny_patch14_224", 224, 5.50, 1.70, "The smallest."),
        ("eva02_small_patch14_224", 224, 21.62, 6.12, "The size of resnet50."),
        ("eva02_base_patch14_224", 224, 85.76, 23.16, "The size of vit_base."),
    ),
    _family(
        "swin", "Swin", "https://arxiv.org/abs/2103.14030",
        "Attention in shifted windows: maps at four sizes like a convolutional net.",
        ("swin_tiny_patch4_window7_224", 224, 27.52, 4.49, "The size of resnet50."),
        ("swin_small_patch4_window7_224", 224, 48.84, 8.74, "Deeper than tiny."),
        ("swin_base_patch4_window7_224", 224, 86.74, 15.43, "Wider than small."),
    ),
    _family(
        "swinv2", "Swin V2", "https://arxiv.org/abs/2111.09883",
        "Swin with continuous relative positions: better at other sizes than in training.",
        ("swinv2_tiny_window8_256", 256, 27.58, 5.94, "The size of resnet50."),
        ("swinv2_small_window8_256", 256, 48.96, 11.55, "Deeper than tiny."),
        ("swinv2_base_window8_256", 256, 86.89, 20.32, "Wider than small."),
    ),
    _family(
        "maxvit", "MaxViT", "https://arxiv.org/abs/2204.01697",
        "Convolutions with attention in blocks and over a grid; accurate, hungry for memory.",
        ("maxvit_tiny_tf_224", 224, 30.40, 5.55, "The smallest with published weights."),
        ("maxvit_small_tf_224", 224, 68.16, 11.58, "A middle size."),
        ("maxvit_base_tf_224", 224, 118.70, 23.91, "For large cohorts and much memory."),
    ),
    _family(
        "coatnet", "CoAtNet", "https://arxiv.org/abs/2106.04803",
        "Convolutions first, attention with relative positions later.",
        ("coatnet_0_rw_224", 224, 26.67, 4.41, "The smallest of the paper."),
    ),
    _family(
        "dinov2", "DINOv2", "https://arxiv.org/abs/2304.07193",
        "Transformers trained without labels on 142 million images; strong frozen features.",
        ("vit_small_patch14_dinov2", 224, 21.63, 6.12, "The size of resnet50; any multiple of 14 pixels."),
        ("vit_base_patch14_dinov2", 224, 85.72, 23.16, "The size of vit_base; any multiple of 14 pixels."),
        ("vit_large_patch14_dinov2", 224, 303.23, 81.01, "The size of vit_large; any multiple of 14 pixels."),
        ("vit_small_patch14_reg4_dinov2", 224, 21.63, 6.23, "With four register tokens: cleaner maps (https://arxiv.org/abs/2309.16588)."),
        ("vit_base_patch14_reg4_dinov2", 224, 85.73, 23.54, "With four register tokens: cleaner maps (https://arxiv.org/abs/2309.16588)."),
    ),
    _family(
        "dinov3", "DINOv3", "https://arxiv.org/abs/2508.10104",
        "Trained without labels on 1.7 billion images; dense maps stay sharp at large sizes.",
        ("vit_small_patch16_dinov3", 256, 21.59, 6.25, "The size of resnet50; rotary positions follow any size."),
        ("vit_base_patch16_dinov3", 256, 85.64, 23.57, "The size of vit_base; rotary positions follow any size."),
        ("vit_large_patch16_dinov3", 256, 303.08, 82.37, "The size of vit_large; rotary positions follow any size."),
        ("convnext_tiny.dinov3_lvd1689m", 224, 27.82, 4.45, "convnext_tiny that learned from DINOv3's largest transformer."),
        ("convnext_small.dinov3_lvd1689m", 224, 49.45, 8.68, "convnext_small that learned from DINOv3's largest transformer."),
        ("convnext_base.dinov3_lvd1689m", 224, 87.57, 15.35, "convnext_base that learned from DINOv3's largest transformer."),
    ),
    _family(
        "siglip", "SigLIP", "https://arxiv.org/abs/2303.15343",
        "The image half of a model of images and texts.",
        ("vit_base_patch16_siglip_224", 224, 92.88, 17.71, "The size of vit_base; pools by attention."),
    ),
)
# fmt: on
"""Every family of the catalogue, convolutional ones first."""
