"""The conditions of a measurement, printed beside every figure."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch


def conditions(threads: int) -> str:
    """Processor, threads and versions, in one line."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "onnxruntime"))
    return f"{processor}, {threads} threads, capability {torch.backends.cpu.get_cpu_capability()}; {versions}"
