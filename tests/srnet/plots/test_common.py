"""What figures have in common: files repeat, and are whole or not there."""

import subprocess
import sys

import matplotlib
import pytest
from matplotlib.figure import Figure

from sdnet.errors import InputError
from srnet import plots


def example() -> Figure:
    return plots.learning_curves({"a": {"acc": [0.5, 0.7, 0.6]}, "b": {"acc": [0.5, 0.9]}}).figure


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_a_figure_gives_the_same_bytes_each_time(tmp_path, suffix, start):
    paths = [tmp_path / "made" / f"{number}{suffix}" for number in range(3)]
    first = example()
    for figure, path in zip([first, first, example()], paths, strict=True):
        plots.save(figure, path)
    one, again, remade = (path.read_bytes() for path in paths)
    assert one == again == remade
    assert one.startswith(start)
    assert b"<dc:date>" not in one
    assert sorted(paths[0].parent.iterdir()) == paths  # and nothing else is left


def test_a_new_process_writes_the_same_svg(tmp_path):
    code = (
        "import sys; from srnet import plots; assert 'matplotlib.pyplot' not in sys.modules\n"
        "plots.save(plots.score_histogram([1.0], [0.0]).figure, sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there.svg")], check=True)
    plots.save(plots.score_histogram([1.0], [0.0]).figure, tmp_path / "here.svg")
    assert (tmp_path / "there.svg").read_bytes() == (tmp_path / "here.svg").read_bytes()


def test_png_is_800_pixels_wide_and_settings_stay_as_they_were(tmp_path):
    before = dict(matplotlib.rcParams)
    plots.save(example(), tmp_path / "a.PNG")
    assert int.from_bytes((tmp_path / "a.PNG").read_bytes()[16:20], "big") == 800
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.png.gz"])
def test_another_suffix_is_refused_and_nothing_written(tmp_path, name):
    with pytest.raises(InputError, match=r"expected \.png or \.svg"):
        plots.save(example(), tmp_path / "new" / name)
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file/a\.svg: can't be written"):
        plots.save(example(), tmp_path / "file" / "a.svg")
    (tmp_path / "b.svg").mkdir()
    with pytest.raises(InputError, match=r"b\.svg: can't be written"):
        plots.save(example(), tmp_path / "b.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.svg", "file"]


def test_a_failed_drawing_leaves_the_old_file_alone(tmp_path):
    plots.save(example(), tmp_path / "a.png")
    old = (tmp_path / "a.png").read_bytes()
    broken = Figure()
    broken.text(0, 0, r"$\broken$")
    with pytest.raises(ValueError, match="broken"):
        plots.save(broken, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
