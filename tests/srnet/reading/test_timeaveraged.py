"""Time-averaged layers against a loop over ticks in NumPy."""

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.reading import TimeAveragedDense, TimeAveragedRNN


def twin(layer, x):
    """One tick after the other."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    recurrent = layer.recurrent.detach().numpy() if hasattr(layer, "recurrent") else 0 * bias
    recurrent = np.broadcast_to(recurrent, (len(bias), len(bias)))
    state = output = np.zeros((len(x), len(bias)))
    outputs = []
    for t in range(x.shape[1]):
        net = x[:, t] @ weight + output @ recurrent + bias
        if layer.average == "before":
            state = layer.tau * net + (1 - layer.tau) * state
            output = 1 / (1 + np.exp(-state))
        else:
            output = layer.tau / (1 + np.exp(-net)) + (1 - layer.tau) * output
        outputs.append(output)
    return np.stack(outputs, 1)


@pytest.mark.parametrize("kind", [TimeAveragedDense, TimeAveragedRNN])
@pytest.mark.parametrize("average", ["before", "after"])
@pytest.mark.parametrize("tau", [0.1, 0.7, 1])
def test_activations_are_those_of_a_loop(kind, average, tau):
    generator = torch.Generator().manual_seed(0)
    layer = kind(3, 4, tau, average, generator).double()
    layer.bias.data.normal_(generator=generator)
    x = torch.randn(5, 12, 3, dtype=torch.float64, generator=generator)
    np.testing.assert_allclose(layer(x).detach().numpy(), twin(layer, x.numpy()), 0, 1e-12)


@pytest.mark.parametrize("kind", [TimeAveragedDense, TimeAveragedRNN])
@pytest.mark.parametrize("average", ["before", "after"])
def test_gradients_are_those_of_finite_differences(kind, average):
    layer = kind(2, 3, 0.3, average, torch.Generator().manual_seed(0)).double()
    x = torch.rand(2, 4, 2, dtype=torch.float64, requires_grad=True)
    names, parameters = zip(*layer.named_parameters(), strict=True)

    def run(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *parameters))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tau": 0}, "tau is 0"),
        ({"average": "befor"}, "average is 'befor'; did you mean 'before'"),
        ({"in_units": 0}, "in_units is 0"),
        ({"units": -1}, "units is -1"),
    ],
)
def test_a_layer_that_can_not_be(settings, message):
    with pytest.raises(InputError, match=message):
        TimeAveragedRNN(**({"in_units": 2, "units": 2, "tau": 0.1} | settings))


@pytest.mark.parametrize("shape", [(4, 30, 2), (30, 3), (4, 0, 3)])
def test_inputs_that_do_not_fit(shape):
    with pytest.raises(InputError, match=r"expected \(examples, ticks, 3\)"):
        TimeAveragedRNN(3, 4, 0.1)(torch.zeros(shape))
