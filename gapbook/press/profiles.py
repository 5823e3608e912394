"""Profiles: parameters for a large machine, and the data and models that chapters get with them.

A profile is a YAML file of parameters by notebook. A parameter may name a source of
``data/registry.yml`` in the place of a path; what is set together, or not at all, is one entry of
the list ``with sources``::

    02_cone_effect:
      about minutes: 10
      items: 5000
      with sources:
        - coco: {source: [coco-val2017, coco-annotations]}
          checkpoint: {source: clip-vit-base-patch32}
          about minutes: 15

``{source: NAME}`` becomes the path that ``gapbook fetch NAME`` prints; of several names, which must
lie in one folder, that folder. ``{folder of: NAME}`` becomes the folder that a file lies in. In a
parameter that is a mapping, entries whose source cannot be had are left out. ``about minutes`` are
estimates for two CPU cores.
"""

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from papermill import inspect_notebook

from gapbook.exceptions import FetchError, PressError, UnavailableError, nearest, quoted
from gapbook.press.mappings import read_mapping
from gapbook.published import locate, registry_entry, sources_named

WITH_SOURCES = "with sources"
MINUTES = "about minutes"
# The two forms of a parameter that names a source.
REFERENCES = ("source", "folder of")

# Returns the path of a source, or raises UnavailableError.
Getter = Callable[[str], Path]


@dataclass(frozen=True)
class Experiment:
    """Parameters of a notebook that are set together, since all of them need sources."""

    notebook: str
    parameters: dict[str, Any]
    minutes: float = 0.0

    def sources(self) -> list[str]:
        """Return the names of the sources that it needs, each once."""
        names = [name for value in self.parameters.values() for name in _sources_in(value)]
        return list(dict.fromkeys(names))


@dataclass(frozen=True)
class Profile:
    """What a profile says.

    Attributes
    ----------
    name : str
        The name of its file, without the ending.
    plain : dict of dict
        Parameters without sources, by notebook.
    minutes : dict of float
        What the notebooks take with them, as far as it is stated.
    experiments : list of Experiment
        What needs sources.
    only : frozenset of str, optional
        The notebooks that run; None for all.
    """

    name: str
    plain: dict[str, dict[str, Any]] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    experiments: list[Experiment] = field(default_factory=list)
    only: frozenset[str] | None = None

    def sources(self) -> list[str]:
        """Return the names of all sources that it needs, each once."""
        names = [name for experiment in self.experiments for name in experiment.sources()]
        return list(dict.fromkeys(names))

    def total_minutes(self) -> float:
        """Return the sum of all estimates."""
        stated = [
            minutes
            for notebook, minutes in self.minutes.items()
            if self.only is None or notebook in self.only
        ]
        return sum(stated) + sum(experiment.minutes for experiment in self.experiments)

    def part(self, words: Sequence[str]) -> "Profile":
        """Return the part of the profile that needs some sources.

        Parameters
        ----------
        words : sequence of str
            Names of sources or of data sets, such as "coco".

        Returns
        -------
        Profile
            The experiments that need at least one of the sources, and their notebooks only. Of a
            mapping of sources only the wanted ones stay, where there are any.

        Raises
        ------
        PressError
            If a name is unknown, or the profile needs none of its sources.
        """
        wanted: set[str] = set()
        for word in words:
            try:
                named = sources_named(word)
            except FetchError as error:
                raise PressError(str(error)) from None
            if not set(named) & set(self.sources()):
                needed = ", ".join(self.sources()) or "none"
                raise PressError(
                    f"profile {self.name} does not use {word}; the sources that it uses: {needed}"
                )
            wanted |= set(named)
        kept = [
            replace(experiment, parameters=_narrowed(experiment.parameters, wanted))
            for experiment in self.experiments
            if wanted & set(experiment.sources())
        ]
        notebooks = frozenset(experiment.notebook for experiment in kept)
        return replace(self, experiments=kept, only=notebooks)


@dataclass(frozen=True)
class Settings:
    """A profile whose sources have become paths.

    Attributes
    ----------
    name : str
        The name of the profile.
    parameters : dict of dict
        Parameters by notebook.
    only : frozenset of str, optional
        The notebooks that run; None for all.
    absent : dict of str
        Why a source cannot be had, by its name.
    left_out : list of str
        A sentence for each experiment that does not run, or not in full.
    """

    name: str
    parameters: dict[str, dict[str, Any]]
    only: frozenset[str] | None = None
    absent: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def read_profile(path: Path, notebooks: Mapping[str, NotebookNode]) -> Profile:
    """Read a profile.

    Parameters
    ----------
    path : Path
        The file.
    notebooks : mapping of str to NotebookNode
        All notebooks, by name.

    Returns
    -------
    Profile
        What it says.

    Raises
    ------
    PressError
        If there is no such profile, notebook, parameter or source; the message suggests the nearest
        name.
    """
    if not path.exists():
        profiles = [file.stem for file in path.parent.glob("*.yml")]
        raise PressError(f"there is no profile {path.stem!r}; {nearest(path.stem, profiles)}")
    plain = {}
    minutes = {}
    experiments = []
    for name, values in read_mapping(path).items():
        if name not in notebooks:
            hint = nearest(name, notebooks)
            raise PressError(f"{path.name} sets parameters of {name!r}, not a notebook; {hint}")
        place = f"{path.name}: {name}"
        stated = dict(_mapping(values, f"{place} must have a mapping of parameters"))
        # papermill itself only warns of a wrong name
        known = inspect_notebook(notebooks[name])
        listed = stated.pop(WITH_SOURCES, [])
        minutes[name] = _minutes(stated, place)
        _require_known(name, stated, known)
        plain[name] = stated
        for each in listed if isinstance(listed, list) else [listed]:
            parameters = dict(_mapping(each, f"{place}: {WITH_SOURCES} must list mappings"))
            taken = _minutes(parameters, place)
            _require_known(name, parameters, known)
            _require_sources(parameters, f"{place}: {WITH_SOURCES}")
            experiments.append(Experiment(name, parameters, taken))
    return Profile(path.stem, plain, minutes, experiments)


def settle(profile: Profile, get: Getter) -> Settings:
    """Put paths into the place of sources, and leave out what cannot be had.

    Parameters
    ----------
    profile : Profile
        The profile, or a part of it.
    get : callable
        Function of the name of a source that returns its path, such as ``fetch`` or ``at_hand``.

    Returns
    -------
    Settings
        The parameters of all notebooks, and what they lack.

    Raises
    ------
    PressError
        If a source is not what it should be, or two of one data set lie in two folders.
    """
    absent: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for name in profile.sources():
        try:
            paths[name] = get(name).absolute()
        except UnavailableError as error:
            absent[name] = str(error)
        except FetchError as error:
            raise PressError(str(error)) from None
    parameters = {name: dict(values) for name, values in profile.plain.items()}
    left_out = []
    for experiment in profile.experiments:
        lacking = [name for name in experiment.sources() if name in absent]
        values = _resolved(experiment.parameters, paths)
        if values is None:
            without = ", ".join(experiment.parameters)
            left_out.append(
                f"{experiment.notebook} runs without {without}: no {', '.join(lacking)}"
            )
            continue
        if lacking:
            left_out.append(f"{experiment.notebook} runs without {', '.join(lacking)}")
        parameters.setdefault(experiment.notebook, {}).update(values)
    return Settings(profile.name, parameters, profile.only, absent, left_out)


def at_hand(name: str) -> Path:
    """Return the path of a source that lies on this machine.

    Parameters
    ----------
    name : str
        The source.

    Raises
    ------
    UnavailableError
        If it does not; nothing is downloaded.
    """
    place = locate(name)
    if place is None:
        raise UnavailableError(f"{name} is not at hand; get it by gapbook fetch {name}")
    return place[1]


def _mapping(values: object, expected: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise PressError(f"{expected}; got {reprlib.repr(values)}")
    return values


def _minutes(values: dict[str, Any], place: str) -> float:
    """Take the estimate out of parameters."""
    minutes = values.pop(MINUTES, 0)
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes < 0:
        raise PressError(f"{place} must have a number as {MINUTES}; got {quoted(minutes)}")
    return float(minutes)


def _require_known(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Raise an error where a notebook has no such parameter."""
    names = list(known)
    for wrong in values:
        if wrong not in names:
            raise PressError(f"{name} has no parameter {wrong!r}; {nearest(wrong, names)}")


def _require_sources(parameters: Mapping[str, Any], place: str) -> None:
    """Raise an error where a source is unknown, or there is none."""
    names = [name for value in parameters.values() for name in _sources_in(value)]
    if not names:
        raise PressError(f"{place} must name a source; got {reprlib.repr(dict(parameters))}")
    for name in names:
        try:
            registry_entry(name)
        except FetchError as error:
            raise PressError(f"{place}: {error}") from None


def _is_reference(value: object) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in REFERENCES


def _sources_in(value: object) -> Iterator[str]:
    """Yield the names of the sources in a parameter."""
    if not isinstance(value, dict):
        return
    if _is_reference(value):
        named = next(iter(value.values()))
        yield from named if isinstance(named, list) else [str(named)]
        return
    for entry in value.values():
        yield from _sources_in(entry)


def _narrowed(parameters: Mapping[str, Any], wanted: set[str]) -> dict[str, Any]:
    """Leave out of mappings of sources those that are not wanted, where some are."""
    narrowed = dict(parameters)
    for name, value in parameters.items():
        if not isinstance(value, dict) or _is_reference(value):
            continue
        kept = {key: entry for key, entry in value.items() if wanted & set(_sources_in(entry))}
        if kept:
            narrowed[name] = kept
    return narrowed


def _resolved(parameters: Mapping[str, Any], paths: Mapping[str, Path]) -> dict[str, Any] | None:
    """Return parameters with paths in them; None where one cannot be set."""
    resolved: dict[str, Any] = {}
    for name, value in parameters.items():
        if not isinstance(value, dict):
            resolved[name] = value
        elif _is_reference(value):
            resolved[name] = _path_for(value, paths)
        else:
            entries = {key: _path_for(entry, paths) for key, entry in value.items()}
            resolved[name] = {
                key: path for key, path in entries.items() if path is not None
            } or None
    if any(value is None and parameters[name] is not None for name, value in resolved.items()):
        return None
    return resolved


def _path_for(value: object, paths: Mapping[str, Path]) -> Any:
    """Return the path in the place of a reference, None where it cannot be had."""
    if not isinstance(value, dict) or not _is_reference(value):
        return value
    kind = next(iter(value))
    names = list(_sources_in(value))
    if any(name not in paths for name in names):
        return None
    places = {name: paths[name].parent if kind == "folder of" else paths[name] for name in names}
    if len(set(places.values())) > 1:
        where = " and ".join(f"{name} in {place}" for name, place in places.items())
        raise PressError(f"these belong into one folder, but lie apart: {where}; put them together")
    return str(places[names[0]])
