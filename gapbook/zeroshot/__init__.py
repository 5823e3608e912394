"""Zero-shot classification as the gap is moved, on many tasks, with paired tests."""

from gapbook.zeroshot.classify import accuracy_curve, shift_sweep, shifted_predictions
from gapbook.zeroshot.evaluation import (
    compare_corrections,
    crossfit_shift,
    evaluate_shift,
    evaluate_tasks,
    imbalance,
    spearman_over_clusters,
)
from gapbook.zeroshot.paired_tests import (
    PairedTest,
    holm,
    mcnemar,
    paired_p_values,
    paired_test,
)
from gapbook.zeroshot.selection import (
    best_of_grid_p,
    choose_delta,
    redrawn_gains,
    split_gains,
)
