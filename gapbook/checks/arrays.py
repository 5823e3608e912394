"""What comes as embeddings, made a plain array (n, d) of real numbers or refused by its kind."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from array_api_compat import is_torch_array
from numpy.typing import ArrayLike

from gapbook.checks.memory import require_memory
from gapbook.exceptions import PairsError, one_line, quoted

if TYPE_CHECKING:
    import torch

# Of the message of a library, as much as helps.
REASON_CHARACTERS = 200
BITS = (
    "embeddings of 8 bits are packed bits or the steps of a quantizer and no coordinates: "
    "dequantize them (--dequantize LOW HIGH; packed bits: np.unpackbits(x, axis=1) * 2.0 - 1)"
)
BOOLEANS = "bits are no coordinates: give x * 2.0 - 1"
SEVERAL_IN_A_BYTE = "it holds several numbers in a byte: give float32"


def plain_matrix(x: ArrayLike, name: str) -> "np.ndarray | torch.Tensor":
    """Return embeddings of any kind as a plain array or tensor (n, d) of real numbers.

    Parameters
    ----------
    x : array (n, d)
        Lists, a NumPy array, a tensor, a DataFrame, or a sequence or column with a vector in each
        cell. Sparse arrays and tensors and quantized tensors become the numbers that they stand
        for.
    name : str
        What error messages call the array.

    Returns
    -------
    numpy.ndarray or torch.Tensor
        The same numbers, not copied where they need not be: of a float type (bfloat16, float8 and
        ``longdouble`` among them) or integers of 16 bits or more.

    Raises
    ------
    PairsError
        If x is of another kind, which the message names. Among them are: masked arrays with masked
        values; nested tensors; tensors without values, as on the meta device; object, structured
        and complex arrays. **Booleans and integers of 8 bits or fewer are refused as well**, since
        embeddings of these types are packed bits, or steps of a quantizer with another scale for
        each dimension: their cosines as numbers mean nothing.

    Examples
    --------
    >>> plain_matrix(pd.Series([[3, 4], [0, 5]]), "x").tolist()
    [[3, 4], [0, 5]]
    >>> plain_matrix(np.zeros((2, 8), np.uint8), "x")
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected x as an array (n, d) of real numbers; got dtype uint8...
    """
    try:
        # NumPy warns of masked values in lists, which are refused below as NaN.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            matrix = _plain(x, name)
    except PairsError:
        raise
    # Each library that arrays come from has errors of its own.
    except Exception as error:
        raise unreadable(x, name, error) from None
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise PairsError(f"Expected {name} of shape (n, d); got {tuple(matrix.shape)}")
    return matrix


def as_numpy(rows: Any) -> np.ndarray:
    """Return an array or tensor as a NumPy array."""
    if isinstance(rows, np.ndarray):
        return rows
    tensor = rows.cpu()
    # NumPy knows no float type of PyTorch with fewer bits than 32 but float16.
    if tensor.dtype.itemsize < 4:
        tensor = tensor.float()
    return tensor.numpy()


def unreadable(x: object, name: str, error: Exception) -> PairsError:
    """Return what to raise where x cannot be read as numbers, for the reason that a library has."""
    reason = one_line(str(error), REASON_CHARACTERS)
    return _refusal(name, f"{type(x).__name__} ({reason})")


def _refusal(name: str, got: str) -> PairsError:
    return PairsError(f"Expected {name} as an array (n, d) of real numbers; got {got}")


def _plain(x: Any, name: str) -> "np.ndarray | torch.Tensor":
    from scipy.sparse import issparse

    if is_torch_array(x):
        return _plain_tensor(x, name)
    if issparse(x):
        _require_room(x.shape, name)
        return _of_real_numbers(x.toarray(), x, name)
    if isinstance(x, np.ma.MaskedArray):
        _require_no_mask(x, name)
    elif isinstance(x, list | tuple):
        _require_plain_items(x, name)
    array = np.asarray(x)
    if array.dtype == object and isinstance(x, pd.DataFrame):
        array = _of_nullable_columns(x, array)
    # A DataFrame of one column.
    if array.dtype == object and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype == object and array.ndim == 1 and len(array):
        array = _stacked(array, name)
    return _of_real_numbers(array, x, name)


def _require_room(shape: tuple[int, ...], name: str) -> None:
    """Raise ``PairsError`` if a sparse array has no room in memory as a plain one."""
    count = 1
    for size in shape:
        count *= int(size)
    require_memory(8 * count, f"{name}, a sparse array of shape {tuple(shape)},")


def _require_no_mask(x: np.ma.MaskedArray, name: str) -> None:
    masked = np.ma.getmaskarray(x)
    if masked.dtype.names is None and masked.any():
        first = int(masked.any(axis=tuple(range(1, masked.ndim))).argmax())
        raise _refusal(
            name,
            f"a masked array with {int(masked.sum())} masked values (the first at index {first}): "
            "drop these rows or fill them in",
        )


def _require_plain_items(x: "list[Any] | tuple[Any, ...]", name: str) -> None:
    """Refuse a list of what NumPy would take without its mask or its meaning."""
    if any(isinstance(item, np.ma.MaskedArray) for item in x):
        _require_no_mask(np.ma.array(list(x)), name)
    tensors = [item for item in x if is_torch_array(item)]
    try:
        for tensor in tensors:
            tensor.numpy()
    except (TypeError, RuntimeError):
        raise _refusal(name, "a list of tensors: give torch.stack(x)") from None


def _of_nullable_columns(frame: pd.DataFrame, array: np.ndarray) -> np.ndarray:
    """Return columns of nullable numbers as numbers, with NaN for what is missing."""
    for dtype in frame.dtypes:
        is_number = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
        if not is_number or getattr(dtype, "itemsize", 8) == 1:
            return array
    return frame.to_numpy(np.float64, na_value=np.nan)


def _stacked(cells: np.ndarray, name: str) -> np.ndarray:
    """Return a column with a vector in each cell as one array (n, d)."""
    rows = []
    for i, cell in enumerate(cells):
        if isinstance(cell, np.ma.MaskedArray):
            _require_no_mask(cell, f"cell {i} of {name}")
        row = np.asarray(cell)
        if row.ndim != 1 or row.dtype.kind not in "biufV":
            raise PairsError(
                f"Expected a vector in every cell of {name}; cell {i} is {quoted(cell)}"
            )
        rows.append(_of_real_numbers(row, cell, f"cell {i} of {name}"))
        if len(row) != len(rows[0]):
            raise PairsError(
                f"Expected vectors of one length in {name}; "
                f"got {len(rows[0])} in cell 0 and {len(row)} in cell {i}"
            )
    return np.stack(rows)


def _of_real_numbers(array: np.ndarray, x: object, name: str) -> np.ndarray:
    """Return an array that NumPy can compute with, or refuse its type."""
    dtype = array.dtype
    if dtype.type.__module__ == "ml_dtypes":
        return _of_ml_dtype(array, name)
    if dtype.kind in "biu" and dtype.itemsize == 1:
        raise _refusal(name, f"dtype {dtype}: {BOOLEANS if dtype.kind == 'b' else BITS}")
    if dtype.kind in "iuf":
        return array
    if dtype.names is not None:
        raise _refusal(name, f"a structured array with the fields {quoted(list(dtype.names))}")
    if dtype.kind == "V":
        raise _refusal(
            name, f"dtype {dtype}, bytes without a type (as np.save leaves bfloat16): save float32"
        )
    if isinstance(x, np.ndarray | pd.DataFrame | pd.Series):
        raise _refusal(name, f"dtype {dtype}")
    if hasattr(x, "__next__"):
        raise _refusal(name, f"{type(x).__name__}, which gives its rows once: give list(x)")
    values = f" with values of dtype {dtype}" if array.ndim else ""
    raise _refusal(name, f"{type(x).__name__}{values}")


def _of_ml_dtype(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array of JAX's number types as float64, which holds all its floats exactly."""
    if "float" not in array.dtype.name:
        raise _refusal(name, f"dtype {array.dtype}: {BITS}")
    return array.astype(np.float64)


def _plain_tensor(x: "torch.Tensor", name: str) -> "torch.Tensor":
    """Return a tensor as a strided one that has values, in memory that PyTorch can convert."""
    import torch

    if type(x).__name__ == "MaskedTensor":
        raise _refusal(name, "a masked tensor: drop the masked rows and give x.get_data()")
    if x.is_nested:
        raise _refusal(name, "a nested tensor: give torch.stack(x.unbind())")
    matrix = x.detach()
    if matrix.is_meta:
        raise _refusal(name, "a tensor on the meta device, which has no values")
    if matrix.is_quantized:
        matrix = matrix.dequantize()
    _require_real_type(matrix.dtype, name)
    if matrix.layout != torch.strided:
        _require_room(tuple(matrix.shape), name)
        matrix = matrix.to_dense()
    # Apple's devices have no float64.
    if matrix.device.type == "mps":
        matrix = matrix.cpu()
    return matrix


def _require_real_type(dtype: "torch.dtype", name: str) -> None:
    import torch

    if dtype == torch.bool:
        raise _refusal(name, f"dtype {dtype}: {BOOLEANS}")
    if dtype.is_complex:
        raise _refusal(name, f"dtype {dtype}")
    if dtype.is_floating_point:
        if "_x2" in str(dtype):
            raise _refusal(name, f"dtype {dtype}: {SEVERAL_IN_A_BYTE}")
        return
    if dtype.itemsize == 1:
        raise _refusal(name, f"dtype {dtype}: {BITS}")
