"""The study: its cells, going on, the table, the command."""

import csv
import multiprocessing
import random
import signal
import time

import pytest

from sdnet.errors import InputError
from srnet.reading import ToyOP
from srnet.runs import lesion_study, list_runs
from srnet.runs.cli import main
from srnet.runs.lesions import study as room
from srnet.runs.lesions.study import summary
from srnet.runs.reading import load_reading, save_reading
from srnet.runs.states import save_state

TINY = {"h_units": 4, "c_units": 2, "ticks": 6, "epochs": 5, "retrain": 4, "every": 3}
DAMAGES = ["cut:hp", "zero_out:pp=0.2,0.8"]


def study(out, damages=DAMAGES, **settings):
    return lesion_study(damages, TINY, **{"seeds": (0, 1), "out": out, "jobs": 1, **settings})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return study(tmp_path_factory.mktemp("study"))


def test_every_damage_seed_and_optimizer_has_a_row_for_each_measurement(done):
    conditions = [("undamaged", None), ("cut:hp", None), ("zero_out:pp", 0.2), ("zero_out:pp", 0.8)]
    expected = [
        (*condition, optimizer, seed, epoch)
        for condition in conditions
        for optimizer in ("carried", "fresh")
        for seed in (0, 1)
        for epoch in (0, 3, 4)
    ]
    keys = ("damage", "severity", "optimizer", "seed", "epoch")
    assert [tuple(row[key] for key in keys) for row in done.rows] == expected
    with done.table.open() as file:
        written = list(csv.DictReader(file))
    assert [float(row["tick_accuracy"]) for row in written] == [
        row["tick_accuracy"] for row in done.rows
    ]
    assert [row["wrong"] for row in written] == [row["wrong"] for row in done.rows]
    assert load_reading(done.out / "network-seed0.pt").units["hidden"] == 4


def test_its_networks_are_listed(done):
    assert list_runs(done.out)[1] == {
        "name": "network-seed1",
        "model": "PMSP",
        "units": "20-4-9-2",
        "connections": "oh ph hp pp cp pc",
        "lesions": 0,
    }


def test_what_is_finished_is_not_run_again(done, monkeypatch):
    before, rows = done.table.read_bytes(), done.rows
    lost = done.out / "cells" / "cut-hp-fresh-seed1.json"
    lost.unlink()
    ran = []
    run = room.run_cell
    monkeypatch.setattr(
        room, "run_cell", lambda net, cell, p: ran.append(cell) or run(net, cell, p)
    )
    assert study(done.out).rows == rows
    assert [cell.name for cell in ran] == ["cut-hp-fresh-seed1"]
    assert done.table.read_bytes() == before
    more = study(done.out, [*DAMAGES, "apply_l2=0.1"])  # more of the same protocol
    assert {cell.damage.name for cell in ran[1:]} == {"apply_l2"}
    assert more.rows[: len(rows)] == rows


def test_processes_give_the_same_table(done, tmp_path):
    together = study(tmp_path, jobs=2)
    assert together.rows == done.rows


def test_kills_lose_nothing(tmp_path):
    """Killed at four moments after a file was written, or in the writing of the next."""
    settings = {"damages": ["cut:hp"], "protocol": TINY, "seeds": (0, 1), "jobs": 1}
    undisturbed = lesion_study(**settings, out=tmp_path / "undisturbed")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["srnet.runs.lesions.study"])
    moments, out = random.Random(0), tmp_path / "killed"

    def files():
        return len([path for path in out.rglob("*") if path.suffix in (".pt", ".json")])

    for _ in range(4):
        process = context.Process(target=lesion_study, kwargs={**settings, "out": out})
        process.start()
        seen = files()
        while process.is_alive() and files() <= seen:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.01))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "the study ended before it could be killed"
    assert seen > 1
    again = lesion_study(**settings, out=out)
    assert again.table.read_bytes() == undisturbed.table.read_bytes()


def test_summary_is_of_means_over_seeds():
    def row(damage, seed, epoch, words, optimizer="carried"):
        return {
            "damage": damage,
            "severity": None,
            "optimizer": optimizer,
            "seed": seed,
            "epoch": epoch,
            "tick_accuracy": words / 2,
            "word_accuracy": words,
        }

    rows = [row("undamaged", seed, epoch, 1.0) for seed in (0, 1) for epoch in (0, 9)]
    rows += [row("cut:hp", seed, 0, [0.2, 0.4][seed]) for seed in (0, 1)]
    rows += [row("cut:hp", seed, 9, [0.5, 0.8][seed]) for seed in (0, 1)]
    control, cut = summary(rows)
    assert control["regained carried"] is None
    assert cut["seeds"] == 2
    assert cut["ticks"] == pytest.approx(0.15)
    assert cut["words"] == pytest.approx(0.3)
    assert cut["words carried"] == pytest.approx(0.65)
    assert cut["regained carried"] == pytest.approx(0.5)  # 0.35 of 0.7


@pytest.mark.parametrize(
    ("damages", "settings", "message"),
    [
        (["cut:hq"], {}, "damage 'cut:hq': .*no connection 'hq'; choose from oh"),
        (["shrink:hiden"], {}, "damage 'shrink:hiden=0.1': .*did you mean 'hidden'"),
        (["shrink:hidden=0.95"], {}, "all 4 units of hidden would be removed"),
        (["zero_out:pp=1"], {}, r"expected a number in \[0, 1\)"),
        ([], {}, "no damages are given"),
        (["cut:hp"], {"seeds": ()}, "no seeds are given"),
        (["cut:hp"], {"seeds": (0, -1)}, "a seed is -1"),
        (["cut:hp"], {"jobs": 0}, "the number of jobs is 0"),
        (["cut:hp"], {"optimizers": ("fresch",)}, "did you mean 'fresh'"),
        (["cut:hp"], {"table": "a.txt"}, "ends in .csv or .parquet"),
    ],
)
def test_bad_input_is_told_before_anything_is_trained(tmp_path, damages, settings, message):
    with pytest.raises(InputError, match=message):
        study(tmp_path / "new", damages, **settings)
    assert not (tmp_path / "new").exists()


def test_bad_protocols(tmp_path, done):
    with pytest.raises(InputError, match="protocol: epoch: unknown key; did you mean 'epochs'"):
        lesion_study(["cut:hp"], {"epoch": 1}, out=tmp_path)
    with pytest.raises(InputError, match="ticks is 7; expected a multiple of 3"):
        lesion_study(["cut:hp"], {**TINY, "ticks": 7}, out=tmp_path)
    with pytest.raises(InputError, match=r"tau is 2\.0"):
        lesion_study(["cut:hp"], {**TINY, "tau": 2}, out=tmp_path)
    with pytest.raises(InputError, match=r"epochs was 5 and is now 6; .* another folder \(--out\)"):
        lesion_study(["cut:hp"], {**TINY, "epochs": 6}, out=done.out)


def test_a_cell_that_cannot_be_run_is_named(tmp_path, monkeypatch):
    def refused(*_):
        raise InputError("activations aren't finite")

    monkeypatch.setattr(room, "run_cell", refused)
    with pytest.raises(InputError, match=r"^undamaged-carried-seed0: activations aren't finite"):
        study(tmp_path, ["cut:hp"], seeds=(0,))


def test_files_of_others(tmp_path):
    study(tmp_path, ["cut:hp"], seeds=(0,))
    (tmp_path / "cells" / "cut-hp-fresh-seed0.json").write_text("{")
    with pytest.raises(InputError, match=r"cut-hp-fresh-seed0.json: isn't a file .* remove it"):
        study(tmp_path, ["cut:hp"], seeds=(0,))
    save_state(tmp_path / "law.pt", {"format": "network 1", "widths": [], "weights": {}})
    with pytest.raises(InputError, match=r"law\.pt: holds no model of reading"):
        load_reading(tmp_path / "law.pt")


def test_a_reading_model_on_disk_is_the_same(tmp_path, done):
    model = load_reading(done.out / "network-seed1.pt")
    save_reading(tmp_path / "again.pt", model)
    x = ToyOP(6).x
    assert (load_reading(tmp_path / "again.pt")(x)["phonology"] == model(x)["phonology"]).all()
    assert load_reading(tmp_path / "again.pt").moments.keys() == {"steps", "first", "second"}


WORDS = ["--damages", "cut:hp", "zero_out:pp=0.2,0.8", "--seeds", "1", "--jobs", "1"]
WORDS += [f"--{key}={value}" for key, value in TINY.items()]


def test_command(tmp_path, capsys):
    places = [f"--out={tmp_path / 'study'}", f"--figures={tmp_path / 'figures'}"]
    table = f"--table={tmp_path / 'found.parquet'}"
    assert main(["lesion", *WORDS, *places, table]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "damaging 1 networks in 1 processes: cut:hp, zero_out:pp=0.2,0.8"
    assert lines[1].startswith("damage       severity  seeds  ticks")
    assert [line.split()[:2] for line in lines[2:6]] == [
        ["undamaged", "-"],
        ["cut:hp", "-"],
        ["zero_out:pp", "0.2"],
        ["zero_out:pp", "0.8"],
    ]
    assert (tmp_path / "found.parquet").stat().st_size > 1000
    for name in ("severity", "recovery", "lost-words"):
        assert (tmp_path / "figures" / f"lesions-{name}.png").stat().st_size > 5000
    assert main(["lesion", "--damages", "zeroout:pp", *places]) == 2
    assert "did you mean 'zero_out'" in capsys.readouterr().err


def test_interrupted(tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "run_cell", interrupted)
    assert main(["lesion", *WORDS, f"--out={tmp_path}"]) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().out
