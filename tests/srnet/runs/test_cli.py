"""The command line: what its commands write and say, and one sentence for every mistake."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from srnet.runs.cli import COMMANDS, main
from srnet.runs.states import load_state

ROOT = Path(__file__).parents[3]
START = "import sys; from srnet.runs.cli import main; status = main(); {}; sys.exit(status)"
POINTS = 40
TINY = ["--epochs=3", "--disc.hid_size=8", "--arch={'lat_size': 2, 'hid_size': 8}"]
HERE = ["--data=tables", "--in_var=X50", "--library=small.lib", *TINY]


class Touch:
    """Its pickle makes a file named marker when it is run."""

    def __reduce__(self):
        return os.system, ("touch marker",)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a table of one variable, its splits, and a library."""
    monkeypatch.chdir(tmp_path)
    write_table(np.linspace(-2, 2, POINTS))
    joblib.dump({"train": np.arange(30), "test": np.arange(POINTS) >= 30}, "tables/X50.mask")
    Path("small.lib").write_text("N0*x0**2 + N1\nN0*X50[:,0]*sin(2*U0*x0)\n")
    return tmp_path


def write_table(rows, fmt="%.6f"):
    Path("tables").mkdir(exist_ok=True)
    np.savetxt("tables/X50.gz", rows, fmt=fmt)


def files():
    """Every file and folder, with the bytes of the files."""
    return {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}


def says(capsys, *argv):
    """What a command that goes well prints."""
    status, told = main(argv), capsys.readouterr()
    assert (status, told.err) == (0, "")
    return told.out


def refuses(capsys, *argv):
    """The sentence of a command that is refused, which leaves everything as it was."""
    before = files()
    status, told = main(argv), capsys.readouterr()
    assert status == 2
    assert told.out == ""
    assert told.err.startswith("symdisc: ")
    assert told.err.count("\n") == 1
    assert told.err.endswith("\n")
    assert files() == before
    return told.err


def start(*argv, end="pass"):
    """The command in a process of its own."""
    environment = {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "PATH": os.environ["PATH"]}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", START.format(end), *argv],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- help -----------------------------------------------------------------------------------


def test_help_is_quick_and_imports_nothing_heavy():
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        ended = start("--help", end="print(*sorted(sys.modules))")
        shown, told = ended.communicate(timeout=60)
        seconds.append(time.perf_counter() - began)
        assert (ended.returncode, told) == (0, "")
    *_, modules = shown.splitlines()
    assert not {"torch", "numpy", "sympy", "pydantic", "matplotlib"} & set(modules.split())
    assert min(seconds) < 0.5
    assert all(f"  {command} " in shown for home in COMMANDS.values() for command in home)


def test_no_words_are_a_mistake_and_each_command_has_help(capsys):
    assert main([]) == 2
    assert capsys.readouterr().out.startswith("usage: symdisc COMMAND")
    for command in (name for home in COMMANDS.values() for name in home):
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        assert f"symdisc {command}" in capsys.readouterr().out


# -- what the commands do -------------------------------------------------------------------


def test_data(capsys):
    assert says(capsys, "data", "F08", "F10", "--folder=new") == "8 files written to new\n"
    names = {"F08.gz", "F08.info", "G08.gz", "G08.info", "X08.gz", "X08.mask", "X10.gz", "X10.mask"}
    assert {path.name for path in Path("new").iterdir()} == names
    for name in names:
        assert (Path("new") / name).read_bytes() == (ROOT / "data" / name).read_bytes()


def test_critic_with_a_file_and_flags_in_all_spellings(capsys):
    Path("run.yaml").write_text("epochs: 7\ndisc: {lr: 1e-3, hid_size: 16}\nseed: 4\n")
    words = ["--config", "run.yaml", "--arch.hid_num", "1", "0", "--disc.betas=[0.5,0.9]"]
    words += ["--arch={'lat_size': 2, 'hid_size': 8}", "--name", "mine", "--ext", "grad", "input"]
    shown = says(capsys, "critic", *HERE[:3], *words, "--epochs", "4")
    state = load_state("models/mine.pt")
    assert len(state["times"]) == 4
    found = state["hyperparams"]
    assert (found["arch"]["hid_num"], found["arch"]["lat_size"]) == ([1, 0], 2)
    assert (found["disc"]["lr"], found["disc"]["betas"]) == (1e-3, [0.5, 0.9])
    assert (found["ext"], found["disc"]["hid_size"], state["seed"]) == (["input", "grad"], 16, 4)
    assert state["points"].shape == (30, 1)  # the training rows
    header, row, place = shown.splitlines()
    assert header.split()[:2] == ["name", "sees"]
    assert row.split()[:3] == ["mine", "input+grad", "stack"]
    assert "4/4" in row
    assert place == "state: models/mine.pt"


def test_critic_again_and_resumed(capsys):
    says(capsys, "critic", *HERE, "--rows=all", "--out=states")
    first = load_state("states/small-plain-seed0.pt")
    assert first["points"].shape == (POINTS, 1)
    assert "add --resume to go on" in refuses(capsys, "critic", *HERE, "--out=states")
    longer = ["--rows=all", "--out=states", "--epochs=5", "--resume"]
    assert "5/5" in says(capsys, "critic", *HERE, *longer)
    resumed = load_state("states/small-plain-seed0.pt")
    assert len(resumed["times"]) == 5
    assert resumed["times"][:3] == first["times"]
    assert resumed["history"]["loss"][:3] == first["history"]["loss"]


def test_a_process_stopped_by_ctrl_c_ends_well_and_is_resumed():
    """A real one, as a terminal or a cluster would stop it."""
    long = [*HERE, "--epochs=100000000", "--checkpoint_every=5", "--name=long"]
    running = start("critic", *long)
    while not Path("models/long.pt").exists():
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    shown, told = running.communicate(timeout=60)
    assert (running.returncode, told) == (0, "")
    assert "interrupted" in shown
    before = load_state("models/long.pt")
    assert before["ended"] == "interrupted"
    ended = start("critic", *long, "--runtime=0.1", "--resume")
    assert ended.communicate(timeout=60)[1] == ""
    after = load_state("models/long.pt")
    assert (ended.returncode, after["ended"]) == (0, "runtime")
    done = len(before["times"])
    assert len(after["times"]) > done
    assert after["history"]["acc"][:done] == before["history"]["acc"]


def test_training_that_becomes_non_finite():
    """Status 2 and the epoch's number; the last good state is kept, and nothing is raised."""
    ended = start("critic", *HERE, "--disc.lr=1e25", "--epochs=50", "--name=mad")
    shown, told = ended.communicate(timeout=60)
    state = load_state("models/mad.pt")
    assert ended.returncode == 2
    (line,) = told.splitlines()
    assert line.startswith(f"symdisc: training became {state['ended']}")
    assert state["ended"] in shown
    assert all(tensor.isfinite().all() for tensor in state["critic"].values())


def test_a_mistake_in_a_process_of_its_own():
    ended = start("critic", *HERE, "--disc.lrr=1")
    shown, told = ended.communicate(timeout=60)
    line = "symdisc: command line: disc.lrr: unknown key; did you mean 'lr'?\n"
    assert (ended.returncode, shown, told) == (2, "", line)
    assert not Path("models").exists()


def test_output_that_nobody_reads():
    for words in (["runs", "tables"], ["--help"]):
        with start(*words) as ended:
            ended.stdout.close()
            assert (ended.wait(timeout=60), ended.stderr.read()) == (0, "")


def test_ctrl_c_outside_a_run(capsys, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("srnet.runs.commands.states.runs", interrupt)
    assert main(["runs"]) == 130
    assert capsys.readouterr().err == "symdisc: interrupted\n"


# -- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("N0*x0 +", "small.lib:1:8: syntax error"),
        ("N0*sine(x0)", "small.lib:1:4: unknown function 'sine'; did you mean 'sin'?"),
        ("N0*y0", "unknown name 'y0'"),
        ("x0.real", "'x0.real' isn't allowed"),
        ("sin(x=x0)", "by keyword"),
        ("'x0'", "isn't allowed"),
        ("lambda: x0", "isn't allowed"),
        ("__import__('os').system('touch marker')", "only a function by its name"),
        ("__import__(x0)", "unknown function '__import__'"),
        ("x0**9**9**9", "the exponent is beyond 100"),
        ("(" * 300 + "x0" + ")" * 300, "too many nested parentheses"),
        ("-" * 100 + "x0", "levels deep"),
        ("N0*x0*x1", "'N0*x0*x1' uses x1, but the points have 1 columns"),
        ("N0*x0\nX07[:,0]", "small.lib:2:1: the table 'X07' isn't the one at hand"),
        ("N0*x0**2; N0*x0", "small.lib:1:11: the derivative by x0 is written 'N0*x0'"),
        ("", "small.lib: no template found"),
        ("N0\nlog(x0)", "small.lib:2: 'log(x0)' isn't a finite real number at 20 of the 30"),
        ("sqrt(x0 - 5)", "isn't a finite real number at 30 of the 30 points"),
        ("exp(exp(x0 + 9))", "isn't a finite real number at 30 of the 30 points"),
    ],
)
def test_libraries(capsys, line, words):
    Path("small.lib").write_text(line)
    assert words in refuses(capsys, "critic", *HERE)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1\n2\nnan\n4\n", "tables/X50.txt:3: nan in row 2, column 0"),
        ("1 2\n3 4\n5\n", "tables/X50.txt:3: the row has 1 columns, expected 2"),
        ("1\ntwo\n", "tables/X50.txt:2: 'two' in column 0"),
        ("", "holds no numbers"),
        ("1\n2\n3\n", "rows from 0 to 2"),  # of the mask
    ],
)
def test_tables(capsys, rows, words):
    Path("tables/X50.gz").unlink()
    Path("tables/X50.txt").write_text(rows)
    assert words in refuses(capsys, "critic", *HERE)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (np.array([0, POINTS]), "tables/X50.mask: train has row 40, expected rows from 0 to 39"),
        (np.ones(POINTS - 1, bool), "train is a mask of 39 rows, but the table has 40"),
        (np.zeros(POINTS, bool), "train selects no rows"),
        (np.array([0.5, 1.5]), "expected row numbers or a mask"),
        (Touch(), "tables/X50.mask holds posix.system, which was refused and not executed"),
    ],
)
def test_masks(capsys, train, words):
    joblib.dump({"train": train}, "tables/X50.mask")
    assert words in refuses(capsys, "critic", *HERE)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--in_var=X51"], "there is no table tables/X51.gz"),
        (["--in_var=X50[:,3]"], "columns 0 to 0"),
        (["--rows=validation"], "has no split 'validation'"),
        (["--library=smal.lib"], "smal.lib: no such file; did you mean 'small.lib'?"),
        (["--disc.lrr=1"], "command line: disc.lrr: unknown key; did you mean 'lr'?"),
        (["--disc.lr=fast"], "command line: disc.lr: got 'fast', expected a number > 0"),
        (["--arch={'hid_num': [2, 0"], "command line: --arch:1:"),
        (["--ext=gradient"], "expected none, 'input', 'grad' or a list of them"),
        (["--disc.loss_fun=bec"], "expected 'bce' or 'wasserstein'"),
        (["--batch_size=700"], "batch_size is 700, but the data has 30 points"),
        (["--disc.emb_size=2"], "disc.emb_size is 2"),
        (["--disc.conv_arch=[4,'M','M','M','M','M']"], "pools the 30 points of a curve to none"),
        (["--arch.hid_type=DSN", "--arch.hid_kwargs.alpha=[[1]]"], "a row for each of 2 units"),
        (["--config=none.yaml"], "none.yaml: No such file"),
        (["--name=a/b"], "command line: name: got 'a/b'"),
        (["--out=small.lib"], "small.lib/small-plain-seed0.pt: can't be written"),
        (["--resume"], "models/small-plain-seed0.pt: no such state"),
        (["--device=cuda:9"], "device is 'cuda:9', but torch sees no GPU here"),
    ],
)
def test_settings(capsys, monkeypatch, words, sentence):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert sentence in refuses(capsys, "critic", *HERE, *words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epoch: 3\n", "run.yaml: epoch: unknown key; did you mean 'epochs'?"),
        ("disc: {hid_nun: 2}\n", "run.yaml: disc.hid_nun: unknown key; did you mean 'hid_num'?"),
        ("disc: 3\n", "run.yaml: disc: got 3, expected any of its keys"),
        ("disc: {lr: [1\n", "run.yaml:2:1: "),
        ("- 1\n", "run.yaml: got [1], expected keys and values"),
        ("seed: !!python/object/apply:os.system ['touch marker']\n", "run.yaml:1:7: "),
    ],
)
def test_config_files(capsys, text, sentence):
    Path("run.yaml").write_text(text)
    assert sentence in refuses(capsys, "critic", *HERE, "--config", "run.yaml")


def test_states(capsys):
    """What --resume finds there isn't a state of this run, or no state at all."""
    assert main(["critic", *HERE, "--name=one"]) == 0
    capsys.readouterr()
    path, content = Path("models/one.pt"), Path("models/one.pt").read_bytes()
    again = [*HERE, "--name=one", "--resume"]
    assert "disc.lr was 0.0001 and is now 0.5" in refuses(capsys, "critic", *again, "--disc.lr=0.5")
    assert "batch_size was 30 and is now 10" in refuses(capsys, "critic", *again, "--rows=test")
    assert "did you mean 'one.pt'" in refuses(capsys, "critic", *HERE, "--name=on", "--resume")
    path.write_bytes(content[: len(content) // 2])
    assert "models/one.pt: not a whole state" in refuses(capsys, "critic", *again)
    path.write_bytes(pickle.dumps(Touch()))
    assert "refused and not executed" in refuses(capsys, "critic", *again)
    torch.save({"format": "critic 1", "seed": Touch()}, path)
    assert "nothing in it was run" in refuses(capsys, "critic", *again)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["critc"], "unknown command 'critc'; did you mean 'critic'?"),
        (["critic", "word"], "got 'word', expected a flag"),
        (["data", "F99"], "F99"),
        (["data", "F08", "--folder=small.lib"], "small.lib"),
        (["compare", "--seeds=0"], "seeds: got '0'"),
        (["compare", "--data=none"], "there is no table none/X10.gz"),
        (["runs", "none"], "none: no such folder of states"),
        (["runs", "--all"], "command line: all: unknown key"),
    ],
)
def test_other_commands(capsys, words, sentence):
    assert sentence in refuses(capsys, *words)
