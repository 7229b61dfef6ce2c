"""C1, C2 and C3: hand-made joint distributions, signs, identities; p-values against random."""

import math
from collections import Counter
from itertools import product

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.groups import group_variables
from srnet.dissect.modularity import MEASURES, conditional_measures, modularity_measures

G = torch.Generator
LN2 = math.log(2)
SETTINGS = {"estimator": "plug-in", "components": 1}
BITS = torch.tensor(list(product((0, 1), repeat=2)))
P, N = BITS[:, :1], BITS[:, 1:]


@pytest.mark.parametrize(
    ("inside", "outside", "target", "expected"),
    [
        (P, N, P, (0, 0, -LN2)),  # a module: a copy of its own
        (P, N, N, (-LN2, -LN2, 0)),  # a copy of the rest
        (P, P, P, (-LN2, 0, 0)),  # both know it: none adds anything
        (P, N, P ^ N, (0, -LN2, -LN2)),  # exclusive or: only together
        (P, N, 0 * P, (0, 0, 0)),
        (P, N, 2 * P + N, (-LN2, -LN2, -LN2)),  # half from each
    ],
    ids=["copy", "rest", "both", "xor", "constant", "pair"],
)
def test_hand_made_distributions(inside, outside, target, expected):
    found = conditional_measures(inside, outside, target, "plug-in")[0]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def plain(*columns):
    counts = Counter(zip(*(column.tolist() for column in columns), strict=True)).values()
    n = len(columns[0])
    return -sum(c / n * math.log(c / n) for c in counts), (len(counts) - 1) / (2 * n)


@pytest.mark.parametrize("corrected", [False, True])
def test_measures_are_those_of_entropies_counted_one_by_one(corrected):
    a, n, b = (torch.randint(k, (50, 7), generator=G().manual_seed(k)) for k in (2, 3, 4))
    found = conditional_measures(a, n, b, "miller-madow" if corrected else "plug-in")

    def h(*columns):
        entropy, bias = plain(*columns)
        return entropy + corrected * bias

    for row, p, r, t in zip(found, a.T, n.T, b.T, strict=True):
        given_both = h(p, r, t) - h(p, r)
        expected = (
            h(r, t) - h(r) - h(t),
            given_both - (h(p, t) - h(p)),
            given_both - (h(r, t) - h(r)),
        )
        assert row.tolist() == pytest.approx(expected, abs=1e-12)


def test_signs_and_identities():
    """A mistake in circulation: C2 and C3 above 0, A standing for itself by a coarser variable."""
    a, n, b = (torch.randint(4, (90, 40), generator=G().manual_seed(k)) for k in range(3))
    found = conditional_measures(a, n, b, "plug-in")
    assert (found <= 1e-12).all()
    # the chain rule: C1 + C3 = -I(B; A_P, A_N) = C2 - I(B; A_P)
    none = torch.zeros_like(a)
    all_of_a = conditional_measures(a * 4 + n, none, b, "plug-in")[:, 2]
    own = conditional_measures(none, a, b, "plug-in")[:, 0]
    torch.testing.assert_close(found[:, 0] + found[:, 2], all_of_a)
    torch.testing.assert_close(found[:, 1] + own, all_of_a)


def test_corrected_measures_of_independent_groups_are_about_zero():
    a, n, b = (torch.randint(4, (640, 400), generator=G().manual_seed(k)) for k in range(3))
    plugin, corrected = (conditional_measures(a, n, b, e) for e in ("plug-in", "miller-madow"))
    assert (plugin.mean(0) < torch.tensor([-0.006, -0.025, -0.025])).all()
    assert (corrected.mean(0).abs() < torch.tensor([0.001, 0.004, 0.004])).all()
    assert (corrected > 0).any(0).all()  # not cut off at 0


def two_halves(n=600, units=8, seed=0):
    """Two layers; the first half of each follows one hidden variable, the second another."""
    generator = G().manual_seed(seed)
    hidden = torch.randn(n, 2, generator=generator).repeat_interleave(units // 2, dim=1)
    noisy = (hidden + 0.3 * torch.randn(n, units, generator=generator) for _ in range(2))
    return dict(zip(("a", "b"), noisy, strict=True))


HALF = {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}


def test_a_half_that_is_a_module_is_found_and_others_are_not():
    first, last = list(range(6)), list(range(6, 12))
    modules = {
        "half": {"a": first, "b": first},
        "crossed": {"a": first, "b": last},
        "mixed": {"a": [0, 1, 2, 6, 7, 8], "b": [0, 1, 2, 6, 7, 8]},
    }
    report = modularity_measures(two_halves(units=12), modules)
    half, crossed, mixed = report.entries
    assert half.measures[:2].abs().max() < 0.02
    assert half.measures[2] < -0.4
    assert max(half.p_values()) <= 0.05
    assert crossed.measures[0] < -0.4
    assert crossed.measures[2].abs() < 0.02
    # C1 alone would not do: mixed sets have two variables, which tell each other more
    assert min(crossed.p_values()[1:]) > 0.5
    assert min(mixed.p_values()) > 0.05
    rows = report.rows()
    assert [row["module"] for row in rows] == ["half", "crossed", "mixed"]
    assert rows[0]["units"] == "6, 6"
    assert [rows[0][name] for name in MEASURES] == half.measures.tolist()
    assert rows[0]["p C3"] == half.p_values()[2]
    assert rows[0]["random C1"] == pytest.approx(half.null[:, 0].mean().item())
    assert list(report.to_frame().columns) == list(rows[0])
    assert "crossed" in str(report)


def test_the_rest_is_the_layers_other_units():
    acts = two_halves(60)
    found = modularity_measures(acts, {"one": {"a": [6, 1], "b": [2, 7]}}, random_modules=1)
    groups = ("a", [1, 6]), ("a", [0, 2, 3, 4, 5, 7]), ("b", [2, 7])
    variables = (group_variables(acts[layer], torch.tensor([units])) for layer, units in groups)
    expected = conditional_measures(*variables)[0]
    torch.testing.assert_close(found.entries[0].measures, expected)


def test_bits_are_nats_over_ln_2():
    nats, bits = (
        modularity_measures(two_halves(50), {"half": HALF}, base=base).entries[0]
        for base in ("nats", "bits")
    )
    torch.testing.assert_close(bits.measures * LN2, nats.measures)
    torch.testing.assert_close(bits.null * LN2, nats.null)


def test_a_p_value_is_never_zero_and_counts_ties():
    """A mistake in circulation: p = 0, from a count without the module itself."""
    report = modularity_measures(two_halves(), {"half": HALF}, random_modules=49)
    entry = report.entries[0]._replace(
        measures=torch.tensor([0.0, -1.0, -2.0]).double(),
        null=torch.tensor([[-1.0, -1.0, -3.0], [-2.0, -1.0, -2.0], [-3.0, -2.0, -1.0]]).double(),
    )
    assert entry.p_values() == [1 / 4, 3 / 4, 3 / 4]


def test_random_modules_have_the_sizes_of_the_module_and_are_never_the_module_itself():
    """With one unit of three in either layer there are nine, of which eight are others."""
    acts = {k: v[:, [0, 1, 7]] for k, v in two_halves().items()}
    modules = {f"{i}{j}": {"a": [i], "b": [j]} for i in range(3) for j in range(3)}
    report = modularity_measures(acts, modules, random_modules=400)
    found = {entry.module: entry.measures for entry in report.entries}
    for entry in report.entries:
        others = torch.stack([m for name, m in found.items() if name != entry.module])
        near = torch.cdist(entry.null, others, p=math.inf).min(1)
        assert near.values.max() < 1e-12
        assert near.indices.unique().numel() == 8  # all of them, and no other
        assert 310 < len(entry.null) < 390  # 400 less about 400/9 equal to it


def test_p_values_of_a_random_module_are_even():
    """Of 100 candidates about 20 have p <= 0.2, by each measure."""
    generator = G().manual_seed(3)
    acts = two_halves(200, 16)
    modules = {
        str(i): {
            layer: torch.randperm(16, generator=generator)[:6].tolist() for layer in ("a", "b")
        }
        for i in range(100)
    }
    report = modularity_measures(acts, modules, components=1, random_modules=99)
    p = torch.tensor([entry.p_values() for entry in report.entries])
    shares = (p <= 0.2).float().mean(0)
    assert ((shares > 0.06) & (shares < 0.34)).all()  # 3.5 standard deviations


def test_the_same_seed_gives_the_same_and_pairs_may_be_chosen():
    acts = two_halves(50)
    acts["c"] = acts["a"].flip(1)
    module = {"half": {**HALF, "c": torch.arange(8) < 4}}
    one, same, other = (
        modularity_measures(acts, module, pairs=[("c", "a")], generator=G().manual_seed(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(one.entries[0].null, same.entries[0].null)
    assert not torch.equal(one.entries[0].null, other.entries[0].null)
    assert (one.entries[0].layer_a, one.entries[0].layer_b) == ("c", "a")
    pairs = [(e.layer_a, e.layer_b) for e in modularity_measures(acts, module).entries]
    assert pairs == [("a", "b"), ("b", "c")]


def test_whole_and_empty_groups_are_constants_without_a_p_value():
    acts = two_halves()
    modules = {
        "all": {"a": list(range(8)), "b": list(range(8))},
        "none": {"a": [], "b": []},
        "from none": {"a": [], "b": [0, 1]},
    }
    report = modularity_measures(acts, modules, **SETTINGS)
    everything, nothing, from_none = report.entries
    assert everything.measures[:2].tolist() == pytest.approx([0, 0], abs=1e-12)
    assert everything.measures[2] < -0.1
    assert nothing.measures.tolist() == pytest.approx([0, 0, 0], abs=1e-12)
    assert everything.p_values() == nothing.p_values() == [None] * 3
    assert from_none.measures[0].item() == pytest.approx(from_none.measures[1].item())
    assert from_none.p_values()[2] == 1  # C3 is 0 for all of them
    assert report.rows()[0]["random C1"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modules": {}}, "no modules were given"),
        ({"acts": {"a": torch.ones(5, 2)}}, "one layer was given, 'a'; expected two or more"),
        ({"acts": {}}, "no layers were given"),
        ({"pairs": [("a", "d")]}, "pairs names layer 'd'; choose from a, b"),
        ({"estimator": "ksg"}, "estimator is 'ksg'; choose from miller-madow, plug-in"),
        ({"base": "bit"}, "did you mean 'bits'"),
        ({"random_modules": 0}, "random_modules is 0"),
        ({"levels": 1}, "levels 1"),
        ({"modules": {"half": {"a": [0]}}}, "module 'half', layer 'b': no units are named"),
        ({"modules": {"half": {"a": [0], "b": [8]}}}, "there is no unit 8; expected 0 to 7"),
        ({"acts": {"a": torch.ones(5, 2), "b": torch.ones(4, 2)}}, "expected the same number"),
        ({"acts": {"a": torch.full((5, 2), math.nan), "b": torch.ones(5, 2)}}, "aren't finite"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused(change, words):
    given = {"acts": two_halves(20), "modules": {"half": HALF}, **change}
    with pytest.raises(InputError, match=words):
        modularity_measures(given.pop("acts"), given.pop("modules"), **given)
