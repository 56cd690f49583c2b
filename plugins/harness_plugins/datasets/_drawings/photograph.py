"""The photograph: what lens, light and sensor make of the scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from harness_plugins.datasets._drawings.traits import Light, Portrait


def develop(canvas: Image.Image, who: Portrait, size: int) -> Image.Image:
    """Blur, reduce to the picture's size, light and add noise."""
    light = who.light
    if light.blur > 0.0:
        canvas = canvas.filter(ImageFilter.GaussianBlur(light.blur / 100 * canvas.width))
    small = canvas.resize((size, size), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(light.saturation)
    pixels = 128.0 + (pixels - 128.0) * np.float32(light.contrast)
    pixels *= _illumination(light, size)[:, :, None] * np.array(light.cast, dtype=np.float32)
    rng = np.random.default_rng(who.noise_seed(2))
    pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(light.noise)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _illumination(light: Light, size: int) -> NDArray[np.float32]:
    """Return the brightness of every pixel: exposure, a gradient and dark corners."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = axis[None, :], axis[:, None]
    field = 1.0 + light.slope.real * x + light.slope.imag * y - light.vignette * 2.0 * (x * x + y * y)
    return np.asarray(light.exposure * field, dtype=np.float32)
