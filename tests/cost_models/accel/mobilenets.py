"""The five networks of FuSeConv's table, with depthwise convolutions or FuSe ones, as the authors' models have them.

A layer is (kind, side of the image, channels, filters, kernel, stride); padding keeps sides, strides divide them.
"""

V2_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
MNASNET_STAGES = (  # expansion, channels, blocks, stride, kernel
    (1, 16, 1, 1, 3), (3, 24, 3, 2, 3), (3, 40, 3, 2, 5), (6, 80, 3, 2, 5), (6, 96, 2, 1, 3), (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)  # fmt: skip
V3_SMALL = (  # kernel, width, channels, squeeze and excitation, stride
    (3, 16, 16, 1, 2), (3, 72, 24, 0, 2), (3, 88, 24, 0, 1), (5, 96, 40, 1, 2), (5, 240, 40, 1, 1), (5, 240, 40, 1, 1),
    (5, 120, 48, 1, 1), (5, 144, 48, 1, 1), (5, 288, 96, 1, 2), (5, 576, 96, 1, 1), (5, 576, 96, 1, 1),
)  # fmt: skip
V3_LARGE = (
    (3, 16, 16, 0, 1), (3, 64, 24, 0, 2), (3, 72, 24, 0, 1), (5, 72, 40, 1, 2), (5, 120, 40, 1, 1), (5, 120, 40, 1, 1),
    (3, 240, 80, 0, 2), (3, 200, 80, 0, 1), (3, 184, 80, 0, 1), (3, 184, 80, 0, 1), (3, 480, 112, 1, 1),
    (3, 672, 112, 1, 1), (5, 672, 160, 1, 2), (5, 960, 160, 1, 1), (5, 960, 160, 1, 1),
)  # fmt: skip


def mobilenet(name, variant):
    """Return the layers of a network; variant is ``depthwise``, ``half`` or ``full``."""
    if name == "v1":
        blocks, channels = [], 32
        for stride, filters in zip(
            (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024), strict=True
        ):
            blocks.append((3, 0, channels, filters, 0, stride))
            channels = filters
        return _network(blocks, 32, ((1024, 1000),), variant)
    if name in ("v2", "mnasnet"):
        blocks, channels = [], 32
        for expansion, filters, count, stride, *kernel in V2_STAGES if name == "v2" else MNASNET_STAGES:
            for number in range(count):
                width, expands = expansion * channels, expansion > 1
                blocks.append((*(kernel or [3]), channels * expands, width, filters, 0, 1 if number else stride))
                channels = filters
        return _network(blocks, 32, ((320, 1280), (1280, 1000)), variant, last_is_image=True)
    blocks, channels = [], 16
    for kernel, width, filters, squeezes, stride in V3_SMALL if name == "v3-small" else V3_LARGE:
        blocks.append((kernel, channels, width, filters, squeezes, stride))
        channels = filters
    last = 576 if name == "v3-small" else 960
    return _network(blocks, 16, ((channels, last), (last, 1280), (1280, 1000)), variant, last_is_image=True)


def _network(blocks, first, dense, variant, last_is_image=False):
    side, layers = 112, [("convolution", 224, 3, first, 3, 2)]
    for kernel, expanded_from, width, filters, squeezes, stride in blocks:
        if expanded_from:
            layers.append(("convolution", side, expanded_from, width, 1, 1))
        if variant == "depthwise":
            layers.append(("depthwise", side, width, width, kernel, stride))
        else:
            each = width // 2 if variant == "half" else width
            layers += 2 * [("separable", side, each, each, kernel, stride)]
        outputs = 2 * width if variant == "full" else width
        side = -(-side // stride)
        if squeezes:
            hidden = outputs // 4
            layers += [("convolution", 1, outputs, hidden, 1, 1), ("convolution", 1, hidden, outputs, 1, 1)]
        layers.append(("convolution", side, outputs, filters, 1, 1))
    for number, (channels, filters) in enumerate(dense):
        on_image = last_is_image and number == 0
        layers.append(("convolution", side if on_image else 1, channels, filters, 1, 1))
    return layers
