"""The probability that a pair of a given cosine is a match, judged on held-out pairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError

# Each half fits two numbers, and judges them.
MIN_PAIRS_TO_CALIBRATE = 20
# Unrelated pairs for each partner: more of them tell little more, since partners are as few.
UNRELATED_PER_PARTNER = 10


@dataclass(frozen=True)
class Calibration:
    """A probability of a match, ``sigmoid(scale cosine + offset)``, and how good it is.

    Parameters
    ----------
    scale, offset : float
        The two numbers, for one partner against one unrelated pair: a prior of a half.
    log_loss : float
        The mean of ``-log p`` of what is the case, in nats, on held-out pairs. To know nothing is
        log 2, 0.693.
    brier : float
        The mean squared error of the probability on held-out pairs. To know nothing is 0.25.
    """

    scale: float
    offset: float
    log_loss: float
    brier: float

    def probability(self, cosine: ArrayLike, prior: float = 0.5) -> np.ndarray:
        """Return the probability that a pair of this cosine is a match.

        Parameters
        ----------
        cosine : array_like
            The cosine of the pair.
        prior : float
            The share of matches among all pairs that are looked at, between 0 and 1.

        Returns
        -------
        ndarray
            The probability, of the shape of the cosine.

        Raises
        ------
        PairsError
            For a prior that is not between 0 and 1.

        Notes
        -----
        ``sigmoid(scale cosine + offset + log(prior / (1 - prior)))``.

        Examples
        --------
        >>> even = Calibration(scale=100.0, offset=-25.0, log_loss=0.1, brier=0.03)
        >>> float(even.probability(0.25)), float(even.probability(0.25, prior=0.01).round(4))
        (0.5, 0.01)
        """
        from scipy.special import expit, logit

        if not 0 < prior < 1:
            raise PairsError(f"Expected a prior between 0 and 1; got {prior!r}")
        return np.asarray(expit(self.scale * np.asarray(cosine) + self.offset + logit(prior)))

    def in_words(self) -> str:
        """Return the formula to copy, and how good it is on held-out pairs.

        Returns
        -------
        str
            One sentence, and how to use other priors.

        Examples
        --------
        >>> print(Calibration(100.0, -25.0, 0.1, 0.03).in_words())
        The probability that a pair of cosine c is a match, with as many matches as unrelated pairs:
        1 / (1 + exp(-(100.0 c - 25.00))). On held-out ...
        """
        return (
            "The probability that a pair of cosine c is a match, with as many matches as unrelated "
            f"pairs: {_sigmoid_in_words(self.scale, self.offset)}. On held-out pairs its log loss "
            f"is {self.log_loss:.3f} nats (0.693 without any knowledge), its Brier score "
            f"{self.brier:.3f} (0.250). Where a share p of all pairs are matches, "
            "log(p / (1 - p)) is added inside the inner brackets."
        )


def own_probability_in_words(
    partners: np.ndarray, unrelated: np.ndarray, scale: float, bias: float
) -> str:
    """Say what a model's own sigmoid of the cosine, such as SigLIP's, gives on average.

    Parameters
    ----------
    partners, unrelated : ndarray
        The cosines of partners, and of unrelated pairs, of any shape.
    scale, bias : float
        The numbers that the model has learned: its probability is ``sigmoid(scale c + bias)``.

    Returns
    -------
    str
        A sentence.

    Notes
    -----
    SigLIP learns the bias in batches in which nearly all pairs are unrelated, so that its
    probabilities are those of rare matches.

    Examples
    --------
    >>> print(own_probability_in_words(np.array([0.2]), np.array([0.0, 0.0]), 50.0, -10.0))
    The model's own probability of a match, 1 / (1 + exp(-(50.00 c - 10.00))), is 0.5 for partners
    and 4.54e-05 for unrelated pairs, on average.
    """
    from scipy.special import expit

    # In double, and in turn: there are millions of unrelated pairs.
    of_partners = float(expit(scale * np.asarray(partners, float) + bias).mean())
    of_unrelated = float(np.mean([expit(scale * row + bias).mean() for row in unrelated]))
    return (
        "The model's own probability of a match, "
        f"{_sigmoid_in_words(scale, bias)}, is {of_partners:.3g} for partners and "
        f"{of_unrelated:.3g} for unrelated pairs, on average."
    )


def _sigmoid_in_words(scale: float, offset: float) -> str:
    sign = "-" if offset < 0 else "+"
    return f"1 / (1 + exp(-({scale:#.4g} c {sign} {abs(offset):#.4g})))"


def calibrate_cosines(cosines: np.ndarray, seed: int = 0) -> Calibration:
    """Fit the probability of a match to cosines, and judge it on pairs that it has not seen.

    Parameters
    ----------
    cosines : ndarray (n, n)
        The cosine of row i of x and row j of y; partners are on the diagonal. At least 20 pairs.
    seed : int
        The seed of the halves, and of the unrelated pairs that are drawn.

    Returns
    -------
    Calibration
        The numbers fitted on all pairs. Its losses are means over both halves, each judged by what
        the other half fits: no row is in both.

    Raises
    ------
    PairsError
        For fewer than 20 pairs.

    Notes
    -----
    Platt's method: a logistic regression on the cosine alone, in which a partner counts as a match
    to ``(n + 1) / (n + 2)`` and an unrelated pair to ``1 / (n + 2)``, so that it stays finite where
    a cut separates them. Up to ten unrelated pairs are drawn for each partner; together they weigh
    as much as the partners.

    References
    ----------
    Platt 1999, Probabilistic outputs for support vector machines.

    Examples
    --------
    >>> apart = calibrate_cosines(np.eye(100))
    >>> apart.probability([0.0, 1.0]).round(2).tolist(), round(apart.brier, 3)
    ([0.01, 0.99], 0.0)
    """
    n = len(cosines)
    if n < MIN_PAIRS_TO_CALIBRATE:
        raise PairsError(f"Expected at least {MIN_PAIRS_TO_CALIBRATE} pairs; got {n}")
    rng = np.random.default_rng(seed)
    halves = np.array_split(rng.permutation(n), 2)
    drawn = [_draw(cosines, half) for half in halves]
    log_losses = []
    briers = []
    for fitted_on, judged_on in (drawn, drawn[::-1]):
        scale, offset = _fit(*fitted_on)
        log_loss, brier = _losses(scale, offset, *judged_on)
        log_losses.append(log_loss)
        briers.append(brier)
    scale, offset = _fit(*_draw(cosines, rng.permutation(n)))
    return Calibration(scale, offset, float(np.mean(log_losses)), float(np.mean(briers)))


def _draw(cosines: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines of partners (m,) and of unrelated pairs (k, m) among rows in any order."""
    shifts = range(1, min(UNRELATED_PER_PARTNER, len(rows) - 1) + 1)
    unrelated = [cosines[rows, np.roll(rows, shift)] for shift in shifts]
    return cosines[rows, rows].astype(float), np.array(unrelated, dtype=float)


def _fit(partners: np.ndarray, unrelated: np.ndarray) -> tuple[float, float]:
    """Return the scale and the offset of Platt's method."""
    from sklearn.linear_model import LogisticRegression

    n = len(partners)
    cosines = np.concatenate([partners, unrelated.ravel()])
    is_match = np.concatenate([np.full(n, (n + 1) / (n + 2)), np.full(unrelated.size, 1 / (n + 2))])
    weights = np.concatenate([np.ones(n), np.full(unrelated.size, n / unrelated.size)])
    # In standard deviations, since those of cosines may be hundredths.
    center = cosines.mean()
    spread = float(cosines.std()) or 1.0
    scores = ((cosines - center) / spread)[:, None]
    # Each pair counts as a match in part, and as none for the rest.
    regression = LogisticRegression(C=np.inf).fit(
        np.concatenate([scores, scores]),
        np.repeat([True, False], len(scores)),
        np.concatenate([weights * is_match, weights * (1 - is_match)]),
    )
    scale = float(regression.coef_[0, 0]) / spread
    return scale, float(regression.intercept_[0]) - scale * float(center)


def _losses(
    scale: float, offset: float, partners: np.ndarray, unrelated: np.ndarray
) -> tuple[float, float]:
    """Return the log loss and the Brier score, partners and unrelated pairs weighing the same."""
    from scipy.special import expit

    of_partners = scale * partners + offset
    of_unrelated = scale * unrelated + offset
    log_loss = np.logaddexp(0, -of_partners).mean() + np.logaddexp(0, of_unrelated).mean()
    brier = (expit(-of_partners) ** 2).mean() + (expit(of_unrelated) ** 2).mean()
    return float(log_loss) / 2, float(brier) / 2
