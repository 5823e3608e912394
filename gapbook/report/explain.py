"""What each measure means, in a sentence, and what to do about its value."""

import re
from typing import Any

import pandas as pd

# For each measure: its label; what it means; what to do, with the value up to which that holds (None: for all).
# {x} and {y} are the modalities, {q} and {c} those of queries and candidates, {n} pairs the value rests on, {k} places,
# {near} neighbors and {chance} the agreement of unrelated modalities.
MEANINGS: dict[str, tuple[str, str, list[tuple[float | None, str]]]] = {
    "n_pairs": ("Pairs", "Pairs that were measured.", [(None, "")]),
    "dimension": ("Dimension", "Length of each vector.", [(None, "")]),
    "n_sampled": ("Pairs sampled", "Pairs that all rows below this one rest on.", [(None, "")]),
    "modality_gap": (
        "Modality gap",
        "Distance between the mean {x} and the mean {y}: 0 in one place, 2 at opposite points.",
        [
            (0, "Not told from 0 with these pairs."),
            (None, "A mixed index may list the query's own modality first: see What would pay."),
        ],
    ),
    "cosine_within": (
        "Cosine within, {x}",
        "Mean cosine of two different rows of this modality, how narrow its cone is: 0 isotropic, 1 collapsed.",
        [
            (0.9, "Read a cosine only against other cosines of the same model and modality."),
            (
                None,
                "Nearly collapsed. Check that the encoder is trained; subtract the mean before you use cosines.",
            ),
        ],
    ),
    "cosine_paired": (
        "Cosine of partners",
        "Mean cosine of each {x} with its own {y}.",
        [(None, "Its lead over the cosine across counts, not its size.")],
    ),
    "cosine_across": (
        "Cosine across",
        "Mean cosine of any {x} with any {y}, partners included: the product of the two means.",
        [(None, "Take it as the zero of scores that are cosines.")],
    ),
    "squared_gap_unbiased": (
        "Squared gap, unbiased",
        "Squared gap without what chance adds in a finite sample; it can fall below 0.",
        [(0, "Its interval reaches down to 0: no difference of means shown."), (None, "")],
    ),
    "relative_modality_gap": (
        "Relative gap",
        "Partners' distance as a part of all distance: 0 for identical modalities; about one half where partners are "
        "as far apart as strangers of one modality; above where a gap is added; 1 for two points.",
        [
            (
                None,
                "Compare models by it where their cones differ in width, and always by the same implementation.",
            )
        ],
    ),
    "alignment": (
        "Alignment",
        "Mean squared distance of partners, 2 - 2 cos: lower is closer.",
        [(None, "Read it together with uniformity: a collapsed model has perfect alignment.")],
    ),
    "gap_share_top2": (
        "Gap in 2 dimensions",
        "Share of the squared gap that its two largest dimensions carry.",
        [
            (0.3, "Spread over many dimensions: leaving single ones out does not close the gap."),
            (
                None,
                "Leaving these two out shortens the gap. Check separability afterwards: it may not move.",
            ),
        ],
    ),
    "effective_rank": (
        "Effective rank, {x}",
        "Number of directions that this modality spreads over, its mean taken away.",
        [
            (
                None,
                "Far below the dimension, a projection to fewer dimensions may lose little: check held-out recall.",
            )
        ],
    ),
    "isoscore": (
        "IsoScore, {x}",
        "Share of dimensions that this modality uses evenly, its mean taken away.",
        [(None, "It is blind to the cone: never read it as a measure of the gap.")],
    ),
    "cka": (
        "CKA",
        "How alike both modalities arrange the same things, whatever the gap: 1 where one is a rotation of the other.",
        [(None, "With few pairs for the dimension it is too high: read the debiased value.")],
    ),
    "cka_debiased": (
        "CKA, debiased",
        "CKA without what chance adds: about 0 for unrelated modalities.",
        [
            (
                None,
                "Where it is high, a rotation (ProcrustesAlign) brings together the pairs it learned on; held out, it "
                "needs many more pairs than dimensions.",
            )
        ],
    ),
    "recall": (
        "Recall at {k}, {q} to {c}",
        "Share of {q} queries whose partner is among the first {k} of {n} candidates.",
        [
            (
                None,
                "Compare only at this number of candidates; chance is {k} / {n}. Judge every change of the gap by it.",
            )
        ],
    ),
    "linear_separability": (
        "Separability",
        "Held-out accuracy of a linear probe that tells the modalities apart: 0.5 is chance.",
        [
            (
                0.6,
                "No plane tells them apart; whether a search does, says the mixed-index row of What would pay.",
            ),
            (0.95, "A plane tells many of them apart."),
            (None, "A plane tells them apart, however mixed they look in a projection."),
        ],
    ),
    "hubness": (
        "Hubness, {q} to {c}",
        "Skewness of how often a candidate is among the {near} nearest: 0 where all are found alike often.",
        [
            (1.0, "Few hubs: nothing to do."),
            (
                None,
                "A few candidates answer many queries. Try NearestNeighborNormalization and check held-out recall.",
            ),
        ],
    ),
    "neighbor_agreement": (
        "Neighbor agreement",
        "Share of a thing's {near} nearest neighbors, within each modality, that both modalities agree on: {chance} is "
        "chance.",
        [
            (
                None,
                "It ignores where the modalities lie: if it is low, no rotation brings the neighborhoods together.",
            )
        ],
    ),
    "uniformity": (
        "Uniformity, {x}",
        "Log of the mean Gaussian potential: lower is spread more evenly over the sphere; 0 is collapsed.",
        [(None, "Read it together with alignment: random directions have the best uniformity.")],
    ),
    "mmd": (
        "Squared MMD",
        "Discrepancy of the two distributions through a Gaussian kernel: 0 for one distribution.",
        [
            (0, "Its interval reaches down to 0: no difference shown, of means or other."),
            (None, ""),
        ],
    ),
}
LOWEST = {  # measures whose advice goes by the lower end of an interval, and the row that has it
    "modality_gap": "squared_gap_unbiased",
    "squared_gap_unbiased": "squared_gap_unbiased",
    "mmd": "mmd",
}


def explain(table: pd.DataFrame, modalities: tuple[str, str] = ("image", "text")) -> pd.DataFrame:
    """Return a row for each measure of a ``gap_report``, in words: columns metric, label, meaning, advice.

    A measure that has no explanation is left out; advice is empty where there is nothing to do. Advice goes by values;
    where a difference may be none, by the lower end of its interval.

    >>> report = pd.DataFrame({"metric": ["n_pairs", "r5_image_to_text"], "value": [500, 0.4]})
    >>> explain(report, ("video", "text")).loc[1, "label"]
    'Recall at 5, video to text'
    """
    values = table.set_index("metric")["value"]
    lows = table.set_index("metric").get("low", pd.Series(dtype=float))
    n = int(values.get("n_sampled", values.get("n_pairs", 0)))
    near = min(10, n // 2)  # as in ``gap_report``
    size = {"n": f"{n:,}", "near": near, "chance": f"{near / max(n - 1, 1):.2g}"}
    rows = []
    for metric, value in values.items():
        key, words = _words(str(metric), modalities)
        if key in MEANINGS:
            label, meaning, advice = MEANINGS[key]
            judged = lows.get(LOWEST[key]) if key in LOWEST else value
            todo = next(
                text
                for most, text in advice
                if most is None or (judged is not None and judged <= most)
            )
            rows.append(
                (metric, *(text.format(**size, **words) for text in (label, meaning, todo)))
            )
    return pd.DataFrame(rows, columns=["metric", "label", "meaning", "advice"])


def _words(metric: str, modalities: tuple[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the key of ``MEANINGS`` for a measure and the words to fill in."""
    x, y = modalities
    forward = not metric.endswith("text_to_image")
    words = {"x": x, "y": y, "k": "", "q": x if forward else y, "c": y if forward else x}
    if recall := re.fullmatch(r"r(\d+)_(?:image_to_text|text_to_image)", metric):
        return "recall", words | {"k": recall[1]}
    key = re.sub(r"_(image_to_text|text_to_image|x|y)$", "", metric)
    return key, words | {"x": y} if metric.endswith("_y") else words
