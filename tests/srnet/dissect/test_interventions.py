"""Interventions: what they change, and that nothing else is; against networks written out."""

import copy

import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.interventions import Mask, Noise, RemoveDirections, Replace, intervene
from srnet.network import SRNet


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def model():
    return dense([3, 5, 4, 2], seeded())


X = torch.rand(6, 3, generator=seeded(1))
KEEP = torch.tensor([1.0, 0, 1, 0.5, 0])


def by_hand(model, first=lambda h: h, second=lambda h: h):
    """The forward pass with functions after relu1 and relu2."""
    hidden = second(model.fc2(first(model.fc1(X).relu())).relu())
    return model.fc3(hidden)


def hooks(model):
    kinds = (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_backward_hooks",
        "_forward_hooks_always_called",
    )
    return {
        (name, kind): dict(getattr(module, kind))
        for name, module in model.named_modules()
        for kind in kinds
    }


def snapshot(model):
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    return weights, hooks(model), [m.training for m in model.modules()], model(X).detach().clone()


def same(before, model):
    weights, hooked, training, output = before
    now = model.state_dict()
    assert all(torch.equal(value, now[name]) for name, value in weights.items())
    assert hooks(model) == hooked
    assert [m.training for m in model.modules()] == training
    assert torch.equal(model(X), output)
    assert all(parameter.grad is None for parameter in model.parameters())


# -- what it does ---------------------------------------------------------------------------


def test_a_mask_after_and_before_an_activation(model):
    with intervene(model, {"relu1": Mask(KEEP)}) as same_model:
        assert same_model is model
        assert torch.equal(model(X), by_hand(model, first=lambda h: h * KEEP))
    with intervene(model, {"fc1": Mask(-KEEP)}):
        found = model(X)
    before = nn.functional.linear(X, model.fc1.weight, model.fc1.bias)
    assert torch.equal(found, model.fc3(model.fc2((-KEEP * before).relu()).relu()))


def test_several_layers_and_several_interventions_in_their_order(model):
    ones = Replace([0], 1.0)
    with intervene(model, {"relu1": [ones, Mask(2 * KEEP)], "relu2": Mask(torch.zeros(4))}):
        assert torch.equal(model(X), model.fc3.bias.expand(6, 2))
    with intervene(model, {"relu1": [ones, Mask(2 * KEEP)]}):
        two = model.relu1(model.fc1(X))
    assert torch.equal(two[:, 0], torch.full((6,), 2.0))
    with intervene(model, {"relu1": [Mask(2 * KEEP), ones]}):
        assert torch.equal(model.relu1(model.fc1(X))[:, 0], torch.ones(6))


def test_nested_contexts_compose_the_outer_one_first(model):
    inner = {"relu1": Mask(2 * KEEP), "relu2": Mask(torch.tensor([1.0, 0, 0, 1]))}
    with intervene(model, {"relu1": Replace([0], 1.0)}):
        outside = model(X)
        with intervene(model, inner):
            found = model(X)
        assert torch.equal(model(X), outside)
    with intervene(model, {"relu1": [Replace([0], 1.0), inner["relu1"]], "relu2": inner["relu2"]}):
        assert torch.equal(model(X), found)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_the_model_is_bit_for_bit_as_before(model, training, grad):
    model.train(training)
    before = snapshot(model)
    with torch.set_grad_enabled(grad), intervene(model, {"fc1": Mask(KEEP), "relu2": Replace([1])}):
        model(X)
    same(before, model)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, InputError])
def test_the_model_is_as_before_after_an_exception(model, error):
    before = snapshot(model)

    def fail(acts):
        raise error("no")

    with pytest.raises(error), intervene(model, {"relu1": Mask(KEEP), "relu2": fail}):
        model(X)
    same(before, model)
    with pytest.raises(error), intervene(model, {"relu1": Mask(KEEP)}):
        raise error("no")
    same(before, model)
    with pytest.raises(InputError):  # the second is refused; of the first nothing stays
        intervene(model, {"relu1": Mask(KEEP), "relu3": Mask(KEEP)}).__enter__()
    same(before, model)


def test_a_users_own_hooks_stay(model):
    seen = []
    model.relu1.register_forward_hook(lambda *given: seen.append(given[2]))
    with intervene(model, {"relu1": Mask(KEEP)}):
        model(X)
    model(X)
    assert torch.equal(seen[0], seen[1])  # it was there first, and sees what the layer gives


def test_gradients_flow_to_weights_masks_and_inputs(model):
    """The gradient of the masked network is that of the network written out."""
    mask = KEEP.clone().requires_grad_()
    x = X.clone().requires_grad_()
    with intervene(model, {"relu1": Mask(mask)}):
        model(x).square().sum().backward()
    found = [mask.grad, x.grad, *(p.grad for p in model.parameters())]
    twin = copy.deepcopy(model)
    twin.zero_grad()
    own_mask, own_x = KEEP.clone().requires_grad_(), X.clone().requires_grad_()
    twin.fc3(twin.fc2(twin.fc1(own_x).relu() * own_mask).relu()).square().sum().backward()
    expected = [own_mask.grad, own_x.grad, *(p.grad for p in twin.parameters())]
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_removal_does_not_write_into_what_autograd_has_saved(model):
    """A mistake in circulation: `acts[:, units] = 0` in a ReLU's output breaks its gradient."""

    def in_place(acts):
        acts[:, [1, 4]] = 0
        return acts

    with intervene(model, {"relu1": in_place}), pytest.raises(RuntimeError, match="inplace"):
        model(X).sum().backward()
    for act in (
        Mask(KEEP),
        Replace([1, 4]),
        RemoveDirections(torch.eye(5)[1]),
        Noise(0.1, seeded()),
    ):
        acts = torch.rand(6, 5)
        kept = acts.clone()
        act(acts)
        assert torch.equal(acts, kept)
        with intervene(model, {"relu1": act}):
            model(X).sum().backward()


def test_a_context_may_be_used_for_many_passes(model):
    """A mistake in circulation: a graph built once and used twice."""
    direction = torch.ones(5, requires_grad=True)
    for _ in range(2):
        with intervene(model, {"relu1": RemoveDirections(direction)}):
            for _ in range(2):
                model(X).sum().backward()


def test_in_place_activations_after_the_layer():
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))
    expected = model[2]((model[0](X).detach() * KEEP).relu())
    with intervene(model, {"0": Mask(KEEP)}):
        assert torch.equal(model(X), expected)
        model(X).sum().backward()


# -- interventions --------------------------------------------------------------------------


def test_removed_directions_are_gone_and_the_rest_is_as_it_was():
    directions = torch.randn(2, 5, generator=seeded()) * torch.tensor([[100.0], [0.01]])
    acts = torch.randn(7, 5, generator=seeded(1))
    changed = RemoveDirections(directions)(acts)
    assert (changed @ directions.T).abs().max() < 1e-3 * (acts @ directions.T).abs().max()
    orthogonal = torch.linalg.svd(directions).Vh[2:]  # of the span
    assert torch.allclose(changed @ orthogonal.T, acts @ orthogonal.T, atol=1e-5)
    assert torch.allclose(RemoveDirections(torch.eye(5)[2])(acts), acts * (torch.arange(5) != 2))


def test_noise_has_its_deviation_and_follows_its_generator():
    acts = torch.zeros(20_000, 3)
    std = torch.tensor([0.0, 0.5, 2.0])
    found = Noise(std, seeded(3))(acts)
    assert torch.allclose(found.std(0), std, rtol=0.03)
    assert found.mean(0).abs().max() < 0.06
    assert torch.equal(Noise(std, seeded(3))(acts), found)
    noise = Noise(1.0, seeded(3))
    assert not torch.equal(noise(acts), noise(acts))  # drawn anew in each pass


def test_replacing_by_means_does_not_depend_on_the_batch(model):
    """A mistake in circulation: the mean over the batch, which of one example changes nothing."""
    means = model.relu1(model.fc1(X)).mean(0)
    act = Replace([1, 3], means[[1, 3]].detach())
    with intervene(model, {"relu1": act}):
        whole, alone = model(X), torch.cat([model(row[None]) for row in X])
    assert torch.allclose(whole, alone, atol=1e-6)


def test_masks_of_other_types():
    acts = torch.rand(4, 2)
    assert torch.equal(Mask(torch.tensor([True, False]))(acts), acts * torch.tensor([1.0, 0]))
    assert Mask(torch.tensor([1, 0]).double())(acts).dtype == torch.float32
    each = torch.rand(4, 2)
    assert torch.equal(Mask(each)(acts), acts * each)


# -- other layers ---------------------------------------------------------------------------


def test_channels_of_images_and_units_of_sequences():
    images, keep = torch.rand(2, 3, 8, 8), torch.tensor([1.0, 0, 1, 0])
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    with intervene(net, {"1": Mask(keep)}):
        found = net(images)
    assert torch.equal(found, net[3]((net[0](images).relu() * keep[:, None, None]).flatten(1)))
    tokens = torch.tensor([[1, 2, 3], [3, 1, 0]])
    words = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4))
    with intervene(words, {"0": Mask(keep)}):
        assert torch.equal(words(tokens), words[1](words[0].weight[tokens] * keep))
    curves = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU())
    with intervene(curves, {"0": Mask(keep)}):
        assert not curves(torch.rand(2, 1, 9))[:, [1, 3]].any()
    with intervene(curves, {"1": Mask(keep)}), pytest.raises(InputError, match="say which axis"):
        curves(torch.rand(2, 1, 9))
    with intervene(curves, {"1": Mask(keep)}, axis=1):
        assert not curves(torch.rand(2, 1, 9))[:, [1, 3]].any()


def test_of_a_tuple_the_first_part_is_changed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(3, 4, batch_first=True)

        def forward(self, x):
            return self.rnn(x)

    net, x = Net(), torch.rand(2, 6, 3)
    outputs, last = net(x)
    with intervene(net, {"rnn": Replace([1], 7.0)}):
        changed, kept = net(x)
    assert torch.equal(kept, last)
    assert torch.equal(changed[..., 1], torch.full((2, 6), 7.0))
    assert torch.equal(changed[..., [0, 2, 3]], outputs[..., [0, 2, 3]])


def test_a_layer_that_is_used_twice_is_changed_at_both_places():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.step = nn.Linear(3, 3)

        def forward(self, x):
            return self.step(self.step(x))

    net, keep = Net(), torch.tensor([1.0, 0, 1])
    with intervene(net, {"step": Mask(keep)}):
        found = net(X)
    assert torch.equal(found, net.step(net.step(X) * keep) * keep)


def test_the_latents_of_a_generator():
    net = SRNet(3, 2, lat_size=4, generator=seeded())
    keep = torch.tensor([0.0, 1, 1, 0])
    with intervene(net, {"latents": Mask(keep)}):
        found = net(X)
    assert torch.equal(found, net.head(net.latents(X) * keep))


# -- what is refused ------------------------------------------------------------------------


def test_what_is_refused_when_it_is_made():
    wrong = {
        "a mask holds a value that isn't finite": lambda: Mask(torch.tensor([1.0, torch.nan])),
        "std is -1.0; expected numbers of at least 0": lambda: Noise(-1.0, seeded()),
        "direction 0 has length 0": lambda: RemoveDirections(torch.zeros(3)),
        "a direction holds a value that": lambda: RemoveDirections(torch.tensor([torch.inf, 1])),
        "direction 1 is a combination": lambda: RemoveDirections(torch.ones(2, 3)),
        r"directions of shape \(4, 3\)": lambda: RemoveDirections(torch.eye(4)[:, :3]),
        r"units are \[1, 1\]; expected different": lambda: Replace([1, 1]),
        r"units are \[True\]": lambda: Replace([True]),
        "unit -1 is not in the layer": lambda: Replace([-1]),
        r"values of shape \(3,\) for 2 units": lambda: Replace([0, 1], torch.zeros(3)),
    }
    for told, make in wrong.items():
        with pytest.raises(InputError, match=told):
            make()


def test_what_is_refused_when_the_model_is_run(model):
    wrong = {
        r"layer 'relu1': a mask of shape \(4,\) for activations \(6, 5\); expected \(5,\)": Mask(
            torch.ones(4)
        ),
        r"a mask of shape \(1,\)": Mask(torch.ones(1)),  # which would be spread over all units
        r"a mask of shape \(3, 5\)": Mask(torch.ones(3, 5)),
        r"a mask of shape \(1, 6, 5\)": Mask(torch.ones(1, 6, 5)),
        "directions of 4 units; the layer has 5": RemoveDirections(torch.ones(4)),
        r"std of shape \(4,\)": Noise(torch.ones(4), seeded()),
        "unit 5 is not in the layer; expected numbers from 0 to 4": Replace([5]),
        r"the intervention gives \(5, 6\); expected \(6, 5\)": lambda acts: acts.T,
        "the intervention gives NoneType": lambda acts: None,
    }
    for told, act in wrong.items():
        with pytest.raises(InputError, match=told), intervene(model, {"relu1": act}):
            model(X)


def test_layers_that_cannot_be_changed(model):
    with pytest.raises(InputError, match="did you mean 'relu2'"), intervene(model, {"relu3": []}):
        pass
    told = r"layer 'fc1': got <class .*; expected an intervention such as Mask"
    with pytest.raises(InputError, match=told), intervene(model, {"fc1": Mask}):
        pass

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 3), Dict(), nn.Linear(3, 3)

        def forward(self, x):
            return nn.functional.linear(self.b(x)["x"], self.c.weight).sum(1)

    class Dict(nn.Module):
        def forward(self, x):
            return {"x": x}

    for name, told in {
        "a": "layer 'a' was not run in the forward pass, so nothing was changed",
        "b": "layer 'b' gives a dict; expected a tensor, or a tuple",
        "c": "layer 'c' was not run",
    }.items():
        with pytest.raises(InputError, match=told), intervene(Odd(), {name: []}) as odd:
            odd(X)
    whole = nn.Sequential(Odd())
    told = r"gives \(6,\); expected \(n, units\)"
    with pytest.raises(InputError, match=told), intervene(whole, {"0": []}):
        whole(X)
