"""Peak memory."""

import numpy as np
import psutil
import torch

from transferlab.core.peak_memory import peak_memory_bytes, reset_peak_memory


def test_the_peak_counts_bytes_and_never_falls():
    cpu = torch.device("cpu")
    before = peak_memory_bytes(cpu)
    assert before > 50 * 2**20, "a Python process with torch holds more than that"
    resident = psutil.Process().memory_info().rss
    held = np.ones((before - resident) // 8 + 25 * 2**20)  # 200 MiB over the peak, 8 bytes each
    grown = peak_memory_bytes(cpu)
    assert grown >= before + 100 * 2**20
    assert grown < 100 * before
    del held
    reset_peak_memory(cpu)
    assert peak_memory_bytes(cpu) >= grown
