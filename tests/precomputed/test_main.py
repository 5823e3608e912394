"""The one command for stored data."""

from importlib import import_module

import pytest

from gapbook.precomputed.__main__ import PRODUCTS, main


def test_without_a_name_all_products_are_listed(capsys: pytest.CaptureFixture) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRODUCTS)


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_product_is_a_module_that_makes_it(name: str) -> None:
    assert callable(import_module(f"gapbook.precomputed.{name}").main)


def test_other_names_and_settings_are_refused(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["training"])
    assert "invalid choice: 'training'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["references", "--only", "clip"])
    assert (
        "--only goes with modality_pairs, joint_modalities and training_curves"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["training_curves", "modality_pairs", "joint_modalities"])
def test_a_pattern_that_no_run_matches_is_refused(name: str) -> None:
    with pytest.raises(SystemExit, match=r"that some run matches, such as .*; got 'nothing'"):
        main([name, "--only", "nothing"])
