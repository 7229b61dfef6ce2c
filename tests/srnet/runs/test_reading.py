"""Models of reading on disk: they come back whole, or the file is refused."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.reading import PMSP, HubAndSpokes, ToyOP
from srnet.runs.networks import load_network
from srnet.runs.reading import load_reading, save_reading
from srnet.runs.states import load_state, save_state

CORPUS = ToyOP(ticks=6)


def damaged():
    seeded = torch.Generator().manual_seed(0)
    model = PMSP(0.3, 10, 9, 5, connections=["oh", "hp", "pp", "pc", "cp", "hh"], seed=0)
    model.w_oh.requires_grad_(False)
    model.fit(CORPUS.x, CORPUS.y, 3, 20, 0.05, generator=seeded)
    model = model.zero_out({"pp": 0.3}, generator=seeded).shrink_layer("hidden", [1, 8])
    model = model.cut_connections(["cp"]).add_noise("phonology", 0.1).apply_l2(0.01)
    model.fit(CORPUS.x, CORPUS.y, 2, 20, 0.05, generator=seeded)
    return model


def test_a_damaged_model_comes_back_whole_and_goes_on_alike(tmp_path):
    model, path = damaged(), tmp_path / "reader.pt"
    save_reading(path, model, seed=0)
    found = load_reading(path)
    assert isinstance(found, PMSP)
    assert load_state(path)["seed"] == 0
    assert str(found.lesions) == str(model.lesions)
    assert (found.l2, found.noise, found.units) == (model.l2, model.noise, model.units)
    assert found.masks.keys() == {"pp"}
    assert not found.w_oh.requires_grad
    for network in (found, model):
        network.fit(CORPUS.x, CORPUS.y, 2, 20, 0.05, generator=torch.Generator().manual_seed(1))
    for name, parameter in model.trained().items():
        assert torch.equal(found.trained()[name], parameter)
    damaged_again = found.cut_connections(["hh"])
    assert str(damaged_again.lesions).endswith("Cut hh.")


def test_a_network_of_hub_and_spokes_comes_back(tmp_path):
    model, path = HubAndSpokes(0.3, 4, {"names": 3, "shapes": 2}, seed=0), tmp_path / "hub.pt"
    x = {"names": torch.rand(2, 5, 3)}
    save_reading(path, model)
    assert torch.equal(load_reading(path)(x)["shapes"], model(x)["shapes"])


def test_it_is_a_network_to_dissect(tmp_path):
    path = tmp_path / "reader.pt"
    save_reading(path, damaged())
    assert isinstance(load_network(path), PMSP)
    assert not load_network(path).training


def broken(change):
    state = {"format": "reading 1", "reading": "PMSP", "network": damaged().to_state()}
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(reading="PMPS"), "a model 'PMPS'; did you mean 'PMSP'"),
        (lambda s: s["network"].pop("tau"), "isn't whole .*tau"),
        (lambda s: s["network"].update(tau=2), "tau is 2"),
        (lambda s: s["network"]["parameters"].pop("w_hp"), "it has no w_hp"),
        (lambda s: s["network"]["units"].update(hidden=9), r"w_oh has shape \(20, 8\); expected"),
        (
            lambda s: s["network"]["masks"].update(pp=torch.ones(9, 9)),
            "the mask of w_pp is torch.float32; expected torch.bool",
        ),
        (lambda s: s["network"]["masks"].update(cp=torch.ones(5, 9)), "isn't whole .*w_cp"),
        (
            lambda s: s["network"]["moments"]["first"].update(w_hp=torch.ones(2)),
            "the first moment of w_hp has shape",
        ),
        (lambda s: s["network"].update(lesions=[{"kind": "Kut"}]), "a lesion of the kind 'Kut'"),
        (lambda s: s["network"].update(lesions=[{"kind": "ApplyL2"}]), "ApplyL2 with nothing"),
        (lambda s: s.update(network=3), "isn't whole"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, change, message):
    path = tmp_path / "reader.pt"
    save_state(path, broken(change))
    with pytest.raises(InputError, match=message) as caught:
        load_reading(path)
    assert str(path) in str(caught.value)


def test_another_state_is_refused(tmp_path):
    path = tmp_path / "net.pt"
    save_state(path, {"format": "network 1", "widths": [2, 1], "weights": {}})
    with pytest.raises(InputError, match="holds no model of reading, it is a state 'network 1'"):
        load_reading(path)
