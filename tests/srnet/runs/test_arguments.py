"""Command line words to a model, by flag, literal and file, and the words for mistakes."""

import pytest
from pydantic import BaseModel, Field

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.config import Arch, CriticRun, Disc, DSNOptions


def parse(*argv):
    return parse_args(CriticRun, argv, "symdisc critic", "Train a critic.")


def refusal(*argv):
    with pytest.raises(InputError) as caught:
        parse(*argv)
    return str(caught.value)


def test_no_words_are_the_defaults():
    assert parse() == CriticRun()


@pytest.mark.parametrize(
    "argv",
    [
        ["--arch.hid_num", "3", "0"],
        ["--arch.hid-num", "3", "0"],
        ["--arch.hid_num=[3,0]"],
        ["--arch.hid_num", "[3, 0]"],
        ["--arch.hid_num=(3, 0)"],
        ["--arch={'hid_num': [3, 0]}"],
        ["--arch={'hid_num': (3, 0), 'hid_kwargs': {'alpha': None}}"],
        ['--arch={"hid_num": [3, 0], "in_size": null}'],
        ["--arch", "{'hid_num': [3, 0]}"],
    ],
)
def test_all_ways_to_write_a_pair(argv):
    assert parse(*argv) == CriticRun(arch=Arch(hid_num=(3, 0)))


@pytest.mark.parametrize("argv", [["--disc.lr", "1e-3"], ["--disc.lr=1e-3"], ["--disc.lr=0.001"]])
def test_all_ways_to_write_a_number(argv):
    assert parse(*argv) == CriticRun(disc=Disc(lr=0.001))


def test_switches_lists_text_and_none():
    run = parse(
        *["--no-shuffle", "--iter_sample", "--resume=false", "--ext", "grad", "input"],
        *["--disc.conv_arch", "8", "M", "--name", "5", "--in_var=X11[:,0]", "--runtime", "none"],
        *["--arch.hid_kwargs.alpha=[[1, 0], [0, 1]]", "--disc.loss_fun", "BCE"],
    )
    assert run == CriticRun(
        shuffle=False,
        iter_sample=True,
        ext=("input", "grad"),
        disc=Disc(conv_arch=(8, "M")),
        name="5",
        in_var="X11[:,0]",
        arch=Arch(hid_kwargs=DSNOptions(alpha=((1.0, 0.0), (0.0, 1.0)))),
    )


def test_flags_override_the_file_wherever_they_stand_and_the_last_flag_stays(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("disc: {lr: 1e-2, wd: 0.5}\nepochs: 7\nshuffle: false\n")
    run = parse("--disc.lr=1", "--disc.lr", "2", "--config", str(file), "--arch={'lat_size': 3}")
    assert run == CriticRun(
        disc=Disc(lr=2.0, wd=0.5), epochs=7, shuffle=False, arch=Arch(lat_size=3)
    )


def test_a_mistake_in_the_file_is_told_as_the_files(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("disc: {lrr: 1}\n")
    assert refusal(f"--config={file}") == f"{file}: disc.lrr: unknown key; did you mean 'lr'?"
    assert "No such file" in refusal("--config", str(tmp_path / "none.yaml"))
    assert refusal("--config") == "command line: --config: got 0 words, expected one file"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--disc.lrr", "3"], "command line: disc.lrr: unknown key; did you mean 'lr'?"),
        (["--shufle"], "command line: shufle: unknown key; did you mean 'shuffle'?"),
        (["--no-shufle"], "command line: no_shufle: unknown key; did you mean 'shuffle'?"),
        (["--lr=3"], "command line: lr: unknown key; did you mean 'disc.lr'?"),
        (["--disc.lr"], "command line: --disc.lr: got nothing, expected a value (Adam's learning"),
        (["--disc.lr", "-1"], "command line: disc.lr: got '-1', expected a number > 0"),
        (["--disc.lr", "1", "2"], "command line: disc.lr: got ['1', '2'], expected a number > 0"),
        (["--arch", "5"], "command line: arch: got '5', expected any of its keys in_size"),
        (["--arch.hid_num=[2,"], "command line: --arch.hid_num:1:4: expected the node content"),
        (["--arch.hid_num={2, 0}"], "command line: arch.hid_num: got {0, 2}, expected a whole"),
        (["--epochs=__import__('os')"], "command line: epochs: got \"__import__('os')\", expected"),
        (["--epochs=[__import__('os')]"], "command line: epochs: got [\"__import__('os')\"], exp"),
        (["foo"], "command line: got 'foo', expected a flag such as --key value"),
        (["--"], "command line: got '--', expected a flag such as --key value"),
    ],
)
def test_mistakes(argv, words):
    assert refusal(*argv).startswith(words)


def test_help_shows_flags_descriptions_and_defaults(capsys, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("epochs: 4321\n")
    with pytest.raises(SystemExit) as caught:
        parse("--help", "--config", str(file))
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("symdisc critic", "Train a critic.", "--config", "--disc.hid_num"):
        assert words in shown
    assert "weight of the gradient penalty (default: 1e-05)" in shown
    assert "epochs to train (default: 4321)" in shown


def test_other_models(capsys):
    class Other(BaseModel):
        label: str = Field(description="what it is called")
        loud: bool = False

    assert parse_args(Other, ["--label", "x", "--loud"], "o", "O.") == Other(label="x", loud=True)
    with pytest.raises(InputError, match="label: missing, expected what it is called"):
        parse_args(Other, [], "o", "O.")
    with pytest.raises(SystemExit):
        parse_args(Other, ["-h"], "o", "O.")
    assert "what it is called" in capsys.readouterr().out
