"""The account of a stage."""

import numpy as np
import psutil
import torch

from transferlab.continual.engine.recorder import Recorder
from transferlab.core.events import ignore
from transferlab.core.peak_memory import peak_memory_bytes

MIB = 2**20


def test_the_peak_knows_what_was_held_between_two_looks():
    mark = peak_memory_bytes(torch.device("cpu"))
    missing = max(0, mark - psutil.Process().memory_info().rss)
    filler = np.ones(missing // 8)  # 8 bytes each: what comes now is more than ever
    recorder = Recorder(stage="one", listener=ignore, device=torch.device("cpu"))
    held = np.ones(100 * MIB // 8)
    del held
    assert recorder.peak_memory_bytes >= mark + 50 * MIB
    # The next stage starts anew, and does not grow.
    after = Recorder(stage="two", listener=ignore, device=torch.device("cpu"))
    assert after.peak_memory_bytes < recorder.peak_memory_bytes - 50 * MIB
    del filler
