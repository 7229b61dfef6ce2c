"""The sweep benchmark compares what can be compared, and its parts are there."""

import reference
import sweep
import torch

from srnet.runs import grouping


def test_both_sides_train_the_same_settings(monkeypatch):
    monkeypatch.setattr(grouping, "quickest_size", lambda run, runs: runs)
    monkeypatch.setattr(sweep, "EPOCHS", 1)
    ours, plain = sweep.Ours(list(range(len(sweep.SETTINGS)))), sweep.Plain()
    for run, one, settings in zip(ours.runs, plain.runs, sweep.SETTINGS, strict=True):
        assert isinstance(one, reference.Run)
        disc = run.config.disc
        group = one.optimizer.param_groups[0]
        assert (disc.lr, disc.wd) == (group["lr"], group["weight_decay"])
        assert (disc.iters, disc.gp) == (one.iters, one.gp) == (settings["iters"], settings["gp"])
        mine, its = (sum(p.numel() for p in net.parameters()) for net in (run.critic, one.critic))
        assert mine == its
    assert [len(stack) for stack in ours.stacks] == [12, 4]  # with a penalty, and without
    before = [run.critic.critic.weights[0].clone() for run in ours.runs]
    ours.train()
    assert all(
        not torch.equal(weight, run.critic.critic.weights[0])
        for weight, run in zip(before, ours.runs, strict=True)
    )


def test_seconds_of_another_process():
    clock, busy = sweep.timed(lambda: 7.0)
    assert clock < 7
    assert busy == 7
