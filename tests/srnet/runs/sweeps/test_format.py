"""Sweep files: what is read, that W&B reads the same, and what is said of mistakes."""

import warnings
from pathlib import Path

import pytest
import yaml

from sdnet.errors import InputError
from srnet.runs.sweeps.format import Hyperband, Metric, parse_sweep, read_sweep
from srnet.runs.sweeps.laws import Categorical, Constant, IntUniform, Uniform

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it is written for an older pydantic
    from sweeps.config import schema_violations_from_proposed_config as violations

ROOT = Path(__file__).parents[4]
STUDIES = sorted((ROOT / "sweeps").glob("*.yaml"))
HEAD = "method: random\nparameters:\n"
WHOLE = """
name: whole
description: everything that a file can hold
project: p
entity: e
program: symdisc
command: ["${env}", "${program}", critic, --config, "${args_json_file}"]
method: bayes
run_cap: 12
metric: {name: acc, goal: maximize, target: 0.99}
early_terminate: {type: hyperband, min_iter: 3, eta: 2}
parameters:
  epochs: {value: 10}
  ext: {values: [[], [grad], [input, grad]]}
  disc.lr: {distribution: log_uniform_values, min: 1.0e-5, max: 1.0e-2}
  arch:
    parameters:
      lat_size: {min: 1, max: 5}
      hid_kwargs:
        parameters:
          prune: {min: 0.0, max: 0.5}
"""


def refusal(text):
    with pytest.raises(InputError) as told:
        parse_sweep(text, "s.yaml")
    return str(told.value)


def test_a_whole_file():
    sweep = parse_sweep(WHOLE, "whole.yaml")
    laws = {parameter.key: parameter.law for parameter in sweep.parameters}
    assert laws["epochs"] == Constant(value=10)
    assert laws["ext"] == Categorical(values=[[], ["grad"], ["input", "grad"]])
    assert laws["arch.lat_size"] == IntUniform(min=1, max=5)
    assert laws["arch.hid_kwargs.prune"] == Uniform(min=0, max=0.5)
    assert (laws["disc.lr"].min, laws["disc.lr"].max) == (1e-5, 1e-2)
    assert sweep.metric == Metric(name="acc", goal="maximize", target=0.99)
    assert sweep.early_terminate == Hyperband(type="hyperband", min_iter=3, eta=2, strict=False)
    assert (sweep.method, sweep.run_cap, sweep.program) == ("bayes", 12, "symdisc")
    assert (sweep.name, sweep.project, sweep.entity) == ("whole", "p", "e")
    assert sweep.command[-1] == "${args_json_file}"


def test_json_is_read_too():
    sweep = parse_sweep('{"method": "grid", "parameters": {"a": {"values": [1, 2]}}}', "s.json")
    assert sweep.parameters[0].law.values == [1, 2]


def test_numbers_that_yaml_reads_as_text():
    law = parse_sweep(f"{HEAD}  lr: {{min: 1e-5, max: 1e-2}}", "s").parameters[0].law
    assert law == Uniform(min=1e-5, max=1e-2)
    text = f"{HEAD}  n: {{distribution: q_normal, mu: '2', q: 1e-1}}"
    assert (parse_sweep(text, "s").parameters[0].law.q, yaml.safe_load("1e-1")) == (0.1, "1e-1")


# -- W&B's own schema -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        "{value: 3}",
        "{value: [1, 2]}",
        "{value: null}",
        "{distribution: constant, value: a}",
        "{values: [1, b, [2, 3], {c: 1}]}",
        "{distribution: categorical, values: [1]}",
        "{values: [1, 2], probabilities: [0.25, 0.75]}",
        "{min: 1, max: 2}",
        "{min: 0.5, max: 2.5}",
        "{distribution: uniform, min: 1, max: 2}",
        "{distribution: int_uniform, min: 1, max: 2}",
        "{distribution: log_uniform_values, min: 0.1, max: 2}",
        "{distribution: inv_log_uniform_values, min: 0.1, max: 2}",
        "{distribution: normal}",
        "{distribution: normal, mu: 1, sigma: 0}",
        "{distribution: log_normal, sigma: 3}",
        "{distribution: q_uniform, min: 0, max: 1, q: 0.1}",
        "{distribution: q_log_uniform_values, min: 1, max: 9}",
        "{distribution: q_normal, q: 2}",
        "{distribution: q_log_normal}",
        "{distribution: beta, a: 2}",
        "{distribution: q_beta, b: 2, q: 0.5}",
        "{parameters: {lr: {value: 1}, deep: {parameters: {er: {values: [1]}}}}}",
    ],
)
def test_what_wandb_accepts(options):
    text = f"{HEAD}  p: {options}"
    assert violations(yaml.safe_load(text)) == []
    assert parse_sweep(text, "s").parameters


@pytest.mark.parametrize("name", ["log_uniform", "inv_log_uniform", "q_log_uniform"])
def test_distributions_that_wandb_advises_against(name):
    """They are read there, with the advice to use those of values; the only thing said of them."""
    text = f"{HEAD}  p: {{distribution: {name}, min: -3, max: 1}}"
    (advice,) = violations(yaml.safe_load(text))
    assert "min/max specify base-e exponents" in advice
    assert parse_sweep(text, "s").parameters


def test_a_whole_file_is_accepted_by_wandb():
    file = yaml.safe_load(WHOLE)
    del file["run_cap"]  # documented, but newer than the schema that can be installed
    assert violations(file) == []


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_are_accepted_by_wandb(path):
    file = yaml.safe_load(path.read_text())
    del file["run_cap"]  # as above
    assert violations(file) == []
    assert read_sweep(path).name == path.stem


def test_there_are_five_studies():
    assert len(STUDIES) == 5


@pytest.mark.parametrize(
    "options",
    [
        "{distribution: uniform, min: 1}",
        "{min: 2, max: 1}",
        "{min: 1, max: 1}",
        "{distribution: log_uniform_values, min: 0, max: 1}",
        "{values: []}",
        "{values: [1, 2], probabilities: [0.5, 0.4]}",
        "{values: [1, 2], probabilities: [1]}",
        "{distribution: q_normal, q: 0}",
        "{distribution: normal, min: 1}",
        "{value: 1, values: [1]}",
        "{parameters: {}}",
    ],
)
def test_what_both_refuse(options):
    text = f"{HEAD}  p: {options}"
    assert violations(yaml.safe_load(text))
    assert refusal(text).startswith("s.yaml:3: parameters.p")


# -- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("{distribution: unifrom}", ".distribution: unknown distribution 'unifrom'; did you mean "
         "'uniform'?"),
        ("{distribution: uniform, min: 1}", ".max: missing, expected a number"),
        ("{distribution: uniform, mni: 1, max: 2}", ".min: missing, expected a number"),
        ("{mni: 1, max: 2}", ".mni: unknown key; did you mean 'min'?"),
        ("{min: 1, max: 2, mu: 1}", ".mu: unknown key; choose from min, max, distribution"),
        ("{min: 2, max: 1}", ": got {'max': 1, 'min': 2}, expected min below max"),
        ("{min: 1, max: 2.5}", ": min 1 and max 2.5: expected two whole numbers, or two that "
         "aren't, or a distribution"),
        ("{min: one, max: 2}", ".min: got 'one', expected a number"),
        ("{min: 0.5, max: .inf}", ".max: got inf, expected a number"),
        ("{distribution: int_uniform, min: 1, max: 2.5}", ".max: got 2.5, expected a whole"),
        ("{distribution: log_uniform_values, min: 0, max: 1}", ".min: got 0, expected a number >"),
        ("{distribution: normal, sigma: -1}", ".sigma: got -1, expected a number >= 0"),
        ("{values: []}", ".values: got [], expected a list of one value or more"),
        ("{values: 3}", ".values: got 3, expected a list of one value or more"),
        ("{values: [a, b], probabilities: [0.5, 0.4]}", "expected probabilities that sum to 1, "
         "not 0.9"),
        ("{values: [a, b], probabilities: [1]}", "expected as many probabilities as values, 2"),
        ("3", ": got 3, expected keys such as values; a constant is written {value: 3}"),
        ("{}", ": got nothing; expected value, values, min and max, or a distribution"),
        ("{mu: 3}", ": got mu; expected value, values, min and max, or a distribution"),
        ("{parameters: {a: {values: []}}}", ".parameters.a.values: got [], expected"),
        ("{parameters: {a: {value: 1}}, min: 3}", ".min: expected nothing else beside parameters"),
        (f"{{min: 0, max: {2**63}}}", "expected less than 2**63 whole numbers"),
        ("{parameters: {}}", ".parameters: got {}, expected parameters by their names"),
    ],
)  # fmt: skip
def test_parameters(options, told):
    sentence = refusal(f"{HEAD}  x: {{value: 1}}\n  p.q: {options}")
    assert sentence.startswith("s.yaml:4: parameters.p.q")
    assert told in sentence


def test_the_line_is_that_of_the_key():
    text = f"{HEAD}  disc:\n    parameters:\n      lr:\n        min: 0.1\n        max:\n          a"
    expected = "s.yaml:7: parameters.disc.parameters.lr.max: got 'a', expected a number"
    assert refusal(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "s.yaml:1: got None, expected the keys of a sweep"),
        ("- a", "s.yaml:1: got ['a'], expected the keys of a sweep"),
        ("a: [1", "s.yaml:1:6: expected ',' or ']'"),
        ("parameters: {a: {value: 1}}", "s.yaml:1: method: missing, expected grid, random or"),
        ("method: random", "s.yaml:1: parameters: missing, expected the parameters"),
        ("method: rnd\nparameters: {a: {value: 1}}", "s.yaml:1: method: got 'rnd', expected"),
        ("method: random\nparameters: []", "s.yaml:2: parameters: got [], expected parameters"),
        (f"parmeters: 1\n{HEAD}  a: {{value: 1}}", "s.yaml:1: parmeters: unknown key; did you mean "
         "'parameters'?"),
        (f"scheduler: 1\n{HEAD}  a: {{value: 1}}", "s.yaml:1: scheduler: not supported"),
        (f"{HEAD}  a b: {{value: 1}}", "s.yaml:3: parameters.a b: expected a name of letters"),
        (f"{HEAD}  a: {{value: 1}}\n  a: {{value: 2}}", "s.yaml:4:3: the key 'a' is given twice"),
        (f"{HEAD}  a.b: {{value: 1}}\n  a:\n    parameters:\n      b: {{value: 2}}",
         "s.yaml:6: parameters.a.parameters.b: a.b is given twice, first in line 3"),
        (f"{HEAD}  a: &x {{value: 1}}\n  b: *x", "s.yaml:4:6: aliases are not read"),
        (f"{HEAD}  a: {{value: 1}}\nrun_cap: 0", "s.yaml:4: run_cap: got 0, expected a whole"),
        (f"{HEAD}  a: {{value: 1}}\ncommand: a", "s.yaml:4: command: got 'a', expected a list of"),
        (f"{HEAD}  a: {{value: 1}}\ncommand: [a, [b]]", "s.yaml:4: command.1: got ['b']"),
        (f"{HEAD}  a: {{value: 1}}\nmetric: acc", "s.yaml:4: metric: got 'acc', expected keys"),
        (f"{HEAD}  a: {{value: 1}}\nmetric:\n  goal: maximize", "s.yaml:4: metric.name: missing"),
        (f"{HEAD}  a: {{value: 1}}\nmetric:\n  name: a\n  goal: max", "s.yaml:6: metric.goal: got"),
        (f"{HEAD}  a: {{value: 1}}\nearly_terminate: {{type: hyperband, min_iter: 3}}",
         "metric: missing, expected one, since early_terminate needs it"),
        ("method: bayes\nparameters: {a: {min: 1, max: 2}}", "since method bayes needs it"),
        ("method: grid\nparameters: {a: {min: 0.1, max: 2.2}}", "s.yaml:2: parameters.a: a grid "
         "has no end with uniform: expected values, or int_uniform, or q_uniform"),
        ("method: grid\nparameters: {a: {values: [1, 2], probabilities: [0.5, 0.5]}}",
         "s.yaml:2: parameters.a.probabilities: got them with method grid, expected method random"),
    ],
)  # fmt: skip
def test_files(text, told):
    assert told in refusal(text)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("{}", "early_terminate.type: missing, expected hyperband"),
        ("false", "early_terminate: got False, expected keys and values"),
        ("{min_iter: 3}", "early_terminate.type: missing, expected hyperband"),
        ("{type: envelope, min_iter: 3}", "early_terminate.type: got 'envelope', expected"),
        ("{type: hyperband}", "expected either min_iter, or max_iter and s"),
        ("{type: hyperband, min_iter: 3, max_iter: 9, s: 1}", "expected either min_iter, or"),
        ("{type: hyperband, max_iter: 9}", "expected s, the number of brackets, beside max_iter"),
        ("{type: hyperband, min_iter: 3, eta: 1}", "expected eta above 1"),
        ("{type: hyperband, max_iter: 2, s: 1}", "no bracket lies below it"),
        ("{type: hyperband, min_itr: 3}", "min_itr: unknown key; did you mean 'min_iter'?"),
    ],
)
def test_early_termination(options, told):
    text = f"{HEAD}  a: {{value: 1}}\nmetric: {{name: acc}}\nearly_terminate: {options}"
    sentence = refusal(text)
    assert sentence.startswith("s.yaml:5: early_terminate")
    assert told in sentence


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="No such file or directory, expected a W&B sweep"):
        read_sweep(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 text, expected a W&B sweep file"):
        read_sweep(tmp_path / "bytes.yaml")


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = f"{HEAD}  a: {{value: !!python/object/apply:os.system ['touch marker']}}"
    assert "could not determine a constructor" in refusal(text)
    assert list(tmp_path.iterdir()) == []
