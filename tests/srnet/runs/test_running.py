"""What every run does: the threads and the numbers it computes with."""

import pytest
import torch

from srnet.runs.running import one_thread


def halved() -> float:
    """Half of the smallest normal number, as this thread computes it."""
    return (torch.tensor(torch.finfo(torch.float32).smallest_normal) / 2).item()


@pytest.mark.parametrize("before", [False, True])
def test_a_run_has_one_thread_and_no_denormals_and_leaves_both_as_they_were(before):
    threads = torch.get_num_threads()
    torch.set_flush_denormal(before)
    try:
        with one_thread():
            assert (torch.get_num_threads(), halved()) == (1, 0)
        assert (torch.get_num_threads(), halved() == 0) == (threads, before)
    finally:
        torch.set_flush_denormal(False)
