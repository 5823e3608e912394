import os

import pandas as pd

from gapbook import __version__
from gapbook.press.costs import MACHINE, Cost, read_costs, write_costs


def test_costs_come_back_with_the_sum_of_times_and_the_largest_memory(tmp_path):
    write_costs(
        tmp_path,
        {"01_a": Cost(seconds=2.5, memory_mb=300), "b/c": Cost(seconds=1.0, memory_mb=200)},
    )
    costs = read_costs(tmp_path)
    assert costs.loc["01_a"].tolist() == [2.5, 300]
    assert costs.loc["all"].tolist() == [3.5, 300]


def test_the_machine_and_the_versions_stand_beside_them(tmp_path):
    write_costs(tmp_path, {})
    machine = pd.read_csv(tmp_path / MACHINE, index_col=0).squeeze()
    assert machine["processors"] == str(os.cpu_count()) and machine["gapbook"] == __version__
