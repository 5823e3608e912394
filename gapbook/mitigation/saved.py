"""Save what a correction learned as plain arrays, and load it again without running any code.

The file is a safetensors file: the learned arrays by name, and under ``gapbook`` in its header a
JSON object with the class, its parameters, the number of dimensions and pairs, a fingerprint of the
pairs, and the version of this format. Classes come from a fixed table, and whatever is not as the
table says is refused. The digest in it tells a changed file from a whole one; it is no signature,
since whoever changes the file can write another digest as well.
"""

import hashlib
import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text, require_file, write_whole

FORMAT = 1
KEY = "gapbook"
SUFFIX = ".safetensors"
# Of the JSON in the header, which names a class and a few modalities.
MAX_HEAD_CHARACTERS = 100_000


class Learned(NamedTuple):
    """What a class learns: its module, and the arrays with their shapes in letters.

    "d" is the number of dimensions, "n" that of pairs, "m" that of modalities, and other letters
    are any numbers. A shape with "m" is that of a dict by modality. A name that ends in a question
    mark may be missing.
    """

    module: str
    arrays: dict[str, tuple[str, ...]]


_MOVES = "gapbook.mitigation.transformers"
_SCORES = "gapbook.mitigation.scores"
# The only classes that a file can bring back.
CLASSES = {
    "Center": Learned(_MOVES, {"mean_x_": ("d",), "mean_y_": ("d",)}),
    "Standardize": Learned(
        _MOVES,
        {"mean_x_": ("d",), "mean_y_": ("d",), "scale_x_": ("d",), "scale_y_": ("d",)},
    ),
    "ShiftAlongGap": Learned(_MOVES, {"along_": ("d",), "amount_": ()}),
    "RotateTogether": Learned(
        _MOVES, {"center_x_": ("d",), "center_y_": ("d",), "middle_": ("d",)}
    ),
    "ProcrustesAlign": Learned(_MOVES, {"turn_": ("r", "r"), "basis_?": ("r", "d")}),
    "ProjectOut": Learned(_MOVES, {"removed_": ("k", "d")}),
    "Noise": Learned(_MOVES, {}),
    "NearestNeighborNormalization": Learned(
        _MOVES, {"reference_x_": ("n", "d"), "reference_y_": ("n", "d")}
    ),
    "DotProducts": Learned(_MOVES, {"length_": ()}),
    "ScoreScaling": Learned(_SCORES, {"scale_": ("m",), "offset_": ("m",)}),
    "QueryCenter": Learned(_SCORES, {"query_mean_": ("d",), "means_": ("m", "d")}),
    "CSLS": Learned(_SCORES, {"reference_": ("n", "d")}),
}


class Savable:
    """The base class of what can be saved."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what was learned to a file of plain arrays, whole or not at all.

        Parameters
        ----------
        path : str or path
            A path that ends in ``.safetensors``. ``load_mitigation`` reads it, and so does any
            program that reads safetensors.

        Raises
        ------
        PairsError
            If the path has another ending, or the class is none of this package.
        NotFittedError
            Before ``fit``.
        NotWrittenError
            If writing fails.
        """
        from safetensors.numpy import save
        from sklearn.utils.validation import check_is_fitted

        path = Path(path)
        check_is_fitted(self, "n_features_in_")
        if path.suffix.lower() != SUFFIX:
            raise PairsError(f"Expected a path ending in {SUFFIX}; got {path_text(path)}")
        head = _head(self)
        arrays = _arrays(self)
        head["digest"] = _digest(head, arrays)
        write_whole(path, save(arrays, {KEY: json.dumps(head)}))


def load_mitigation(path: str | os.PathLike[str], pairs: Any = None) -> Any:
    """Load a fitted mitigation or correction of scores from a file that ``save`` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    pairs : PairedEmbeddings, optional
        The pairs that it must have been fitted on, by their fingerprint: sides ``x`` and ``y``. For
        a correction of scores x are the queries.

    Returns
    -------
    Mitigation or ScoreCorrection
        The fitted correction: it gives the same rows as the one that was saved.

    Raises
    ------
    PairsError
        If the file is missing, damaged, changed, of another kind or version, or if the correction
        was fitted on other pairs.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from gapbook.mitigation import Center
    >>> fitted = Center().fit([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
    >>> with TemporaryDirectory() as folder:
    ...     fitted.save(f"{folder}/fix.safetensors")
    ...     loaded = load_mitigation(f"{folder}/fix.safetensors")
    >>> loaded, loaded.transform_x([1, 0]).round(3).tolist()
    (Center(), [0.44..., -0.89...])
    """
    path = Path(path)
    require_file(path, "a saved correction")
    head, arrays = _read(path)
    try:
        correction = _restored(head, arrays)
    except PairsError as error:
        raise PairsError(f"{path_text(path)} is no sound correction: {error}") from None
    if pairs is not None:
        _require_same_pairs(path, correction, pairs)
    return correction


def _head(correction: Any) -> dict[str, Any]:
    """Return what the header says, but for the digest."""
    head = {
        "format": FORMAT,
        **_described(correction),
        "d": int(correction.n_features_in_),
        "pairs": int(correction.n_pairs_),
        "fingerprint": correction.fingerprint_,
    }
    if hasattr(correction, "modalities_"):
        head["modalities"] = list(correction.modalities_)
    return head


def _described(correction: Any) -> dict[str, Any]:
    """Return the class and the parameters of a correction, for JSON."""
    name = type(correction).__name__
    if name not in CLASSES or type(correction).__module__ != CLASSES[name].module:
        raise PairsError(f"Expected one of {', '.join(CLASSES)}; {name} cannot be saved")
    parameters = {}
    for key, value in correction.get_params(deep=False).items():
        if isinstance(value, Savable):
            parameters[key] = _described(value)
        else:
            parameters[key] = value.item() if isinstance(value, np.generic) else value
    return {"class": name, "parameters": parameters}


def _arrays(correction: Any) -> dict[str, np.ndarray]:
    """Return the learned arrays by name; those of a correction within have a prefix."""
    arrays = {}
    for stated, shape in CLASSES[type(correction).__name__].arrays.items():
        name = stated.rstrip("?")
        value = getattr(correction, name)
        if value is None:
            continue
        if "m" in shape:
            value = np.stack([value[modality] for modality in correction.modalities_])
        arrays[name] = np.ascontiguousarray(value)
        if not shape:
            arrays[name] = np.array(value, np.float64)
    if hasattr(correction, "fitted_"):
        for name, array in _arrays(correction.fitted_).items():
            arrays[f"fitted_.{name}"] = array
    return arrays


def _digest(head: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """Return a digest of the header without its digest, and of all arrays."""
    stated = {key: value for key, value in head.items() if key != "digest"}
    digest = hashlib.sha256(json.dumps(stated, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a file, which are as they were when it was saved."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(KEY)
            head = _parsed(text)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except PairsError as error:
        raise PairsError(f"{path_text(path)} {error}") from None
    # safetensors has errors of its own for what is damaged.
    except Exception as error:
        raise PairsError(
            f"{path_text(path)} is damaged or no safetensors file ({quoted(str(error))}): "
            "fit and save the correction again"
        ) from None
    if head.get("digest") != _digest(head, arrays):
        raise PairsError(
            f"{path_text(path)} was changed after it was saved: fit and save the correction again"
        )
    return head, arrays


def _parsed(text: str | None) -> dict[str, Any]:
    """Return the JSON of the header, whose format is known; errors go on after a path."""
    if text is None:
        raise PairsError("holds no correction: gapbook fix and .save(path) write such files")
    try:
        head = json.loads(text) if len(text) <= MAX_HEAD_CHARACTERS else None
    # No JSON, or too deep.
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict):
        raise PairsError("has a header that is damaged: fit and save the correction again")
    if head.get("format") != FORMAT:
        raise PairsError(
            f"has version {quoted(head.get('format'))} of the format; this gapbook reads version "
            f"{FORMAT}: use the gapbook that wrote it, or fit again"
        )
    return head


def _restored(head: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """Return the correction that a header and arrays describe, all of which are checked."""
    sizes = {"d": _count(head, "d"), "n": _count(head, "pairs")}
    modalities = head.get("modalities", [])
    is_list = isinstance(modalities, list)
    if not is_list or not all(isinstance(name, str) for name in modalities):
        raise PairsError("its modalities are no names")
    if modalities:
        sizes["m"] = len(modalities)
    correction = _unfitted(head)
    _set_learned(correction, dict(arrays), sizes, tuple(modalities))
    _set_counts(correction, head)
    return correction


def _count(head: dict[str, Any], key: str) -> int:
    value = head.get(key)
    if not isinstance(value, int) or value < 1:
        raise PairsError(f"Expected {key} as a positive integer; got {quoted(value)}")
    return value


def _unfitted(head: Any) -> Any:
    """Return a correction of the class and with the parameters that a header states."""
    name = head.get("class") if isinstance(head, dict) else None
    if not isinstance(name, str) or name not in CLASSES:
        raise PairsError(f"Expected a class of {', '.join(CLASSES)}; got {quoted(name)}")
    cls = getattr(import_module(CLASSES[name].module), name)
    parameters = head.get("parameters")
    known = cls._get_param_names()
    if not isinstance(parameters, dict) or sorted(parameters) != sorted(known):
        raise PairsError(f"Expected the parameters {known} of {name}; got {quoted(parameters)}")
    values = {}
    for key, value in parameters.items():
        if isinstance(value, list):
            raise PairsError(f"Expected a number or a word as {key}; got {quoted(value)}")
        values[key] = _unfitted(value) if isinstance(value, dict) else value
    return cls(**values)


def _set_learned(
    correction: Any,
    arrays: dict[str, np.ndarray],
    sizes: dict[str, int],
    modalities: tuple[str, ...],
) -> None:
    """Set the learned attributes, and refuse arrays that are missing, other or too many."""
    name = type(correction).__name__
    within = {key: arrays.pop(key) for key in sorted(arrays) if key.startswith("fitted_.")}
    if name == "DotProducts":
        correction.fitted_ = _unfitted(_described(correction.mitigation))
        inner = {key.removeprefix("fitted_."): array for key, array in within.items()}
        _set_learned(correction.fitted_, inner, dict(sizes), modalities)
        within = {}
    for stated, shape in CLASSES[name].arrays.items():
        attribute = stated.rstrip("?")
        array = arrays.pop(attribute, None)
        if array is None:
            if not stated.endswith("?"):
                raise PairsError(f"{attribute} is missing")
            setattr(correction, attribute, None)
            continue
        _require_shape(attribute, array, shape, sizes)
        setattr(correction, attribute, _as_learned(array, shape, modalities))
    if name == "ProcrustesAlign" and correction.basis_ is None and sizes["r"] != sizes["d"]:
        raise PairsError("turn_ has another number of dimensions than it should")
    left = [*arrays, *within]
    if left:
        raise PairsError(f"{quoted(left[0])} is no part of {name}")
    if modalities:
        correction.modalities_ = modalities


def _as_learned(array: np.ndarray, shape: tuple[str, ...], modalities: tuple[str, ...]) -> Any:
    if not shape:
        return float(array)
    if shape == ("m",):
        return {key: float(value) for key, value in zip(modalities, array, strict=True)}
    if "m" in shape:
        return dict(zip(modalities, array, strict=True))
    return array


def _require_shape(
    name: str, array: np.ndarray, shape: tuple[str, ...], sizes: dict[str, int]
) -> None:
    """Refuse an array of another shape or type, and one that is not finite."""
    if array.ndim != len(shape):
        raise PairsError(f"{name} has {array.ndim} axes and not {len(shape)}")
    for letter, size in zip(shape, array.shape, strict=True):
        if sizes.setdefault(letter, size) != size:
            raise PairsError(
                f"{name} has the shape {array.shape}, which does not fit {sizes['d']} dimensions "
                f"and {sizes['n']} pairs"
            )
    if array.dtype not in (np.float32, np.float64) or not np.isfinite(array).all():
        raise PairsError(f"{name} holds other than finite numbers")


def _set_counts(correction: Any, head: dict[str, Any]) -> None:
    """Set what all fitted corrections know of their pairs, also in one within."""
    while correction is not None:
        correction.n_features_in_ = head["d"]
        correction.n_pairs_ = head["pairs"]
        correction.fingerprint_ = str(head.get("fingerprint"))
        correction = getattr(correction, "fitted_", None)


def _require_same_pairs(path: Path, correction: Any, pairs: Any) -> None:
    from gapbook.mitigation.transformers import fingerprint

    if correction.fingerprint_ != fingerprint(pairs.x, pairs.y):
        raise PairsError(
            f"{path_text(path)} was fitted on other pairs ({correction.n_pairs_} in "
            f"{correction.n_features_in_} dimensions) than these: fit again"
        )
