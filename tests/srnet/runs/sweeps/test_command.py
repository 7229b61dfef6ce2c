"""The studies and our commands: that an agent's way and ours end in the same settings."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.config import CriticRun
from srnet.runs.generator_config import GeneratorRun
from srnet.runs.states import load_state
from srnet.runs.sweeps.command import KINDS, command_of, typed
from srnet.runs.sweeps.format import parse_sweep, read_sweep
from srnet.runs.sweeps.points import draw
from srnet.runs.values import merge

ROOT = Path(__file__).parents[4]
STUDIES = sorted((ROOT / "sweeps").glob("*.yaml"))
COMMAND = (
    'program: symdisc\ncommand: ["${env}", "${program}", critic, --config, "${args_json_file}"]'
)


def sweep_of(parameters, command=COMMAND, more="method: random"):
    return parse_sweep(f"{more}\nparameters: {parameters}\n{command}", "s.yaml")


def agent_words(monkeypatch, folder, command, program, values, run="r1"):
    """The words that wandb's own agent starts a process with, which isn't started."""
    from wandb import wandb_agent

    started = []

    def process(command, env, forward_signals):
        started.append(command)
        return SimpleNamespace(last_sigterm_time=None)

    monkeypatch.chdir(folder)
    monkeypatch.setenv("WANDB_DIR", str(folder))
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "r0")  # the agent sets its own
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", "")
    monkeypatch.setattr(wandb_agent, "AgentProcess", process)
    agent = wandb_agent.Agent(api=None, queue=None, sweep_id="s1")
    agent._sweep_command = list(command)
    # as W&B's server sends them: parameters nested in one are in its value
    args = {key: {"value": value} for key, value in values.items()}
    agent._command_run({"run_id": run, "program": program, "args": args})
    return started[0]


def nested(sweep, values):
    """Values by dotted keys, nested where the file nests and dotted where it does not."""
    found = {}
    for one in sweep.parameters:
        names = [name for name in one.path if name != "parameters"]
        below = found
        for name in names[:-1]:
            below = below.setdefault(name, {})
        below[names[-1]] = values[one.key]
    return found


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_run_both_ways(monkeypatch, tmp_path, path):
    """What the agent's words are read as is what the engine trains with, at 5 random points."""
    sweep = read_sweep(path)
    command = command_of(sweep)
    assert command.kind == ("fit" if path.stem == "generator" else "critic")
    model = KINDS[command.kind].settings
    for number in range(5):
        values = draw(sweep.parameters, 0, number)
        args = (monkeypatch, tmp_path, sweep.command, sweep.program, nested(sweep, values))
        words = agent_words(*args, run=f"r{number}")
        assert words[:3] == ["/usr/bin/env", "symdisc", command.kind]
        assert parse_args(model, words[3:], "", "") == command.settings(values)
        assert all(value is not None for value in typed(command, values).values())


def test_the_studies_are_those_of_the_issue():
    spaces = {}
    for path in STUDIES:
        laws = {one.key: one.law for one in read_sweep(path).parameters}
        spaces[path.stem] = {
            key: list(law.support()) if law.support() is not None else (law.min, law.max)
            for key, law in laws.items()
        }
    plain = spaces.pop("critic-plain")
    assert (plain["disc.hid_num"], plain["disc.iters"]) == ([2, 4, 6, 8], [1, 3, 5, 10])
    assert (plain["disc.hid_size"][0], plain["disc.hid_size"][-1]) == (64, 512)
    assert plain["disc.lr"] == (1e-5, 1e-2)
    assert (plain["disc.gp"][0], plain["disc.gp"][-1]) == (0, 1e-3)
    assert plain["arch.lat_size"] == [1, 3, 5, 10]
    generator = spaces.pop("generator")
    assert [depths[0] for depths in generator["arch.hid_num"]] == [2, 3, 4]
    assert generator["arch.hid_size"] == [32, 64, 128]
    assert generator["lr"] == generator["disc.lr"] == (1e-5, 1e-3)
    assert (generator["sd"], generator["disc.iters"]) == ((1e-4, 1e2), [1, 5, 10])
    assert generator["sd_fun"] == ["linear", "sigmoid", "logsigmoid"]
    for space in spaces.values():
        depths, sizes = space["disc.hid_num"], space["disc.hid_size"]
        assert (depths[0], depths[-1], sizes[0], sizes[-1]) == (
            [2, 2],
            [2, 16],
            [64, 64],
            [64, 512],
        )
        assert (space["disc.lr"], space["disc.gp"]) == ((1e-5, 1e-3), (1e-6, 1e-4))
        assert (space["disc.iters"], space["arch.lat_size"]) == ([1, 3, 5], [1, 3, 5])
    seen = {name: (space["ext"], space["ext_type"]) for name, space in spaces.items()}
    assert seen == {
        "critic-inputs-embedded": (["input"], ["embed"]),
        "critic-gradients-embedded": (["grad"], ["embed"]),
        "critic-gradients-stacked": (["grad"], ["stack"]),
    }


BOTH = """
import json, os, sys
from srnet.runs.cli import main
for run, words in json.loads(sys.argv[1]).items():
    os.environ["WANDB_RUN_ID"] = run
    assert main(words) == 0
"""


def test_runs_of_an_agent(monkeypatch, tmp_path):
    """Run with the agent's words and environment, two trials get states of their own."""
    for folder in ("data", "funs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    sweep = sweep_of("{epochs: {value: 2}, disc: {parameters: {hid_size: {values: [4, 8]}}}}")
    words = {}
    for run, size in (("r1", 4), ("r2", 8)):
        values = {"epochs": 2, "disc": {"hid_size": size}}
        args = (monkeypatch, tmp_path, sweep.command, sweep.program, values, run)
        words[run] = agent_words(*args)[2:]
        assert json.loads(Path(words[run][-1]).read_text()) == values
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ended = subprocess.run([sys.executable, "-c", BOTH, json.dumps(words)], capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
    for run, size in (("r1", 4), ("r2", 8)):
        state = load_state(f"models/F10_v1-plain-seed0-{run}.pt")
        assert state["hyperparams"]["disc"]["hid_size"] == size


def test_settings_are_merged_into_the_defaults():
    settings = command_of(sweep_of("{disc.lr: {values: ['1e-3']}}")).settings({"disc.lr": "1e-3"})
    expected = merge(CriticRun().model_dump(), {"disc.lr": 1e-3})
    assert settings.model_dump() == expected
    sweep = sweep_of("{disc: {values: [{lr: 1e-3, hid_num: [1, 2]}, {wd: 0}]}}")
    settings = command_of(sweep).settings({"disc": {"lr": "1e-3", "hid_num": [1, 2]}})
    assert (settings.disc.lr, settings.disc.hid_num, settings.disc.wd) == (1e-3, (1, 2), 1e-4)


@pytest.mark.parametrize(
    "command",
    [
        "command: [symdisc, critic, '--config', '${args_json_file}', '--seed', '4', '--rows=all']",
        "command: [/usr/bin/env, /opt/bin/symdisc, critic, '${args}', '--seed=4', '--rows', all]",
        "program: symdisc\ncommand: ['${program}', critic, '${args_no_boolean_flags}', --seed, "
        "'${envvar:OUR_SEED}', --rows=all]",
    ],
)
def test_commands_in_all_spellings(monkeypatch, tmp_path, command):
    monkeypatch.setenv("OUR_SEED", "4")
    space = "{disc: {parameters: {hid_num: {values: [[1, 2]]}}}, shuffle: {value: true}}"
    sweep = sweep_of(space, command)
    settings = command_of(sweep).settings({"disc.hid_num": [1, 2], "shuffle": True})
    assert (settings.disc.hid_num, settings.shuffle) == ((1, 2), True)
    assert (settings.seed, settings.rows) == (4, "all")
    values = {"disc": {"hid_num": [1, 2]}, "shuffle": True}
    words = agent_words(monkeypatch, tmp_path, sweep.command, sweep.program, values)
    assert parse_args(CriticRun, words[words.index("critic") + 1 :], "", "") == settings


def test_words_added_to_the_command():
    command = command_of(sweep_of("{epochs: {value: 5}}"), ["--epochs", "7"])
    assert command.settings({"epochs": 5}).epochs == 7


@pytest.mark.parametrize("words", [["--disc.lr", "0.5"], ["--disc.lr=0.5"]])
def test_words_that_would_make_all_trials_alike(words):
    sweep = sweep_of("{disc.lr: {values: [1e-4, 1e-3]}, epochs: {value: 3}}")
    with pytest.raises(InputError, match=r"--disc\.lr.*the sweep varies disc\.lr, and every trial"):
        command_of(sweep, words)
    assert command_of(sweep, ["--epochs", "2"]).settings({"disc.lr": 1e-3}).epochs == 2


def test_generators():
    text = "command: [symdisc, fit, --config, '${args_json_file}']\nmetric: {name: min_corr}"
    command = command_of(sweep_of("{sd_fun: {values: [linear]}}", text))
    assert isinstance(command.settings({"sd_fun": "linear"}), GeneratorRun)
    assert command.metric.name == "min_corr"


@pytest.mark.parametrize(
    ("parameters", "more", "told"),
    [
        ("{disc.lrr: {value: 1}}", "", "s.yaml:2: parameters.disc.lrr: symdisc critic: disc.lrr: "
         "unknown key; did you mean 'lr'?"),
        ("{disc: {parameters: {lr: {min: -1.0, max: 1.0}}}}", "", "s.yaml:2: parameters.disc."
         "parameters.lr: symdisc critic: disc.lr: got -0.999999998, expected a number > 0"),
        ("{disc.lr: {distribution: normal}}", "", "parameters.disc.lr: symdisc critic: disc.lr: "
         "got -3.09"),
        ("{disc.hid_num: {values: [2, [2, 4], [1, 2, 3]]}}", "", "got [1, 2, 3], expected a whole"),
        ("{epochs: {min: 0.5, max: 9.5}}", "", "parameters.epochs: symdisc critic: epochs: got "),
        ("{arch: {value: 3}}", "", "parameters.arch: symdisc critic: arch: got 3, expected any of"),
        ("{name: {value: a}}", "", "parameters.name: name says where a run is kept"),
        ("{disc: {value: {lr: 1}}, disc.lr: {value: 1}}", "", "parameters.disc.lr: disc.lr is "
         "given twice, first in line 2"),
        ("{sd: {value: 1}}", "", "parameters.sd: symdisc critic: sd: unknown key"),
        ("{seed: {value: 1}}", "metric: {name: accuracy}", "metric.name: no run of symdisc critic "
         "reports 'accuracy'; "),
        ("{seed: {value: 1}}", "metric: {name: auroc}\nearly_terminate: {type: hyperband, "
         "min_iter: 3}", "metric.name: 'auroc' is known only when a run is over; for early_"),
    ],
)  # fmt: skip
def test_what_the_runs_do_not_know(parameters, more, told):
    with pytest.raises(InputError) as error:
        command_of(sweep_of(parameters, f"{COMMAND}\n{more}"))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("", "s.yaml:1: command: missing; expected a command of symdisc"),
        ("program: train.py", "s.yaml:1: command: missing; expected a command of symdisc"),
        ("program: train.py\ncommand: ['${env}', '${program}', critic, '${args}']",
         "s.yaml:3: program: got train.py critic ${args}; expected a command of symdisc"),
        ("command: [python, train.py, '${args}']", "s.yaml:3: command: got python train.py"),
        ("command: ['${program}', critic, '${args}']", "program: missing, and the command has"),
        ("command: [symdisc]", "command: got symdisc; expected a command of symdisc"),
        ("command: [symdisc, critc, '${args}']", "symdisc critc isn't of one run; did you mean "
         "'critic'?"),
        ("command: [symdisc, data, '${args}']", "command: symdisc data isn't of one run"),
        ("command: [symdisc, critic]", "command: the values of a trial are nowhere in it"),
        ("command: [symdisc, critic, '${args_json}']", "command: ${args_json} isn't read by"),
        ("command: [symdisc, critic, '${args_json_file}']", "command: expected --config before"),
        ("command: [symdisc, critic, '${args}', --sed=1]", "s.yaml:3: command: command line: sed: "
         "unknown key; did you mean 'seed'?"),
    ],
)  # fmt: skip
def test_programs_that_are_not_ours(command, told):
    with pytest.raises(InputError) as error:
        command_of(sweep_of("{epochs: {value: 5}}", command))
    assert told in str(error.value)
