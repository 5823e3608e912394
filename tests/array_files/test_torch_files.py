"""The files of PyTorch: tensors are read, and nothing in them is run."""

import io
import pickle
import sys

import numpy as np
import pytest
import torch
from helpers import most_memory, require_flips_are_survived, sample

from gapbook.array_files import array_names, read_pairs, read_shape
from gapbook.array_files.torch_files import _require_safe_version
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings

X, Y = (torch.from_numpy(side) for side in sample(12, 4))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".PT"])
@pytest.mark.parametrize("as_zip", [True, False])
def test_two_files_of_a_tensor_each_are_pairs(tmp_path, suffix, as_zip):
    paths = [tmp_path / f"images{suffix}", tmp_path / f"texts{suffix}"]
    for path, side in zip(paths, (X, Y), strict=True):
        torch.save(side, path, _use_new_zipfile_serialization=as_zip)
    loaded = PairedEmbeddings.load(*paths)
    np.testing.assert_array_equal(loaded.x, PairedEmbeddings(X, Y).x)
    np.testing.assert_array_equal(loaded.y, PairedEmbeddings(X, Y).y)


def test_a_dict_has_tensors_by_name(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"image": X.bfloat16(), "text": Y, "epoch": 3, "notes": ["a"]}, path)
    assert array_names(path) == ["image", "text"]
    assert read_shape(path, "image") == (12, 4)
    loaded = PairedEmbeddings.load(path, columns=("image", "text"))
    np.testing.assert_allclose(loaded.x, PairedEmbeddings(X, Y).x, atol=2e-2)
    # One matrix beside other tensors is the side.
    torch.save({"feats": X, "labels": torch.arange(12)}, tmp_path / "b.pt")
    torch.save(Y, tmp_path / "c.pt")
    assert len(PairedEmbeddings.load(tmp_path / "b.pt", tmp_path / "c.pt")) == 12


def test_a_tensor_alone_holds_both_sides_or_asks_for_the_other(tmp_path):
    torch.save(torch.stack([X, Y]), tmp_path / "both.pt")
    x, y = read_pairs(tmp_path / "both.pt")
    assert x.equal(X) and y.equal(Y)
    torch.save(X, tmp_path / "one.pt")
    with pytest.raises(PairsError, match="that is one side, so give two files"):
        read_pairs(tmp_path / "one.pt")


class Malicious:
    def __reduce__(self):
        return print, ("run",)


NO_TENSORS = {
    "got dict without one: torch.save": {"epoch": 3},
    "got list without one: torch.save": [1, 2],
    "other objects than tensors, .* unpickling can run any code: save tensors": Malicious(),
    "other objects than tensors, .*torch.as_tensor": {"x": np.ones((3, 4))},
    "other objects than tensors": torch.nn.Linear(2, 2),
    "Expected the keys x and y in .* got image": {"image": X},
    "x in .* is a sparse or nested tensor": {"x": X.to_sparse(), "y": Y},
    "the tensor in .* is a sparse or nested tensor": torch.nested.nested_tensor(
        [X, Y], layout=torch.jagged
    ),
    "x in .* has no values: save them": {"x": X.to("meta"), "y": Y},
}


@pytest.mark.parametrize("message", NO_TENSORS)
def test_what_is_no_tensor_is_refused_and_never_run(tmp_path, message, capsys):
    path = tmp_path / "a.pt"
    torch.save(NO_TENSORS[message], path)
    with pytest.raises(PairsError, match=message) as error:
        read_pairs(path)
    assert "weights_only" not in str(error.value)
    assert "run" not in capsys.readouterr().out
    assert "damaged" not in str(error.value)


def test_a_plain_pickle_is_refused(tmp_path, capsys):
    (tmp_path / "a.pt").write_bytes(pickle.dumps([Malicious()]))
    with pytest.raises(PairsError, match="other objects than tensors"):
        read_pairs(tmp_path / "a.pt")
    assert capsys.readouterr().out == ""


def test_a_tensor_that_repeats_few_numbers_without_end_is_refused(tmp_path):
    torch.save({"x": X[:1].expand(10**9, 4), "y": Y}, tmp_path / "a.pt")
    error, peak = most_memory(read_pairs, tmp_path / "a.pt")
    assert "x in" in str(error) and "takes 16.0 GB unpacked from" in str(error)
    assert peak < 2**24


def test_an_old_torch_is_refused(tmp_path):
    _require_safe_version(tmp_path, "2.6.0")
    _require_safe_version(tmp_path, "2.13.0+cpu")
    with pytest.raises(PairsError, match=r"needs torch 2\.6 or later.*here is 2\.5\.1\+cu121"):
        _require_safe_version(tmp_path, "2.5.1+cu121")


def test_without_torch_the_sentence_says_what_to_do(tmp_path, monkeypatch):
    torch.save(X, tmp_path / "a.pt")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"needs torch.*pip install 'torch>=2\.6'"):
        read_pairs(tmp_path / "a.pt")


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_damaged_file_does_not_end_the_process(tmp_path, as_zip):
    path = tmp_path / "a.pt"
    content = io.BytesIO()
    tensors = {"x": torch.ones(3, 4), "y": torch.ones(3, 4)}
    torch.save(tensors, content, _use_new_zipfile_serialization=as_zip)
    path.write_bytes(content.getvalue())
    require_flips_are_survived(path, step=5)
