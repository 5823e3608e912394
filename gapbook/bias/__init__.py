"""What a classifier says of faces, by group."""

from gapbook.bias.letters import (
    LETTER_LABELS,
    embed_letters,
    letters_of_pairs,
    script_or_symbol,
)
from gapbook.bias.rates import (
    chi_square_of_accuracies,
    compare_shifts,
    counts_that_print,
    denigration_rates,
    p_value_range,
    rates_from_counts,
)
from gapbook.zeroshot.paired_tests import paired_p_values
