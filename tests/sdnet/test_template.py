"""Lines of a library (sdnet.template): bad ones, and hand-written derivatives."""

import pytest

from sdnet.errors import InputError
from sdnet.template import read_template


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x0 +", "F.lib:2:5: syntax error"),
        ("N0*sine(x0)", "F.lib:2:4: unknown function 'sine'; did you mean 'sin'?"),
        ("x0*y0", "F.lib:2:4: unknown name 'y0'"),
        ("x0.real", "F.lib:2:1: 'x0.real' isn't allowed"),
        ("sin(x=x0)", "F.lib:2:1: sin takes one argument"),
        ("'x0'", "F.lib:2:1: \"'x0'\" isn't allowed"),
        ("lambda: x0", "F.lib:2:1: 'lambda: x0' isn't allowed"),
        ("__import__('os')", "F.lib:2:1: unknown function '__import__'"),
        ("9**9**9", "F.lib:2:4: the exponent is beyond 100"),
        ("sin(" * 80 + "x0" + ")" * 80, "F.lib:2:1: the formula is nested"),
        (
            "N0*X08[:,0]",
            "F.lib:2:4: the table 'X08' isn't the one at hand; did you mean 'X07[:,0]'",
        ),
        ("x0**2;", "F.lib:2:7: the formula is empty"),
        ("x0**2; 2*x0 +", "F.lib:2:14: syntax error"),
        (
            "x0**2; 3*x0",
            "F.lib:2:8: the derivative by x0 is written '3*x0', but that of 'x0**2' is",
        ),
        ("x0*x1; x1; x1", "F.lib:2:12: the derivative by x1 is written 'x1', but that of"),
        ("N0*sin(U0*x0); N0*cos(U0*x0)", "is 'N0*U0*cos(U0*x0)'"),
        ("x0**3; 3*x0**2 + 1e-4*x0", "is '3*x0**2'"),
        ("x0; 1; 1", "F.lib:2:8: the derivative by x1 is written '1', but that of 'x0' is '0'"),
        ("x0*x1; x1", "F.lib:2: 1 of the 2 derivatives of 'x0*x1' are given"),
        ("sqrt(x0 - 1000); 1", "F.lib:2:18: the derivative by x0"),  # nowhere finite on trial
    ],
)
def test_bad_lines_are_named_with_their_place(line, message):
    with pytest.raises(InputError) as caught:
        read_template(line, "X07", "F.lib:2")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "x0**2; 2*x0",
        "x0**2; 2*X07[:,0]; 0",
        "N0*x0*sin(x1); N0*np.sin(x1); N0*x0*np.cos(x1)",
        "(x0 + 1)**2 ; 2*x0 + 2",
        "tanh(x0); 1/cosh(x0)**2",
        "log(abs(x0)); 1/x0",
        "x0*abs(x0); 2*abs(x0)",
        "sqrt(x0); 0.5*x0**-0.5",
        "x0; sin(x1)**2 + cos(x1)**2",
    ],
)
def test_right_hand_written_derivatives_are_taken_in_any_form(line):
    assert read_template(line, "X07", "F.lib:1").partial_texts(1) == [line.split(";")[1].strip()]
