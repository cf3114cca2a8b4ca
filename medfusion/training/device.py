"""Device and precision of a run: chosen, and refused where the hardware cannot serve them."""

from __future__ import annotations

import os
from typing import Literal

import torch

from medfusion.errors import DeviceError
from medfusion.spec import Training

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]
"""Fabric's names of the precisions."""


def choose_device(wanted: str) -> str:
    """Return "cpu", "cuda" or "mps".

    Args:
        wanted: One of these, or "auto" for the fastest there is.

    Raises:
        DeviceError: This machine, or this build of PyTorch, does not have the device.
    """
    has = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(name for name, there in has.items() if there)
    if not has[wanted]:
        there = ", ".join(name for name, found in has.items() if found)
        msg = f"training.device: {wanted} is not available here; this machine has: {there}"
        raise DeviceError(msg)
    return wanted


def loading_threads(wanted: str) -> int:
    """Return the threads that decode images while a device computes.

    A GPU leaves all cores to them (0); on a processor they share with training, which waits at
    every operation for its slowest thread, so half of the cores are left to it.

    Args:
        wanted: The device, as for `choose_device`.
    """
    if choose_device(wanted) != "cpu":
        return 0
    return max(1, _cores() // 2)


def _cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_precision(training: Training, device: str) -> Precision:
    """Return Fabric's name of the precision.

    Raises:
        DeviceError: The device has no hardware for it: emulated bf16 on a CPU is over twenty times
            slower than float32, so it is refused and not emulated.
    """
    wanted = training.precision
    if wanted == "32":
        return "32-true"
    if device == "cpu":
        if wanted == "16-mixed":
            msg = 'training.precision: 16-mixed needs a GPU; on a CPU use "32"'
            raise DeviceError(msg)
        if not cpu_has_bf16():
            msg = (
                "training.precision: this CPU has no bf16 instructions (AVX512-BF16 or AMX); "
                'emulating them is over twenty times slower than float32: use "32"'
            )
            raise DeviceError(msg)
    if device == "cuda" and wanted == "bf16-mixed" and not torch.cuda.is_bf16_supported():
        msg = 'training.precision: this GPU has no bf16; use "16-mixed" or "32"'
        raise DeviceError(msg)
    return wanted


def cpu_has_bf16() -> bool:
    """Whether the processor has bf16 matrix instructions."""
    return bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    )
