"""`symdisc discover` and `symdisc read`: what they print, the state, and one sentence a mistake."""

import shutil
from pathlib import Path

import joblib
import numpy as np
import pytest
import sympy
import torch

from sdnet.formula import parse, to_torch
from srnet import SymbolicRegressor
from srnet.network import SRNet
from srnet.pursuit import Pursuit
from srnet.readout import engines
from srnet.runs import list_runs, load_state
from srnet.runs.cli import main
from srnet.runs.discovery import law_state, load_given, run_discovery
from srnet.runs.discovery_config import DiscoveryRun
from srnet.runs.generator_readout import generator_law
from srnet.runs.laws import law_of, network_of
from srnet.runs.states import save_state

ROOT = Path(__file__).parents[3]
QUICK = ["--epochs=3", "--restarts=1", "--engine=none"]
PLAIN = [*QUICK, "--library=small.lib", "--network=false", "--name=law"]
F50 = ["discover", "t/F50", *PLAIN]
CRITIC = ("hyperparams", "critic_args", "critic", "history", "times", "ended")
CSV = ["discover", "--csv=falls.csv", "--target=the height", *PLAIN]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a problem, 2 x0^2 - 3 x1 and its splits, a CSV file of it, and a library."""
    monkeypatch.chdir(tmp_path)
    Path("t").mkdir()
    x = np.random.default_rng(0).normal(size=(80, 2))
    y = 2 * x[:, 0] ** 2 - 3 * x[:, 1]
    np.savetxt("t/X50.gz", x)
    np.savetxt("t/F50.gz", y)
    joblib.dump({"train": np.arange(50), "val": np.arange(50, 80)}, "t/X50.mask")
    rows = np.column_stack([x[:, 0], y, x[:, 1]])
    np.savetxt("falls.csv", rows, delimiter=",", header="time,the height,wind", comments="")
    Path("small.lib").write_text("N0*x0**2\nN0*x1\nN0*sin(3*U0*x0)\n")
    return tmp_path


def says(capsys, *argv):
    status, told = main(argv), capsys.readouterr()
    assert (status, told.err) == (0, "")
    return told.out


def refuses(capsys, *argv):
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}
    status, told = main(argv), capsys.readouterr()
    assert status == 2
    assert told.err.count("\n") == 1
    assert {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")} == before
    return told.err


# What is found, printed and kept


def test_a_problem(capsys):
    first, equation, quality, _, header, *_ = says(capsys, *F50).splitlines()
    assert first.startswith("looking for F50 of 2 inputs on 50 rows")
    assert equation == "F50 = 2*x0**2 - 3*x1"
    assert quality.startswith("validation R2 1, loss ")
    assert quality.endswith(" on 30 rows")
    assert header.split() == ["complexity", "loss", "score", "way", "equation"]
    assert Path("figures/law.png").read_bytes().startswith(b"\x89PNG")
    state = load_state("models/law.pt")
    assert state["settings"]["data"] == "t/F50"
    assert state["library"] == ["N0*x0**2", "N0*x1", "N0*sin(3*U0*x0)"]
    assert np.array_equal(state["validation"]["y"], np.loadtxt("t/F50.gz")[50:])


def test_a_csv_file(capsys):
    out = says(capsys, *CSV)
    assert "\nthe height = 2*x0**2 - 3*x1\nx0 = time, x1 = wind\n" in out
    state = load_state("models/law.pt")
    assert (state["names"], state["target"]) == (["time", "wind"], "the height")
    assert len(state["train"]["y"]) + len(state["validation"]["y"]) == 80


def test_a_name_that_the_shell_can_read(capsys):
    says(capsys, *CSV[:-1])
    assert Path("models/law-falls-the_height-small-seed0.pt").is_file()


def test_the_formula_is_the_model(capsys):
    noisy = np.loadtxt("t/F50.gz") + 0.1 * np.random.default_rng(1).normal(size=80)
    np.savetxt("t/F50.gz", noisy)
    says(capsys, *F50, "--seconds=2")
    state = load_state("models/law.pt")
    x, y = np.loadtxt("t/X50.gz")[50:], np.loadtxt("t/F50.gz")[50:]
    symbols = sympy.symbols("x0 x1", real=True)
    for row in state["equations"]:
        (values,) = to_torch([parse(row["equation"], {"x": 2})], symbols)(*torch.tensor(x.T))
        loss = np.mean((values.numpy() - y) ** 2)
        assert row["loss"] == pytest.approx(loss, rel=1e-9)
    assert 0.003 < state["equations"][state["chosen"]]["loss"] < 0.03  # the noise's is 0.01


def test_read_prints_the_same(capsys):
    first = says(capsys, *F50)
    Path("figures/law.png").unlink()
    shutil.rmtree("t")
    again = says(capsys, "read", "models/law.pt")
    assert again == first.partition("\n")[2]
    assert Path("figures/law.png").is_file()


@pytest.mark.parametrize(
    ("number", "network", "law"),
    [("07", False, "2.7*x0**2 + 4.5*x0*x1 + 5*cos(3*x1)"), ("50", True, "2*x0**2 - 3*x1")],
)
def test_without_the_files_of_the_truth_the_same_is_found(capsys, number, network, law):
    source, library = (ROOT / "data", ROOT / "funs/F07_v2.lib") if number == "07" else ("t", None)
    np.savetxt("t/G50.gz", np.ones((80, 3)))
    Path("t/G50.info").write_text("x0**2\nx1\n0\n")
    Path("t/F50.info").write_text("2*g0 - 3*g1\n0\n")
    tables = [f"X{number}.gz", f"X{number}.mask", f"F{number}.gz"]
    truth = [f"G{number}.gz", f"G{number}.info", f"F{number}.info"]
    for folder, names in (("all", [*tables, *truth]), ("some", tables)):
        Path(folder).mkdir()
        for name in names:
            shutil.copy(Path(source, name), folder)
        words = [f"--library={library or 'small.lib'}", f"--network={network}", *QUICK]
        says(capsys, "discover", f"{folder}/F{number}", *words, f"--name={folder}")
    one, other = (load_state(f"models/{folder}.pt") for folder in ("all", "some"))
    assert one["equations"][one["chosen"]]["equation"] == law
    for key in ("equations", "chosen", "latents", "remarks"):
        assert one[key] == other[key]
    if network:
        assert one["network"]["members"] == other["network"]["members"]


def test_the_network_of_a_state_computes_the_same():
    settings = DiscoveryRun(data="t/F50", library="small.lib")
    given = load_given(settings)
    regressor = SymbolicRegressor("small.lib", epochs=3, restarts=2)
    regressor.fit(given.x, given.y, given.validation)
    save_state("state.pt", law_state(regressor, given, settings, []))
    state = load_state("state.pt")
    network, fitted = network_of(state), regressor.network_
    x = np.random.default_rng(5).normal(size=(7, 2))
    assert np.array_equal(network(x), fitted(x))
    assert np.array_equal(network.latents(x), fitted.latents(x))
    assert network.members == fitted.members
    law = law_of(state)
    assert law.chosen == regressor.equation_
    assert law.latents.formulas == [reading.expression for reading in regressor.readings_]
    assert law.latents.error == np.mean((fitted(given.validation[0]) - given.validation[1]) ** 2)


def test_without_splits_a_quarter_is_held(capsys):
    Path("t/X50.mask").unlink()
    assert "on 20 rows" in says(capsys, *F50)


def test_what_the_search_warns_of_is_told(capsys):
    np.savetxt("t/F50.gz", np.random.default_rng(1).normal(size=80))
    out = says(capsys, *F50, "--seconds=1")
    assert "small.lib does not express the target" in out
    assert load_state("models/law.pt")["remarks"][0] in out


def test_a_law_replaces_a_law_and_nothing_else(capsys):
    says(capsys, *F50)
    says(capsys, *F50)
    save_state("models/law.pt", {"format": "critic 1", **{key: {} for key in CRITIC}})
    assert "models/law.pt: is there already, and no law" in refuses(capsys, *F50)


def test_ctrl_c_leaves_nothing(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Pursuit, "run", interrupted)
    assert main(F50) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not list(Path("models").iterdir())


def test_among_the_runs(capsys):
    says(capsys, *F50)
    (row,) = list_runs("models")
    assert (row["name"], row["target"], row["equation"]) == ("law", "F50", "2*x0**2 - 3*x1")
    assert "holds a law" in refuses(capsys, "plot", "learning", "models/law.pt")


# Mistakes


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "got nothing; expected one table"),
        (["t/F51"], "there is no problem t/F51"),
        (["t/F50", "t/F50"], "expected one problem"),
        (["t/F50", "--csv=falls.csv", "--target=wind"], "expected one table"),
        (["--csv=falls.csv"], "got --csv without the other; expected also --target"),
        (["t/F50", "--target=wind"], "got --target without the other; expected also --csv"),
        (["--csv=fall.csv", "--target=wind"], "nearest name there is 'falls.csv'"),
        (["--csv=falls.csv", "--target=win"], "did you mean 'wind'?"),
        (["t/F50", "--library=smal.lib"], "smal.lib"),
        (["t/F50", "--seconds=0"], "seconds: got '0', expected a number > 0"),
        (["t/F50", "--seed=2147483648"], "seed: got '2147483648', expected a whole number from"),
        (["t/F50", "--engine=operator"], "engine: got 'operator', expected 'operon' or 'pysr'"),
        (["t/F50", "--secondss=3"], "did you mean 'seconds'?"),
        (["t/F50", "--out=small.lib"], "can't be written"),
    ],
)
def test_one_sentence_for_each_mistake(capsys, words, told):
    Path("models").mkdir()
    assert told in refuses(capsys, "discover", *words)


def test_splits_without_rows_to_fit(capsys):
    joblib.dump({"val": np.arange(50)}, "t/X50.mask")
    assert "t/F50: its mask has val; expected train rows" in refuses(capsys, *F50)


def test_too_few_rows(capsys):
    Path("falls.csv").write_text("a,b\n1,2\n2,3\n")
    Path("models").mkdir()
    words = ["--csv=falls.csv", "--target=b"]
    assert "expected at least 8" in refuses(capsys, "discover", *words)


@pytest.fixture
def law():
    settings = DiscoveryRun(
        data="t/F50", library="small.lib", network=False, engine=None, name="law", epochs=3
    )
    return load_state(run_discovery(settings, load_given(settings)))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"equations": [{"equation": "x0", "loss": 0.5, "way": "sparse"}]}, "has the loss 0.5"),
        ({"equations": [{"equation": "log(x0)", "loss": 0.5, "way": ""}]}, "its value is inf"),
        ({"equations": [{"equation": "x7", "loss": 0.5, "way": ""}]}, "x7"),
        ({"equations": [{"equation": "open('made', 'w')", "loss": 0.5, "way": ""}]}, "open"),
        ({"equations": []}, "not the whole state of a discovery"),
        ({"chosen": 99}, "not the whole state of a discovery"),
        ({"train": {}}, "not the whole state of a discovery"),
        ({"network": {"arch": {}}}, "not the whole state of a discovery"),
        ({"format": "law 2"}, "a state of the form 'law 2'"),
    ],
)
def test_a_state_that_was_changed(capsys, law, changed, told):
    save_state("models/law.pt", law | changed)
    assert told in refuses(capsys, "read", "models/law.pt")


def test_what_cannot_be_read(capsys):
    assert "got 0 states, expected one" in refuses(capsys, "read")
    assert "no such state" in refuses(capsys, "read", "none.pt")
    save_state("critic.pt", {"format": "critic 1", **{key: {} for key in CRITIC}})
    assert "critic.pt: holds a critic; expected" in refuses(capsys, "read", "critic.pt")


# Generators


def generators(heads=0, outputs=1):
    """A state of two generators; the second has the latents x0 and x1, and y = 2 z0 - 3 z1 + 1."""
    points = torch.arange(48.0).reshape(24, 2) % 7 - 3
    y = 1 + 2 * points[:, :1] - 3 * points[:, 1:]
    args = {
        "in_size": 2,
        "out_size": outputs,
        "hid_num": [0, heads],
        "hid_size": 4,
        "hid_type": ["MLP", "MLP"],
        "hid_kwargs": {"alpha": None, "norm": None, "prune": None},
        "lat_size": 2,
    }
    weights = dict(SRNet(**args, generator=torch.Generator().manual_seed(0)).state_dict())
    weights |= {"latents.weights.0": torch.eye(2), "latents.biases.0": torch.zeros(2)}
    if not heads:
        weights["head.weights.0"] = torch.tensor([[2.0], [-3.0]]).expand(2, outputs)
        weights["head.biases.0"] = torch.ones(outputs)
    return {
        "format": "generator 1",
        "hyperparams": {"restarts": 2},
        "generator_args": args,
        "generator": {name: torch.stack([0 * w, w]) for name, w in weights.items()},
        "best": 1,
        "points": points,
        "targets": y.expand(-1, outputs),
        "library": {"lines": ["N0*x0", "N0*x1**2"], "in_var": "X07"},
        "history": {},
        "times": [],
        "ended": "finished",
    }


def test_a_generator_with_a_linear_head(capsys):
    save_state("gen.pt", generators())
    out = says(capsys, "read", "gen.pt")
    assert out.startswith("y = 2*x0 - 3*x1 + 1\nvalidation R2 1, loss 0, on 6 rows\n")
    assert "\n0       x0 " in out
    assert "\n1       x1 " in out
    assert "the network itself: R2 1, loss 0" in out
    assert Path("figures/gen.png").is_file()


def test_a_head_with_two_outputs_makes_no_equation(capsys):
    save_state("gen.pt", generators(outputs=2))
    out = says(capsys, "read", "gen.pt")
    assert "no equation is made of these latents: the head has 2 outputs, expected one" in out
    assert "\n0       x0 " in out
    assert "validation R2" not in out


def test_a_head_that_is_not_linear_is_found_over_the_latents(capsys):
    """What the network makes of its latents doesn't matter: f is of the data."""
    state = generators(heads=1)
    a, b = state["points"].T
    save_state("gen.pt", state | {"targets": (2 * a**2 * b - b)[:, None]})
    out = says(capsys, "read", "gen.pt")
    assert out.startswith("y = 2*x0**2*x1 - x1\nvalidation R2 1, loss ")
    assert "\n0       x0 " in out
    assert "network  2*x0**2*x1 - x1" in out
    assert "is not expressed" not in out


def test_what_the_latents_do_not_express_is_said():
    """y is of both inputs, the latents are both x0."""
    state = generators(heads=1)
    weights = state["generator"]["latents.weights.0"]
    state["generator"]["latents.weights.0"] = weights * 0 + torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    law = generator_law(state, engine=None, seconds=0.1)
    left = np.sqrt(law.chosen.loss) / law.held[1].std()
    assert left > 0.1
    assert law.remarks[1] == f"y is not expressed: the equation leaves {left:.2g} of its deviation"


@pytest.mark.parametrize(("words", "calls"), [([], 1), (["--engine=none"], 0)])
def test_an_engine_is_asked_for_what_no_shape_expresses(capsys, monkeypatch, words, calls):
    """The library has no |x0 - x1/2 + 0.3|, which the latent is."""
    asked = []

    def search(x, y, **options):
        asked.append(options["seconds"])
        return [parse("abs(x0 - 0.5*x1 + 0.3)", {"x": 2})]

    monkeypatch.setattr(engines, "search", search)
    monkeypatch.setattr(engines, "installed", lambda name: True)
    state = generators()
    points = torch.randn(24, 2, generator=torch.Generator().manual_seed(1))
    args = state["generator_args"] | {"hid_num": [1, 0], "hid_size": 2, "lat_size": 1}
    model = SRNet(**args, generator=torch.Generator()).requires_grad_(False)
    inner, outer = model.latents.weights
    inner.copy_(torch.tensor([[1.0, -1.0], [-0.5, 0.5]]))  # z = |x0 - 0.5 x1 + 0.3|
    model.latents.biases[0].copy_(torch.tensor([0.3, -0.3]))
    outer.fill_(1.0)
    model.latents.biases[1].zero_()
    model.head.weights[0].fill_(2.0)
    model.head.biases[0].zero_()
    weights = {name: torch.stack([value, value]) for name, value in model.state_dict().items()}
    changed = {"generator_args": args, "generator": weights, "points": points}
    save_state("gen.pt", state | changed | {"targets": model(points)})
    out = says(capsys, "read", "gen.pt", "--seconds=3", *words)
    assert asked == [3.0] * calls
    assert out.startswith("y = 2*abs(x0 - 0.5*x1 + 0.3)\n") is bool(calls)
    assert (" search " in out) is bool(calls)
    assert ("no shape expresses it: " in out) is not bool(calls)


def test_a_generator_state_that_is_not_whole(capsys):
    save_state("gen.pt", {key: v for key, v in generators().items() if key != "points"})
    assert "gen.pt: not the whole state of generators" in refuses(capsys, "read", "gen.pt")
    lost = generators()
    lost["generator"]["head.biases.0"] = lost["generator"]["head.biases.0"] * torch.nan
    lost["generator"]["latents.biases.0"] = lost["generator"]["latents.biases.0"] * torch.nan
    save_state("gen.pt", lost)
    assert "latents are not finite" in refuses(capsys, "read", "gen.pt")
