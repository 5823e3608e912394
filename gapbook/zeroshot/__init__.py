"""Zero-shot classification as the gap is moved, on many tasks, with paired tests."""

from gapbook.zeroshot.classify import (
    accuracy_curve,
    retrieval_under_shift,
    shift_sweep,
    shifted_predictions,
    shifted_ranks,
)
from gapbook.zeroshot.paired_tests import PairedTest, mcnemar
