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


_CONVOLUTIONAL = (
    Family(
        "resnet",
        "ResNet",
        "https://arxiv.org/abs/1512.03385",
        "Residual blocks; the usual baseline, small and robust.",
        (
            Architecture("resnet18", 224, 0.00, 0.00, "The default here: little data, quick runs."),
            Architecture(
                "resnet34",
                224,
                0.00,
                0.00,
                "Twice the depth of resnet18, with the same simple blocks.",
            ),
            Architecture(
                "resnet50",
                224,
                0.00,
                0.00,
                "Bottleneck blocks; the reference size of the literature.",
            ),
            Architecture("resnet101", 224, 0.00, 0.00, "Deeper than resnet50, for larger cohorts."),
            Architecture("resnet152", 224, 0.00, 0.00, "The deepest of the paper."),
            Architecture(
                "resnet50d",
                224,
                0.00,
                0.00,
                "resnet50 with a better stem and downsampling (https://arxiv.org/abs/1812.01187).",
            ),
        ),
    ),
    Family(
        "resnext",
        "ResNeXt",
        "https://arxiv.org/abs/1611.05431",
        "Residual blocks in parallel groups: more features at the same cost.",
        (
            Architecture("resnext50_32x4d", 224, 0.00, 0.00, "The size of resnet50, in 32 groups."),
            Architecture("resnext101_32x8d", 224, 0.00, 0.00, "Large and wide, for large cohorts."),
        ),
    ),
    Family(
        "wide-resnet",
        "Wide ResNet",
        "https://arxiv.org/abs/1605.07146",
        "Fewer, wider residual blocks.",
        (Architecture("wide_resnet50_2", 224, 0.00, 0.00, "resnet50 with twice the inner width."),),
    ),
    Family(
        "se-resnet",
        "SE-ResNet",
        "https://arxiv.org/abs/1709.01507",
        "Residual blocks with squeeze and excitation in each.",
        (Architecture("seresnet50", 224, 0.00, 0.00, "resnet50 with gates per channel."),),
    ),
    Family(
        "densenet",
        "DenseNet",
        "https://arxiv.org/abs/1608.06993",
        "Every layer sees all before it; long in use for chest films (CheXNet).",
        (
            Architecture("densenet121", 224, 0.00, 0.00, "The usual choice in radiology."),
            Architecture("densenet169", 224, 0.00, 0.00, "Deeper than densenet121."),
            Architecture("densenet201", 224, 0.00, 0.00, "The deepest that is common."),
        ),
    ),
    Family(
        "efficientnet",
        "EfficientNet",
        "https://arxiv.org/abs/1905.11946",
        "Depth, width and size scaled together; few weights, but much memory in training.",
        (
            Architecture("efficientnet_b0", 224, 0.00, 0.00, "The smallest, at 224 pixels."),
            Architecture("efficientnet_b1", 224, 0.00, 0.00, "A little larger and deeper."),
            Architecture("efficientnet_b2", 224, 0.00, 0.00, "For images of about 256 pixels."),
            Architecture(
                "efficientnet_b3",
                224,
                0.00,
                0.00,
                "For images of about 288 pixels; common for skin lesions.",
            ),
            Architecture("efficientnet_b4", 224, 0.00, 0.00, "For images of about 320 pixels."),
        ),
    ),
    Family(
        "efficientnetv2",
        "EfficientNetV2",
        "https://arxiv.org/abs/2104.00298",
        "EfficientNet with plain convolutions early on: faster to train.",
        (
            Architecture("tf_efficientnetv2_b0", 224, 0.00, 0.00, "The smallest, at 192 pixels."),
            Architecture("tf_efficientnetv2_s", 224, 0.00, 0.00, "For images of about 300 pixels."),
            Architecture("tf_efficientnetv2_m", 224, 0.00, 0.00, "For images of about 384 pixels."),
        ),
    ),
    Family(
        "mobilenetv2",
        "MobileNetV2",
        "https://arxiv.org/abs/1801.04381",
        "Inverted residual blocks for small machines.",
        (Architecture("mobilenetv2_100", 224, 0.00, 0.00, "Small, and easy to quantize."),),
    ),
    Family(
        "mobilenetv3",
        "MobileNetV3",
        "https://arxiv.org/abs/1905.02244",
        "MobileNetV2 refined by search, with squeeze and excitation.",
        (
            Architecture(
                "mobilenetv3_small_100",
                224,
                0.00,
                0.00,
                "The lightest net with useful published weights.",
            ),
            Architecture(
                "mobilenetv3_large_100",
                224,
                0.00,
                0.00,
                "The larger of the two; still light on a processor.",
            ),
        ),
    ),
    Family(
        "mobilenetv4",
        "MobileNetV4",
        "https://arxiv.org/abs/2404.10518",
        "One block for all small machines.",
        (
            Architecture(
                "mobilenetv4_conv_small", 224, 0.00, 0.00, "Convolutions only; fast everywhere."
            ),
            Architecture(
                "mobilenetv4_conv_medium", 224, 0.00, 0.00, "Convolutions only, at 256 pixels."
            ),
            Architecture(
                "mobilenetv4_hybrid_medium", 224, 0.00, 0.00, "With attention in its last stages."
            ),
        ),
    ),
    Family(
        "regnet",
        "RegNet",
        "https://arxiv.org/abs/2003.13678",
        "Widths along one line: simple nets found by narrowing the space of designs.",
        (
            Architecture(
                "regnetx_004", 224, 0.00, 0.00, "The smallest here, without squeeze and excitation."
            ),
            Architecture(
                "regnety_004", 224, 0.00, 0.00, "The smallest here with squeeze and excitation."
            ),
            Architecture("regnety_016", 224, 0.00, 0.00, "A middle size."),
            Architecture("regnety_032", 224, 0.00, 0.00, "The size of resnet50."),
        ),
    ),
    Family(
        "convnext",
        "ConvNeXt",
        "https://arxiv.org/abs/2201.03545",
        "A convolutional net with what made transformers good: large kernels, layer norm.",
        (
            Architecture("convnext_atto", 224, 0.00, 0.00, "The smallest."),
            Architecture("convnext_nano", 224, 0.00, 0.00, "Between atto and tiny."),
            Architecture(
                "convnext_tiny",
                224,
                0.00,
                0.00,
                "The size of resnet50, and a strong default with pretrained weights.",
            ),
            Architecture("convnext_small", 224, 0.00, 0.00, "Deeper than tiny."),
            Architecture("convnext_base", 224, 0.00, 0.00, "Wider than small."),
        ),
    ),
    Family(
        "convnextv2",
        "ConvNeXt V2",
        "https://arxiv.org/abs/2301.00808",
        "ConvNeXt trained by masked autoencoding, with response normalisation.",
        (
            Architecture("convnextv2_atto", 224, 0.00, 0.00, "The smallest."),
            Architecture("convnextv2_nano", 224, 0.00, 0.00, "Between atto and tiny."),
            Architecture("convnextv2_tiny", 224, 0.00, 0.00, "The size of resnet50."),
            Architecture("convnextv2_base", 224, 0.00, 0.00, "For large cohorts."),
        ),
    ),
)

_TRANSFORMERS = (
    Family(
        "vit",
        "ViT",
        "https://arxiv.org/abs/2010.11929",
        "The vision transformer: patches as tokens. Needs pretrained weights or much data.",
        (
            Architecture(
                "vit_tiny_patch16_224",
                224,
                0.00,
                0.00,
                "The smallest; weights by augmented training (https://arxiv.org/abs/2106.10270).",
            ),
            Architecture("vit_small_patch16_224", 224, 0.00, 0.00, "The size of resnet50."),
            Architecture(
                "vit_base_patch16_224", 224, 0.00, 0.00, "The reference size of the literature."
            ),
            Architecture(
                "vit_large_patch16_224", 224, 0.00, 0.00, "For large cohorts and much memory."
            ),
        ),
    ),
    Family(
        "deit",
        "DeiT",
        "https://arxiv.org/abs/2012.12877",
        "The same transformers, trained on ImageNet alone by a better recipe.",
        (
            Architecture("deit_tiny_patch16_224", 224, 0.00, 0.00, "The smallest."),
            Architecture("deit_small_patch16_224", 224, 0.00, 0.00, "The size of resnet50."),
            Architecture("deit_base_patch16_224", 224, 0.00, 0.00, "The size of vit_base."),
        ),
    ),
    Family(
        "deit3",
        "DeiT III",
        "https://arxiv.org/abs/2204.07118",
        "DeiT with a simpler and stronger recipe.",
        (
            Architecture("deit3_small_patch16_224", 224, 0.00, 0.00, "The size of resnet50."),
            Architecture("deit3_base_patch16_224", 224, 0.00, 0.00, "The size of vit_base."),
        ),
    ),
    Family(
        "beit",
        "BEiT",
        "https://arxiv.org/abs/2106.08254",
        "Transformers that first learned to fill in masked patches, as visual words.",
        (
            Architecture(
                "beit_base_patch16_224",
                224,
                0.00,
                0.00,
                "The size of vit_base, with relative positions.",
            ),
        ),
    ),
    Family(
        "beitv2",
        "BEiT v2",
        "https://arxiv.org/abs/2208.06366",
        "BEiT with visual words that carry meaning.",
        (Architecture("beitv2_base_patch16_224", 224, 0.00, 0.00, "The size of vit_base."),),
    ),
    Family(
        "mae",
        "MAE",
        "https://arxiv.org/abs/2111.06377",
        "ViT weights by masked autoencoding: the tag `mae` of a ViT's name.",
        (
            Architecture(
                "vit_base_patch16_224.mae",
                224,
                0.00,
                0.00,
                "vit_base without any labels in its training; fine-tune it.",
            ),
            Architecture(
                "vit_large_patch16_224.mae",
                224,
                0.00,
                0.00,
                "vit_large, where masked autoencoding gains most.",
            ),
        ),
    ),
    Family(
        "hiera",
        "Hiera",
        "https://arxiv.org/abs/2306.00989",
        "A plain hierarchical transformer, trained as a masked autoencoder.",
        (
            Architecture("hiera_tiny_224", 224, 0.00, 0.00, "The smallest."),
            Architecture("hiera_small_224", 224, 0.00, 0.00, "A little deeper."),
        ),
    ),
    Family(
        "eva02",
        "EVA-02",
        "https://arxiv.org/abs/2303.11331",
        "Transformers with rotary positions that learned to give CLIP's features.",
        (
            Architecture("eva02_tiny_patch14_224", 224, 0.00, 0.00, "The smallest."),
            Architecture("eva02_small_patch14_224", 224, 0.00, 0.00, "The size of resnet50."),
            Architecture("eva02_base_patch14_224", 224, 0.00, 0.00, "The size of vit_base."),
        ),
    ),
    Family(
        "swin",
        "Swin",
        "https://arxiv.org/abs/2103.14030",
        "Attention in shifted windows: maps at four sizes like a convolutional net.",
        (
            Architecture("swin_tiny_patch4_window7_224", 224, 0.00, 0.00, "The size of resnet50."),
            Architecture("swin_small_patch4_window7_224", 224, 0.00, 0.00, "Deeper than tiny."),
            Architecture("swin_base_patch4_window7_224", 224, 0.00, 0.00, "Wider than small."),
        ),
    ),
    Family(
        "swinv2",
        "Swin V2",
        "https://arxiv.org/abs/2111.09883",
        "Swin with continuous relative positions: better at other sizes than in training.",
        (
            Architecture("swinv2_tiny_window8_256", 224, 0.00, 0.00, "The size of resnet50."),
            Architecture("swinv2_small_window8_256", 224, 0.00, 0.00, "Deeper than tiny."),
            Architecture("swinv2_base_window8_256", 224, 0.00, 0.00, "Wider than small."),
        ),
    ),
    Family(
        "maxvit",
        "MaxViT",
        "https://arxiv.org/abs/2204.01697",
        "Convolutions with attention in blocks and over a grid; accurate, hungry for memory.",
        (
            Architecture(
                "maxvit_tiny_tf_224", 224, 0.00, 0.00, "The smallest with published weights."
            ),
            Architecture("maxvit_small_tf_224", 224, 0.00, 0.00, "A middle size."),
            Architecture(
                "maxvit_base_tf_224", 224, 0.00, 0.00, "For large cohorts and much memory."
            ),
        ),
    ),
    Family(
        "coatnet",
        "CoAtNet",
        "https://arxiv.org/abs/2106.04803",
        "Convolutions first, attention with relative positions later.",
        (Architecture("coatnet_0_rw_224", 224, 0.00, 0.00, "The smallest of the paper."),),
    ),
    Family(
        "dinov2",
        "DINOv2",
        "https://arxiv.org/abs/2304.07193",
        "Transformers trained without labels on 142 million images; strong frozen features.",
        (
            Architecture(
                "vit_small_patch14_dinov2",
                224,
                0.00,
                0.00,
                "The size of resnet50; any multiple of 14 pixels.",
            ),
            Architecture(
                "vit_base_patch14_dinov2",
                224,
                0.00,
                0.00,
                "The size of vit_base; any multiple of 14 pixels.",
            ),
            Architecture(
                "vit_large_patch14_dinov2",
                224,
                0.00,
                0.00,
                "The size of vit_large; any multiple of 14 pixels.",
            ),
            Architecture(
                "vit_small_patch14_reg4_dinov2",
                224,
                0.00,
                0.00,
                "With four register tokens: cleaner maps (https://arxiv.org/abs/2309.16588).",
            ),
            Architecture(
                "vit_base_patch14_reg4_dinov2",
                224,
                0.00,
                0.00,
                "With four register tokens: cleaner maps (https://arxiv.org/abs/2309.16588).",
            ),
        ),
    ),
    Family(
        "dinov3",
        "DINOv3",
        "https://arxiv.org/abs/2508.10104",
        "Trained without labels on 1.7 billion images; dense maps stay sharp at large sizes.",
        (
            Architecture(
                "vit_small_patch16_dinov3",
                224,
                0.00,
                0.00,
                "The size of resnet50; rotary positions follow any size.",
            ),
            Architecture(
                "vit_base_patch16_dinov3",
                224,
                0.00,
                0.00,
                "The size of vit_base; rotary positions follow any size.",
            ),
            Architecture(
                "vit_large_patch16_dinov3",
                224,
                0.00,
                0.00,
                "The size of vit_large; rotary positions follow any size.",
            ),
            Architecture(
                "convnext_tiny.dinov3_lvd1689m",
                224,
                0.00,
                0.00,
                "convnext_tiny that learned from DINOv3's largest transformer.",
            ),
            Architecture(
                "convnext_small.dinov3_lvd1689m",
                224,
                0.00,
                0.00,
                "convnext_small that learned from DINOv3's largest transformer.",
            ),
            Architecture(
                "convnext_base.dinov3_lvd1689m",
                224,
                0.00,
                0.00,
                "convnext_base that learned from DINOv3's largest transformer.",
            ),
        ),
    ),
    Family(
        "siglip",
        "SigLIP",
        "https://arxiv.org/abs/2303.15343",
        "The image half of a model of images and texts.",
        (
            Architecture(
                "vit_base_patch16_siglip_224",
                224,
                0.00,
                0.00,
                "The size of vit_base; pools by attention.",
            ),
        ),
    ),
)

FAMILIES: tuple[Family, ...] = (*_CONVOLUTIONAL, *_TRANSFORMERS)
"""Every family of the catalogue, convolutional ones first."""
