"""How the tables of stored data are written."""

import pandas as pd


def to_csv(table: pd.DataFrame, digits: int = 5) -> bytes:
    r"""Return a table as it is stored, the same on every system.

    Parameters
    ----------
    table : pandas.DataFrame
        The table; its index is left out.
    digits : int
        Significant digits of numbers that are not whole.

    Examples
    --------
    >>> to_csv(pd.DataFrame({"gap": [2 / 3]}))
    b'gap\n0.66667\n'
    """
    return table.to_csv(index=False, float_format=f"%.{digits}g", lineterminator="\n").encode()
