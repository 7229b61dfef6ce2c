"""The benchmark of dissection: its plain loop computes what ours does, and its parts are known."""

import dissect
import pytest
import torch
from dissect_ablation import captums, least, plain_loop
from torch.nn.functional import cross_entropy

from srnet.dissect.ablation import ablate_units
from srnet.dissect.classifiers import dense


def test_the_loop_and_captum_give_our_numbers():
    generator = torch.Generator().manual_seed(0)
    model = dense([5, 6, 4, 3], generator)
    x, y = torch.randn(8, 5, generator=generator), torch.randint(3, (8,), generator=generator)
    found = ablate_units(model, "relu2", x, y)
    assert torch.allclose(plain_loop(model, "relu2", x, 4), found.kl, atol=1e-6)
    losses = captums(model, "relu2", x, lambda z: cross_entropy(z, y, reduction="none"))
    assert torch.allclose(losses, found.loss_change, atol=1e-6)


def test_the_least_of_several_runs():
    runs = []
    wall, cpu = least(lambda: runs.append(1), 3)
    assert len(runs) == 3
    assert 0 <= wall < 1000
    assert 0 <= cpu < 1000


def test_rows_of_other_keys_have_a_table_of_their_own(monkeypatch, capsys):
    rows = [{"figure": "a", "measured": 1}, {"figure": "b", "measured": 2}, {"other": 3}]
    monkeypatch.setattr("dissect_ablation.measure", lambda: rows)
    dissect.main(["ablation"])
    lines = capsys.readouterr().out.split("\n")
    assert lines[:4] == ["ablation", "figure  measured", "a       1", "b       2"]
    assert lines[5:7] == ["other", "3"]


def test_a_part_that_is_not_there():
    with pytest.raises(SystemExit, match="unknown part 'ablations'; choose from ablation, inf"):
        dissect.main(["ablations"])
