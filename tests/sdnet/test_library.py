"""Libraries of formulas (sdnet.library): dealing, sampling, reading, and what goes wrong."""

import copy
import pickle
from pathlib import Path

import pytest
import torch

from sdnet.errors import InputError
from sdnet.formula import parse
from sdnet.library import SDData

FUNS = Path(__file__).parents[2] / "funs"


def load(name, **options):
    return SDData(FUNS / name, f"X{name[1:3]}", **options)


def lines(*texts, **options):
    return SDData.from_lines(list(texts), "X07", name="F.lib", **options)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def points(n=20, d=2, dtype=torch.float64):
    return torch.randn(n, d, generator=seeded(9), dtype=dtype)


def test_a_draw_by_hand():
    draws = lines("x0**2*x1", shuffle=False).get(1, torch.tensor([[3.0, 5.0, 7.0]]))
    assert draws.tolist() == [[[[45.0, 30.0, 9.0, 0.0]]]]  # value, d/dx0, d/dx1, d/dx2


def test_coefficients_are_drawn_anew_for_each_curve_from_their_distributions():
    x = torch.ones(1, 1, dtype=torch.float64)
    normal = lines("N").values(500, x, 20, seeded()).flatten()
    uniform = lines("U").values(500, x, 20, seeded()).flatten()
    assert len(normal.unique()) == len(uniform.unique()) == 10_000
    assert abs(normal.mean()) < 0.05  # five standard errors
    assert abs(normal.std() - 1) < 0.05
    assert 0 <= uniform.min() < 0.01 < 0.99 < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.015
    same, other = lines("N0 - N", "N1 - N0", shuffle=False).values(2, x, 1, seeded())[0, :, 0]
    assert same == 0 != other


def test_a_deck_is_dealt_out_before_a_template_comes_again():
    library = lines(*[str(number) for number in range(5)])
    cards = library.values(12, points(1), 200, seeded())[..., 0].long()
    for hand in cards.tolist():
        assert sorted(hand[:5]) == sorted(hand[5:10]) == [0, 1, 2, 3, 4]
        assert len(set(hand[10:])) == 2
    assert len({tuple(hand[:5]) for hand in cards.tolist()}) > 60  # of 120 orders
    assert set(cards[:, 0].tolist()) == set(cards[:, 11].tolist()) == {0, 1, 2, 3, 4}


def test_without_shuffling_each_iteration_goes_through_the_file():
    cards = lines("0", "1", "2", shuffle=False).values(4, points(1), 2)[..., 0]
    assert cards.tolist() == [[0, 1, 2, 0], [0, 1, 2, 0]]


def test_randomness_comes_from_the_call_then_the_library_then_torch():
    x, own = points(), lines("N*x0", "U*x1", generator=seeded(5))
    first, second = own.values(3, x), own.values(3, x)
    assert not torch.equal(first, second)
    twin = lines("N*x0", "U*x1")
    assert torch.equal(twin.values(3, x, generator=seeded(5)), first)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        assert torch.equal(twin.values(3, x), first)
        torch.manual_seed(6)
        assert torch.equal(own.values(3, x, generator=seeded(5)), first)
        assert torch.initial_seed() == 6


def test_funs_holds_the_lines_and_one_derivative_for_each_variable():
    written = load("F11_v1.lib").funs
    assert written == [
        ["N0*0.05*(X11[:,0] + 0.5*N1)**2 + 0.15*N2", "N0*0.1*(X11[:,0] + 0.5*N1)"],
    ]
    assert lines("N", "U*x0").funs == [["N", "0"], ["U*x0", "U0"]]
    assert lines("x0**2; 2*x0", "x0*x1").funs == [["x0**2", "2*x0", "0"], ["x0*x1", "x1", "x0"]]
    assert lines("2").funs == [["2", "0"]]


def test_in_var_may_have_its_columns_picked():
    (text, slope) = SDData(FUNS / "F10_v1.lib", "X10[:,0]").funs[0]
    assert text == "N0*0.05*(X10[:,0] + 0.5*N1)**2 + 0.15*N2"
    derived = parse(slope, {"x": 1}, coefficients=True)
    by_hand = parse("N0*0.1*(x0 + 0.5*N1)", {"x": 1}, coefficients=True)
    assert (derived - by_hand).expand() == 0


def test_comments_blank_lines_and_foreign_line_ends(tmp_path):
    path = tmp_path / "a.lib"
    path.write_bytes(
        b"\xef\xbb\xbf# a comment; x9\r\n\r\n  x0**2 ; 2*x0\r\n\t# another\r\nX00[:,1]"
    )
    library = SDData(path, "X00", iter_sample=True)
    assert library.funs == [["x0**2", "2*x0", "0"], ["X00[:,1]", "0", "1"]]
    assert [t.where for t in library.templates] == [f"{path}:3", f"{path}:5"]
    assert library.iter_sample
    assert len(library) == 2
    assert repr(library) == (
        f"SDData({str(path)!r}, 'X00', shuffle=True, iter_sample=True; templates: 2, variables: 2)"
    )


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_a_library_survives_copying_pickling_and_its_own_lines(clone):
    original = load("F07_v2.lib", generator=seeded(3))
    rebuilt = SDData.from_lines(original.lines, original.in_var)
    expected = original.get(9, points(), 2, seeded(1))  # after which it holds compiled functions
    assert torch.equal(clone(original).get(9, points(), 2, seeded(1)), expected)
    assert torch.equal(rebuilt.get(9, points(), 2, seeded(1)), expected)
    assert clone(original).values(9, points()).equal(rebuilt.values(9, points(), None, seeded(3)))


@pytest.mark.parametrize("texts", [[], [""], ["# x0", "   "]])
def test_an_empty_library_is_refused(texts):
    with pytest.raises(InputError, match=r"F\.lib: no template found"):
        lines(*texts)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"F10_v2\.lib: no such file; did you mean 'F10_v1\.lib'"):
        SDData(FUNS / "F10_v2.lib", "X10")
    with pytest.raises(InputError, match=r"no such file; no \.lib file is in .*nowhere"):
        SDData(tmp_path / "nowhere" / "F10.lib", "X10")
    with pytest.raises(InputError, match="can't be read: Is a directory"):
        SDData(tmp_path, "X10")
    (tmp_path / "b.lib").write_bytes(b"x0\n\xff\xfe\x00")
    with pytest.raises(InputError, match=r"b\.lib: not a text file in UTF-8"):
        SDData(tmp_path / "b.lib", "X10")
    with pytest.raises(InputError, match="in_var is '', but a table's name such as 'X10'"):
        SDData(FUNS / "F10_v1.lib", "")


@pytest.mark.parametrize("call", [lambda a, x: a.get(1, x), lambda a, x: a.check(x)])
def test_points_that_do_not_fit(call):
    library = lines("x0", "x0*X07[:,2]")
    with pytest.raises(InputError, match=r"F\.lib:2: 'x0\*X07\[:,2\]' uses x2, .* have 2 columns"):
        call(library, points(5, 2))
    for wrong in (torch.ones(5), torch.ones(0, 3), torch.ones(5, 3, dtype=torch.int64)):
        with pytest.raises(InputError, match="a table of floats"):
            call(library, wrong)
    with pytest.raises(InputError, match="the points have NaN or infinite entries"):
        call(library, torch.full((5, 3), torch.nan))


@pytest.mark.parametrize("sizes", [(0, 1), (-1, 1), (1, 0)])
def test_no_curves_cannot_be_drawn(sizes):
    with pytest.raises(InputError, match="at least 1 expected"):
        lines("x0").values(sizes[0], points(), sizes[1])


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("log(x0)", 3),  # NaN at -2 and -1, minus infinity at 0
        ("1/x0", 1),
        ("sqrt(x0)", 2),
        ("(x0 - 3)**1.5", 5),
        ("x0**0.5 + N", 2),
        ("exp(1000*x0)", 2),
        ("asin(x0)", 2),
    ],
)
def test_templates_that_are_not_finite_on_the_points_are_named(text, bad):
    x = torch.tensor([[-2.0], [-1.0], [0.0], [1.0], [2.0]])
    message = f"F.lib:2: {text!r} isn't a finite real number at {bad} of the 5 points"
    library = lines("x0**2", text, shuffle=False)
    for call in (library.values, library.get):
        with pytest.raises(InputError) as caught:
            call(2, x, 3)
        assert message in str(caught.value)
    with pytest.raises(InputError) as caught:
        library.check(x)
    assert message in str(caught.value)


def test_the_worst_draw_counts():
    x = torch.linspace(-1, 1, 101)[:, None]
    library = lines("log(x0 + 2*U0)")  # NaN where x0 <= -2*U0: never at most 50 points
    drawn = 2 * torch.rand(1, 40, 1, generator=seeded()).min()
    expected = int((x <= -drawn).sum())
    with pytest.raises(InputError, match=f"at {expected} of the 101 points"):
        library.values(40, x, generator=seeded())


def test_a_derivative_that_is_not_finite_matters_where_derivatives_are_asked_for():
    x = torch.tensor([[0.0], [4.0]])
    library = lines("sqrt(x0)")
    assert library.values(1, x).tolist() == [[[0.0, 2.0]]]
    library.check(x, with_partials=False)
    for call in (lambda: library.get(1, x), lambda: library.check(x)):
        with pytest.raises(
            InputError, match=r"the derivative by x0 of 'sqrt\(x0\)' isn't a finite"
        ):
            call()


def test_check_finds_a_template_that_is_not_dealt_and_leaves_the_generators_alone():
    library = lines("x0", "log(x0)", shuffle=False, generator=seeded(2))
    x = -torch.ones(3, 1)
    assert library.values(1, x).tolist() == [[[-1.0] * 3]]
    before = library.generator.get_state(), torch.random.get_rng_state()
    with pytest.raises(InputError, match=r"F\.lib:2: 'log\(x0\)' isn't a finite real number"):
        library.check(x)
    assert torch.equal(before[0], library.generator.get_state())
    assert torch.equal(before[1], torch.random.get_rng_state())


def test_large_finite_values_are_no_error():
    values = lines("3e38*x0**2").values(4, torch.ones(2, 1))  # whose sum is infinite in float32
    assert values.isfinite().all()


@pytest.mark.parametrize("in_var", ["Y[:,1]", "Y[:,[1,0]]", "Y[:,1:]", "Y[:, [0, 2]]"])
def test_a_column_of_the_table_is_not_mistaken_for_a_picked_one(in_var):
    with pytest.raises(InputError, match=r"library:1: columns of 'Y' .* write x0, x1"):
        SDData.from_lines(["Y[:,0]"], in_var)
    assert len(SDData.from_lines(["x0"], in_var)) == 1


@pytest.mark.parametrize("in_var", ["Y", "Y[:,0]", "Y[:,:2]", "Y[:,0:2]", "Y[:, [0, 1]]"])
def test_columns_picked_in_the_tables_order_keep_their_names(in_var):
    points = torch.tensor([[3.0, 5.0]])
    assert SDData.from_lines(["Y[:,0]"], in_var).values(1, points).item() == 3.0
