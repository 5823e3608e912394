import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from gapbook.precomputed.__main__ import PRODUCTS
from gapbook.press import SCALES, PressError, load_expected
from gapbook.press.experiments import PRINTED, experiment_of, paper_experiments, paper_items
from gapbook.press.mappings import read_mapping
from gapbook.press.paper import reported
from gapbook.published import registry

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
PROFILES = ROOT / "book" / "profiles"
README = (ROOT / "README.md").read_text()

each_experiment = pytest.mark.parametrize(
    "experiment", paper_experiments().values(), ids=list(paper_experiments())
)


def facts_of(experiment):
    return [fact for fact in reported().values() if experiment_of(fact.id) is experiment]


def context(experiment):
    return all(fact.context for fact in facts_of(experiment))


def cannot_be_had(experiment):
    return all(fact.cannot_be_had for fact in facts_of(experiment))


def check_make(words):
    targets = [word for word in words if "=" not in word]
    settings = dict(word.split("=") for word in words if "=" in word)
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
    for name in settings:
        assert re.search(rf"^{name} \?=", MAKEFILE, re.MULTILINE)
    if "PROFILE" in settings:
        assert settings["ONLY"] in read_mapping(PROFILES / f"{settings['PROFILE']}.yml")["parts"]


def check_command(command):
    """Assert that a command is one that somebody can give in a checkout."""
    program, *words = shlex.split(command)
    match [program, *words]:
        case ["make", *words]:
            check_make(words)
        case ["gapbook", "fetch", source]:
            assert source in registry()
        case ["python", "-m", "gapbook.precomputed", name]:
            assert name in PRODUCTS
        case _:
            pytest.fail(f"{command} is no command of this project")


def test_every_fact_belongs_to_one_experiment():
    for key in reported():
        assert experiment_of(key).item, key


def test_every_pattern_names_facts():
    for experiment in paper_experiments().values():
        for pattern in experiment.facts:
            assert any(fnmatchcase(key, pattern) for key in reported()), pattern


def test_a_fact_that_no_experiment_names_is_an_error():
    with pytest.raises(PressError, match=r"must name 'fig9.gap' in one experiment"):
        experiment_of("fig9.gap")


@each_experiment
def test_scales_and_items_are_known(experiment):
    assert experiment.scale in SCALES
    assert experiment.meanwhile in {"", *SCALES}
    assert context(experiment) or experiment.item in paper_items()


@each_experiment
def test_an_experiment_is_settled_in_one_way(experiment):
    assert sum(map(bool, [experiment.arithmetic, experiment.command, experiment.stored])) <= 1
    # something stands in only for what is not here
    assert not experiment.meanwhile or experiment.command or cannot_be_had(experiment)


@each_experiment
def test_the_commands_exist(experiment):
    for line in filter(None, [experiment.command, experiment.stored]):
        for command in line.split(" && "):
            check_command(command)


@each_experiment
def test_what_an_experiment_has_its_item_lists(experiment):
    if context(experiment):
        return
    scales = paper_items()[experiment.item].scales
    if experiment.arithmetic:
        assert PRINTED in scales
    elif experiment.command or cannot_be_had(experiment):
        assert experiment.meanwhile in {"", *scales}
    else:
        assert experiment.scale in scales


def test_scales_of_items_are_known_and_chapters_exist():
    chapters = {path.name[:2] for path in (ROOT / "book").glob("[0-9]*.ipynb")}
    for item in paper_items().values():
        assert set(item.scales) <= set(SCALES), item.name
        assert item.chapter in chapters or not (item.chapter or item.scales), item.name


def test_the_readme_names_the_scales_of_each_chapter():
    # a chapter has a row for each of its parts; only the first one names it
    rows = re.split(r"^\| (?=\d\. |Appendix)", README.partition("| chapter |")[2], flags=re.M)
    for row in rows[1:6]:
        chapter = f"{int(row[0]):02}"
        items = [item for item in paper_items().values() if item.chapter == chapter]
        scales = {scale for item in items for scale in item.scales}
        assert scales == {scale for scale in SCALES if scale in row}, chapter


def test_a_record_that_answers_a_fact_under_another_name_exists():
    named = [fact for fact in reported().values() if fact.ours]
    assert named
    for fact in named:
        assert fact.ours in load_expected(), fact.id
