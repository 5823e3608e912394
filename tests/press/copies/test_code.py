"""Code without its records: what only they needed goes, all else stays as it was written."""

import pytest

from gapbook.exceptions import PressError
from gapbook.press.copies.code import prune

IMPORT = "from gapbook.press import Tolerance, paper_value, record, record_table, recorded\n"


def left(*cells, shown=()):
    _imports, *rest = prune([IMPORT, *cells], [number + 1 for number in shown])
    sources = [cell.source for cell in rest]
    return sources[0] if len(cells) == 1 else sources


def test_a_cell_that_only_records_is_empty():
    cell = (
        "wide = Tolerance(0.1, 'a few points')\n"
        "table = compute()\n"
        "# by model\n"
        "for name, row in table.items():\n"
        "    key = f'ch01.{name}'\n"
        "    record(key, row, tolerance=wide)\n"
        "record_table('ch01', table)\n"
    )
    assert left(cell) == ""


def test_what_others_need_stays():
    before = "table = compute()\nrecord_table('ch01', table)"
    assert left(before, "print(table)") == ["table = compute()", "print(table)"]
    used_by_function = "def check(x):\n    return x - table"
    assert left(before, used_by_function)[0] == "table = compute()"
    added_to = "table |= other()\nprint(table)"
    assert left(before, added_to)[0] == "table = compute()"
    bound_anew = "table = other()\nprint(table)"
    assert left(before, bound_anew)[0] == ""
    imports = "from numpy import mean\nrecord('ch01.mean', mean([1, 2]))"
    imports_anew = "from numpy import mean\nprint(mean([1, 2]))"
    assert left(imports, imports_anew) == ["", imports_anew]
    assert left(imports, "print(mean([1, 2]))")[0] == "from numpy import mean"
    module = "import numpy as np\nrecord('ch01.mean', np.mean([1, 2]))"
    assert left(module, "import numpy as np\nprint(np.e)")[0] == ""
    assert left("import os\nrecord('ch01.n', os.cpu_count())", "import os.path\nprint(os.sep)") == [
        "import os",
        "import os.path\nprint(os.sep)",
    ]


def test_what_a_function_before_it_looks_up_when_called_stays():
    function = "def check(x):\n    return x - table"
    bound_later = "table = compute()\nrecord_table('ch01', table)"
    call = "print(check(1))"
    assert left(function, bound_later, call) == [function, "table = compute()", call]
    in_a_lambda = "check = lambda x: x - table"
    assert left(in_a_lambda, bound_later, call) == [in_a_lambda, "table = compute()", call]


def test_what_stands_beside_a_function_is_looked_up_where_it_stands():
    bound = "table = compute()\nrecord_table('ch01', table)"
    anew = "table = other()\nprint(sorted(table, key=lambda row: row.gap))"
    assert left(bound, anew) == ["", anew]


def test_what_a_function_binds_for_its_lambdas_is_not_looked_up_outside():
    function = "def check(x):\n    table = x + 1\n    return map(lambda row: row - table, x)"
    bound = "table = compute()\nrecord_table('ch01', table)"
    assert left(function, bound, "print(check(1))")[1] == ""


def test_lines_between_stay_as_they_were_written():
    cell = "a = 1   # one\n\n\n# a comment\nb = [\n    a,\n]\nrecord('ch01.b', a)\nprint(a,  b)"
    assert left(cell, shown=[0]) == cell.replace("record('ch01.b', a)\n", "")


def test_imports_lose_names_that_only_records_needed():
    imports = "import numpy as np\nfrom math import pi, tau\nprint(pi)"
    assert left(imports, "record('ch01.x', np.e * tau)") == ["from math import pi\nprint(pi)", ""]
    mixed = "from gapbook.press import paper_value, record\nrecord('ch01.x', paper_value('a'))"
    assert left(mixed, "paper_value('b')")[0] == "from gapbook.press import paper_value"


def test_a_part_of_the_story_keeps_what_it_computes():
    cell = "share = (a > b).mean()\nunits = {'share': 'fraction'}\nrecord('ch01.s', share, units)"
    assert left(cell, shown=[0]) == "share = (a > b).mean()"
    assert left(cell) == ""


def test_what_is_computed_only_to_be_recorded_is_printed_in_the_story():
    cell = "record('errata.e1.auc', area(a, b), 'fraction')\nrecord('errata.e1.n', n)"
    assert left(cell, shown=[0]) == "print('auc:', area(a, b))"
    assert left("record('ch01.paper', paper_value('a'))", shown=[0]) == ""


def test_functions_that_only_record_go_with_their_calls():
    cell = (
        "def judged(key, value):\n"
        '    """Record a value."""\n'
        "    room = Tolerance(value / 10, 'a tenth')\n"
        "    record(key, value, tolerance=room)\n\n\n"
        "for key in keys:\n"
        "    judged(key, 1)\n"
        "print(keys)"
    )
    assert left(cell) == "print(keys)"


def test_a_block_that_loses_all_its_lines_stays_valid():
    cell = "try:\n    f()\nexcept ValueError as error:\n    record('ch01.e', error)\n"
    assert left(cell) == "try:\n    f()\nexcept ValueError as error:\n    pass"
    assert left("if a:\n    record('ch01.e', 1)\nelse:\n    print(a)") == (
        "if a:\n    pass\nelse:\n    print(a)"
    )


def test_draws_of_random_numbers_stay_so_that_later_ones_are_the_same():
    cell = "noise = rng.normal(size=3)\nrecord('ch01.noise', noise)"
    assert left("rng = np.random.default_rng(0)", cell, "print(rng.normal())")[1] == (
        "noise = rng.normal(size=3)"
    )
    own = "noise = np.random.default_rng(0).normal()\nrecord('ch01.noise', noise)"
    assert left(own) == ""


def test_what_reads_records_back_goes_with_all_that_needs_it():
    pruned = prune(
        [
            "from gapbook.press import recorded\nx = 1",
            "verdict = recorded()['a'].value",
            "facts = ['a', 'b']\nprint(verdict, facts)",
            "print(f'{recorded()} is the gap.')",
            "verdict = x\nprint(verdict)",
        ]
    )
    assert [cell.source for cell in pruned] == ["x = 1", "", "", "", "verdict = x\nprint(verdict)"]
    assert [cell.reads_records for cell in pruned] == [False, True, True, True, False]


def test_what_is_no_python_is_named():
    with pytest.raises(PressError, match="code cell 1: not Python"):
        prune(["a = 1", "%matplotlib inline"])
