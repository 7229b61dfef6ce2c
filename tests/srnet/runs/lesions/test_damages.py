"""Damage as text, and done to a network."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.reading import PMSP
from srnet.runs.lesions.damages import UNDAMAGED, Damage, parse_damage


def network():
    return PMSP(0.1, h_units=10, p_units=9, c_units=5, seed=0)


def damaged(text):
    (one,) = parse_damage(text)
    return one.inflict(network(), torch.Generator().manual_seed(0))


def test_each_kind_does_what_it_says():
    assert set(damaged("cut:hp+cp").connections) == {"oh", "ph", "pp", "pc"}
    zeroed = damaged("zero_out:pp+pc=0.2")
    assert (int((zeroed.w_pp == 0).sum()), int((zeroed.w_pc == 0).sum())) == (16, 9)
    shrunk = damaged("shrink:hidden+cleanup=0.4")
    assert (shrunk.units["hidden"], shrunk.units["cleanup"]) == (6, 3)
    assert damaged("add_noise:phonology=2").noise == {"phonology": 2}
    assert damaged("apply_l2=0.5").l2 == 0.5


def test_of_one_seed_more_severe_damage_holds_the_less_severe():
    some, more = (damaged(f"zero_out:pp={severity}").w_pp == 0 for severity in (0.2, 0.6))
    assert more[some].all()
    few, many = (damaged(f"shrink:hidden={share}").lesions[0].removed for share in (0.2, 0.6))
    assert set(few) < set(many)


def test_no_damage_is_a_copy():
    model = network()
    copy = Damage(UNDAMAGED, None).inflict(model, torch.Generator())
    assert copy is not model
    assert copy.w_pp is not model.w_pp
    assert torch.equal(copy.w_pp, model.w_pp)
    assert not copy.lesions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zeroout:pp", "unknown kind 'zeroout'; did you mean 'zero_out'"),
        ("", "unknown kind ''; choose from cut"),
        ("cut", "says no place, expected cut:PLACE"),
        ("zero_out:=0.1", "says no place"),
        ("cut:hp+", "says no place"),
        ("cut:hp=0.1", "cut has no severity, expected cut:hp"),
        ("apply_l2:pp=1", "expected no place"),
        ("zero_out:pp=", "severity '', expected finite numbers"),
        ("zero_out:pp=0.1,x", "severity 'x'"),
        ("zero_out:pp=nan", "severity 'nan'"),
        ("add_noise:phonology=-1", "severity '-1'"),
    ],
)
def test_bad_text(text, message):
    with pytest.raises(InputError, match=message):
        parse_damage(text)
