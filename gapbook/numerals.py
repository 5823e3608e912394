"""Set numbers as a page shows them."""

import re

MINUS = "\N{MINUS SIGN}"
NUMERAL = re.compile(r"[+-]?([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?%?")


def typeset(number: str) -> str:
    """Set a number with a minus sign instead of a hyphen, and a zero without a sign.

    Parameters
    ----------
    number : str
        A number in some format.

    Returns
    -------
    str
        The number as tables, figures and text show it; what is no number is returned as it is.

    Examples
    --------
    >>> typeset("-0.85"), typeset("+1.5"), typeset("-0.00"), typeset("+0%"), typeset("-1E-05")
    ('−0.85', '+1.5', '0.00', '0%', '−1E−05')
    >>> typeset("1-2"), typeset("glyphclip-t10")
    ('1-2', 'glyphclip-t10')
    """
    if not NUMERAL.fullmatch(number):
        return number
    mantissa = re.split("[eE]", number)[0]
    if not any(digit in "123456789" for digit in mantissa):
        number = number.lstrip("+-")
    return number.replace("-", MINUS)
