"""Values to models: what is accepted, what is refused and in which words, and files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError, model_validator

from sdnet.errors import InputError
from srnet.runs.config import Arch, CriticConfig, CriticRun, Disc, DSNOptions
from srnet.runs.values import build, field_paths, merge, read_config, to_plain


def critic(**values):
    return build(CriticRun, values, "here")


def refusal(values, model_class=CriticRun):
    with pytest.raises(InputError) as caught:
        build(model_class, values, "here")
    return str(caught.value)


def test_the_defaults_are_those_of_the_issue():
    run = CriticRun()
    assert (run.arch.hid_num, run.arch.hid_size, run.arch.lat_size) == ((2, 0), 32, 5)
    assert (run.disc.lr, run.disc.wd, run.disc.gp, run.disc.iters) == (1e-4, 1e-4, 1e-5, 5)
    assert (run.disc.loss_fun, run.disc.schedule, run.ext, run.ext_type) == (
        *("bce", "constant"),
        *((), "stack"),
    )


def test_every_field_has_a_description_on_one_line():
    for path, field in field_paths(CriticRun).items():
        assert field.description, path
        assert "\n" not in field.description


def test_nested_and_dotted_keys_mean_the_same():
    nested = critic(disc={"lr": 0.5, "iters": 2}, arch={"hid_kwargs": {"prune": 0.25}})
    dotted = critic(**{"disc.lr": 0.5, "disc": {"iters": 2}, "arch.hid_kwargs.prune": 0.25})
    assert nested == dotted
    assert nested.disc == Disc(lr=0.5, iters=2)
    assert nested.arch == Arch(hid_kwargs=DSNOptions(prune=0.25))


def test_numbers_may_be_text_and_lists_become_tuples():
    run = critic(
        disc={"lr": "1e-3", "hid_num": ["2", 4], "betas": ["0.5", 0.9], "conv_arch": ["8", "M"]},
        arch={"hid_kwargs": {"alpha": [["1", 0], [0.5, "1e-1"]]}, "hid_type": ["DSN", "MLP"]},
        epochs="1e3",
        seed=str(2**62 + 1),
    )
    assert (run.disc.lr, run.disc.hid_num, run.disc.betas) == (0.001, (2, 4), (0.5, 0.9))
    assert run.disc.conv_arch == (8, "M")
    assert run.arch.hid_kwargs.alpha == ((1.0, 0.0), (0.5, 0.1))
    assert run.arch.hid_type == ("DSN", "MLP")
    assert (run.epochs, run.seed) == (1000, 2**62 + 1)
    assert type(run.epochs) is int


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        *[(none, ()) for none in (None, "", "none", "None", [])],
        *[("grad", ("grad",)), (["input"], ("input",))],
        *[(["grad", "input"], ("input", "grad")), (("grad", "grad"), ("grad",))],
    ],
)
def test_ext_is_stored_in_one_order(given, stored):
    assert critic(ext=given).ext == stored


def test_objective_in_any_case_and_none_as_text():
    run = critic(**{"disc.loss_fun": "Wasserstein", "batch_size": "none", "name": "None"})
    assert (run.disc.loss_fun, run.batch_size, run.name) == ("wasserstein", None, None)
    assert build(DSNOptions, {"norm": "null", "alpha": "none"}, "here") == DSNOptions()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"disc.lr": 0}, "here: disc.lr: got 0, expected a number > 0"),
        ({"disc.lr": True}, "here: disc.lr: got True, expected a number > 0"),
        ({"disc.lr": "nan"}, "here: disc.lr: got 'nan', expected a number > 0"),
        ({"disc.lr": "1e999"}, "here: disc.lr: got '1e999', expected a number > 0"),
        ({"disc.iters": 0}, "here: disc.iters: got 0, expected a whole number >= 1"),
        ({"disc.iters": True}, "here: disc.iters: got True, expected a whole number >= 1"),
        ({"disc.iters": "2.5"}, "here: disc.iters: got '2.5', expected a whole number >= 1"),
        ({"disc.wd": -1}, "here: disc.wd: got -1, expected a number >= 0"),
        ({"disc.gp": "x"}, "here: disc.gp: got 'x', expected a number >= 0"),
        ({"disc.betas": [0.9, 1]}, "here: disc.betas: got [0.9, 1], expected a pair of numbers"),
        ({"disc.kernel_size": 4}, "here: disc.kernel_size: got 4, expected an odd whole number"),
        ({"disc.conv_arch": [8, "N"]}, "here: disc.conv_arch: got [8, 'N'], expected none, or a"),
        ({"disc.loss_fun": "hinge"}, "here: disc.loss_fun: got 'hinge', expected 'bce' or 'wass"),
        ({"arch.hid_num": 2.5}, "here: arch.hid_num: got 2.5, expected a whole number >= 0, or a"),
        ({"arch.hid_num": [1, 2, 3]}, "here: arch.hid_num: got [1, 2, 3], expected a whole number"),
        ({"arch.hid_num": {2, 0}}, "here: arch.hid_num: got {0, 2}, expected a whole number"),
        ({"arch.hid_size": [8, 0]}, "here: arch.hid_size: got [8, 0], expected a whole number >="),
        ({"arch.hid_type": "dsm"}, "here: arch.hid_type: got 'dsm', expected 'MLP' or 'DSN'"),
        ({"arch.hid_kwargs.prune": 1}, "here: arch.hid_kwargs.prune: got 1, expected a number in"),
        ({"arch.hid_kwargs.alpha": [[1], [1, 2]]}, "here: arch.hid_kwargs.alpha: got [[1], [1, 2]"),
        ({"arch": 5}, "here: arch: got 5, expected any of its keys in_size, out_size, hid_num"),
        ({"ext": ["gradd"]}, "here: ext: got ['gradd'], expected none, 'input', 'grad' or a list"),
        ({"seed": -1}, "here: seed: got -1, expected a whole number from 0 to 2**63 - 1"),
        ({"runtime": 0}, "here: runtime: got 0, expected seconds > 0, or none"),
        ({"device": "cuda:x"}, "here: device: got 'cuda:x', expected cpu, cuda or cuda:N"),
        ({"name": "../x"}, "here: name: got '../x', expected a file's name without folder"),
        ({"name": "x.pt"}, "here: name: got 'x.pt', expected a file's name without folder"),
        ({"shuffle": "maybe"}, "here: shuffle: got 'maybe', expected true or false"),
        ({"rows": 5}, "here: rows: got 5, expected text"),
        ({"data": 5}, "here: data: got 5, expected a path"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_what_is_expected(values, words):
    assert refusal(values).startswith(words)
    assert "\n" not in refusal(values)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("disc.lrr", "here: disc.lrr: unknown key; did you mean 'lr'?"),
        ("epoch", "here: epoch: unknown key; did you mean 'epochs'?"),
        ("lr", "here: lr: unknown key; did you mean 'disc.lr'?"),
        ("hid_num", "here: hid_num: unknown key; did you mean 'arch.hid_num' or 'disc.hid_num'?"),
        ("disc.zzz", "here: disc.zzz: unknown key; choose from hid_num, hid_size,"),
        ("disc.1", "here: disc.1: unknown key; choose from hid_num, hid_size,"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(key, words):
    assert refusal({key: 1}).startswith(words)


def test_values_that_are_no_mapping_and_absurd_keys_are_refused():
    assert refusal([1]) == "here: got [1], expected keys and values"
    assert "expected a path" in refusal({"a." * 5000: 1})
    assert "'1: unknown key" in f"'{refusal({1: 2}).removeprefix('here: ')}"


def test_build_serves_models_with_plain_types_and_required_fields():
    class Inner(BaseModel):
        size: int | tuple[int, int] = 3

    class Other(BaseModel):
        label: str
        inner: Inner = Inner()

    assert build(Other, {"label": "a", "inner.size": [1, 2]}, "here").inner.size == (1, 2)

    class Whole(BaseModel):
        @model_validator(mode="after")
        def check(self):
            raise ValueError("never right")

    assert refusal({}, Whole) == "here: got {}, never right"
    assert refusal({}, Other) == "here: label: missing, expected a value"
    assert refusal({"label": "a", "inner.size": "x"}, Other).startswith("here: inner.size: got 'x'")


def test_models_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        CriticConfig().epochs = 5


def test_merge_goes_into_sub_dictionaries_and_leaves_its_arguments_alone():
    base = {"disc": {"lr": 1, "wd": 2}, "ext": ["grad"], "arch.lat_size": 5}
    overrides = {"disc.lr": 3, "arch": {"out_size": 1}, "ext": None}
    before = json.dumps([base, overrides])
    merged = merge(base, overrides)
    assert merged == {
        "disc": {"lr": 3, "wd": 2},
        "ext": None,
        "arch": {"lat_size": 5, "out_size": 1},
    }
    merged["disc"]["wd"] = 0
    assert json.dumps([base, overrides]) == before


def test_to_plain_holds_plain_containers_only_and_builds_the_same_model():
    run = critic(
        **{"disc.hid_num": (2, 4), "arch.hid_kwargs.alpha": [[1, 0]], "ext": "grad", "data": "a/b"}
    )
    plain = to_plain(run)
    assert plain["data"] == "a/b"
    assert plain["disc"]["hid_num"] == [2, 4]
    assert json.loads(json.dumps(plain)) == plain
    assert build(CriticRun, plain, "here") == run


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "disc:\n  lr: 1e-3\n  hid_num: [2, 4]\next: [grad]\n"),
        ("a.json", '{"disc": {"lr": 1e-3, "hid_num": [2, 4]}, "ext": ["grad"]}'),
        ("args.json", '{"disc.lr": 0.001, "disc.hid_num": [2, 4], "ext": "grad"}'),
    ],
)
def test_files_are_read(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    config = build(CriticConfig, read_config(tmp_path / name), name)
    assert config == CriticConfig(disc=Disc(lr=0.001, hid_num=(2, 4)), ext=("grad",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("disc:\n  lr: 1\n  lr: 2\n", ":3:3: the key 'lr' is given twice"),
        ("a: [1\nb: 2\n", ":2:2: expected ',' or ']'"),
        ("a: &x [1]\nb: *x\n", ":2:4: aliases are not read"),
        ("a: &x {b: *x}\n", ":1:11: aliases are not read"),
        ("a: !!python/object/apply:os.system ['exit 1']\n", ":1:4: could not determine a constr"),
        ("a: 2024-99-99\n", ": month must be in 1..12"),
        ("a: \x07\n", ": unacceptable character"),
        ("[" * 5000, ": maximum recursion depth"),
        ("- 1\n", ": got [1], expected keys and values"),
        ("", ": got None, expected keys and values"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_place(tmp_path, text, words):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_config(file)
    assert str(caught.value).startswith(f"{file}{words}")
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files_are_told(tmp_path):
    with pytest.raises(InputError, match="No such file or directory, expected a YAML or JSON file"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"b\.yaml: not UTF-8 text"):
        read_config(tmp_path / "b.yaml")


def test_nothing_heavy_is_imported():
    code = (
        "import sys; import srnet.runs.config, srnet.runs.arguments, srnet.runs.tracking;"
        "sys.exit(bool({'torch', 'wandb', 'tyro', 'sympy', 'numpy'} & set(sys.modules)))"
    )
    folder = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=folder, check=False).returncode == 0
