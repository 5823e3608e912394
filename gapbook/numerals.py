"""Set numbers as a page shows them."""

import re

MINUS = "\N{MINUS SIGN}"
# No part of a name, of a range such as 1-2, or of a date.
NUMERAL = re.compile(r"(?<![\w.)\]/+-])[+-]?([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def typeset(text: str) -> str:
    """Set numbers with a minus sign instead of a hyphen, and zeros without a sign.

    Parameters
    ----------
    text : str
        A number in some format, or text with numbers.

    Returns
    -------
    str
        The same as tables, figures and prose show it. Hyphens within names and ranges stay.

    Examples
    --------
    >>> typeset("-0.85"), typeset("+1.5"), typeset("-0.00"), typeset("+0%"), typeset("-1E-05")
    ('−0.85', '+1.5', '0.00', '0%', '−1E−05')
    >>> typeset("+0.10 (-0.04 to +0.23)"), typeset("1-2"), typeset("glyphclip-t10")
    ('+0.10 (−0.04 to +0.23)', '1-2', 'glyphclip-t10')
    """
    return NUMERAL.sub(_typeset_one, text)


def _typeset_one(found: re.Match[str]) -> str:
    number = found[0]
    if not any(digit in "123456789" for digit in found[1]):
        number = number.lstrip("+-")
    return number.replace("-", MINUS)
