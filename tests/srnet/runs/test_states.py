"""States on disk: whole or refused, safe to read, written whole or not at all."""

import os
import pickle
import random
import resource
import signal
import zipfile

import pytest
import torch

from sdnet.errors import InputError
from srnet.runs.states import check_writable, load_state, save_state

STATE = {
    "format": "critic 1",
    "hyperparams": {"ext": [], "disc": {"lr": 1e-3, "betas": [0.9, 0.999]}, "runtime": None},
    "critic_args": {"in_size": 3},
    "critic": {"critic.weights.0": torch.arange(12.0).reshape(3, 4)},
    "history": {"acc": [0.5, 0.75]},
    "times": [0.25],
    "ended": "finished",
    "seed": 2**62,
    "points": torch.tensor([[float("1e-30")], [-0.0]]),
}


class Touch:
    """Its pickle makes a file when it is run."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, STATE)
    return path


def refusal(path):
    with pytest.raises(InputError) as caught:
        load_state(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


# -- writing --------------------------------------------------------------------------------


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "folder" / "state.pt"
    save_state(str(path), STATE)
    assert equal(load_state(str(path)), STATE)
    save_state(path, {**STATE, "seed": 1})
    assert load_state(path)["seed"] == 1
    assert [file.name for file in path.parent.iterdir()] == ["state.pt"]


@pytest.mark.parametrize("failing", ["save", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_former_file_alone(saved, monkeypatch, failing):
    def fail(*_):
        raise OSError(28, "No space left on device")

    place = "torch.save" if failing == "save" else f"os.{failing}"
    monkeypatch.setattr(f"srnet.runs.states.{place}", fail)
    with pytest.raises(OSError if failing == "save" else InputError, match="No space left"):
        save_state(saved, {**STATE, "seed": 1})
    monkeypatch.undo()
    assert equal(load_state(saved), STATE)
    assert list(saved.parent.iterdir()) == [saved]


def test_a_full_disk(saved):
    """A limit on the size of files stands for it: the write fails half-way."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.SIG_IGN
    handler = signal.signal(signal.SIGXFSZ, handler)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"state.pt: can't be written \(File too large\)"):
            save_state(saved, {**STATE, "critic": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert equal(load_state(saved), STATE)
    assert list(saved.parent.iterdir()) == [saved]


def test_an_interrupted_write_leaves_the_former_file_alone(saved, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("srnet.runs.states.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_state(saved, {**STATE, "seed": 1})
    assert list(saved.parent.iterdir()) == [saved]
    assert load_state(saved)["seed"] == STATE["seed"]


@pytest.mark.parametrize("write", [lambda path: save_state(path, STATE), check_writable])
def test_places_that_cannot_be_written(tmp_path, write):
    (tmp_path / "file").touch()
    (tmp_path / "folder.pt").mkdir()
    for path in (tmp_path / "file" / "state.pt", tmp_path / "folder.pt"):
        with pytest.raises(InputError) as caught:
            write(path)
        assert str(caught.value).startswith(f"{path}: ")
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "file", tmp_path / "folder.pt"]


def test_a_place_that_can_be_written_stays_as_it_is(saved):
    check_writable(saved)
    check_writable(saved.with_name("other.pt"))
    assert list(saved.parent.iterdir()) == [saved]
    assert equal(load_state(saved), STATE)


# -- damage ---------------------------------------------------------------------------------


def test_missing_names_the_nearest(saved):
    assert "no such state; did you mean 'state.pt'?" in refusal(saved.with_name("stat.pt"))
    assert "no such state" in refusal(saved.parent / "none" / "state.pt")
    assert "no such state" in refusal(saved.parent)


def test_truncated_anywhere(saved):
    content = saved.read_bytes()
    for length in [*range(0, len(content), len(content) // 20), len(content) - 1]:
        saved.write_bytes(content[:length])
        refusal(saved)


def harmless(path, content, place, bit):
    """Whether the file with this bit flipped is refused, or gives the same state."""
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        return equal(load_state(path), STATE)
    except InputError:
        return True


def test_a_flipped_bit_is_refused_or_harmless(saved):
    content, chance = saved.read_bytes(), random.Random(0)
    for place in chance.sample(range(len(content)), 100):
        bit = chance.randrange(8)
        assert harmless(saved, content, place, bit), (place, bit)


def test_a_bit_that_no_checksum_covers(saved):
    """The mark of a folder on a part of the zip file: torch alone would read no numbers for it."""
    content = saved.read_bytes()
    name = content.rindex(b"archive/data/0", 0, content.rindex(b"archive/data/1"))
    for place in range(name - 46, name):  # what the zip file's index says of it
        for bit in range(8):
            assert harmless(saved, content, place, bit), (place - name, bit)


def test_each_byte_of_a_tensor_is_under_the_checksum(saved):
    content = saved.read_bytes()
    start = content.index(STATE["critic"]["critic.weights.0"].numpy().tobytes())
    for place in range(start, start + 48):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        saved.write_bytes(damaged)
        assert "damaged" in refusal(saved)


# -- foreign files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"epoch acc\n1 0.5\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\x1f\x8b\x08" + bytes(50),
        b"PK\x05\x06" + bytes(18),  # a zip of nothing
        pickle.dumps([1, 2, 3]),
        pickle.dumps({"disc_state": {}}),
    ],
    ids=["empty", "text", "png", "gzip", "empty zip", "list", "dict"],
)
def test_foreign(tmp_path, content):
    path = tmp_path / "foreign.pt"
    path.write_bytes(content)
    refusal(path)


def test_a_zip_of_another_program(tmp_path):
    path = tmp_path / "foreign.pt"
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("word/document.xml", "<xml/>")
    assert "damaged or of another program" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (torch.zeros(3), "holds a Tensor, expected the dict of a state"),
        ([STATE], "holds a list, expected the dict of a state"),
        ({"model": {}, "epoch": 3}, "holds ['model', 'epoch']; expected a state of symdisc"),
        ({**STATE, "format": "critic 2"}, "of the form 'critic 2'; did you mean 'critic 1'?"),
        ({**STATE, "format": torch.zeros(2)}, "a state of the form"),
        ({"format": "critic 1", "times": []}, "it has no hyperparams, critic_args, critic, hist"),
    ],
)
def test_torch_files_that_are_no_states(tmp_path, content, words):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    assert words in refusal(path)


# -- files carrying code --------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_torch_file_is_not_run(tmp_path, zipped):
    path, marker = tmp_path / "code.pt", tmp_path / "marker"
    content = {**STATE, "seed": Touch(marker)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    message = refusal(path)
    if zipped:  # torch's format before 1.6 isn't read at all
        assert "nothing in it was run" in message
        assert "system" in message
    assert not marker.exists()


def test_code_in_a_pickle_is_not_run(tmp_path):
    path, marker = tmp_path / "code.pt", tmp_path / "marker"
    for content in (Touch(marker), {"hyperparams": {}, "disc_state": Touch(marker)}):
        path.write_bytes(pickle.dumps(content))
        assert "system, which was refused and not executed" in refusal(path)
        assert not marker.exists()


def test_a_whole_module_is_refused(tmp_path):
    path = tmp_path / "module.pt"
    torch.save(torch.nn.Linear(2, 1), path)
    assert "torch.nn.modules.linear.Linear" in refusal(path)
