"""Measure what a profile names of the paper's own scale: say what it needs, fetch it, compare."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from gapbook.exceptions import FetchError, PairsError, PressError, UnavailableError, nearest
from gapbook.extras import from_extra
from gapbook.press.needs import needs_of
from gapbook.press.profiles import Profile
from gapbook.published import embedding_sources, fetch, kind_of, locate, registry

with from_extra("models", "the paper's own scale"):
    from gapbook.full_scale.inputs import Inputs, choose_device, fetched_places
    from gapbook.full_scale.parts import PARTS, at_hand, measure_parts, parts_named
    from gapbook.full_scale.runs import train_all

# Where embeddings, trainings and results are kept, and the file of all results.
FOLDER = Path("_build/full_scale")
RESULTS = Path("data/full.yml")


class PaperScale:
    """The parts that are to be measured here.

    Parameters
    ----------
    profile : Profile
        Which names parts, and says how long each takes.
    only : sequence of str
        Parts, or sources or data sets for what needs them; by default all, and the chapters.

    Attributes
    ----------
    names : list of str
        The parts that are measured.
    left_out : dict of str
        Why something cannot be had, by its name.
    measured : list of str
        The keys of the facts that were measured.

    Raises
    ------
    PressError
        If there is no such part, or nothing of it can be measured on this machine.
    """

    def __init__(self, profile: Profile, only: Sequence[str]) -> None:
        self.profile = profile
        self.whole = not only
        self.left_out: dict[str, str] = {}
        self.measured: list[str] = []
        unknown = [name for name in profile.parts if name not in PARTS]
        if unknown:
            raise PressError(
                f"{profile.name}.yml has a part {unknown[0]!r}; {nearest(unknown[0], PARTS)}"
            )
        with _as_press_errors():
            wanted = parts_named(only or list(profile.parts))
            self.inputs = Inputs(FOLDER, device=choose_device(), progress=True)
        self.names = [name for name in wanted if name in profile.parts]
        if not self.names:
            raise PressError(
                f"profile {profile.name} does not measure {', '.join(wanted)}; it measures "
                f"{', '.join(profile.parts) or 'no part'}"
            )
        if self.inputs.device.type == "cpu":
            for name in self.names:
                if PARTS[name].trains and not at_hand(name, self.inputs):
                    self.left_out[name] = "it trains CLIP, and this machine has no GPU"
        if self.whole:
            for name, entry in registry().items():
                if kind_of(entry) == "by hand" and locate(name) is None:
                    self.left_out[name] = entry["reason"]

    def sources(self) -> list[str]:
        """Return what must be fetched: for parts, and of embeddings for the chapters."""
        names = [source for name in self._fetching() for source in PARTS[name].fetched()]
        if self.whole:
            names += [name for name, entry in embedding_sources().items() if "url" in entry]
        return list(dict.fromkeys(names))

    def _fetching(self) -> list[str]:
        """Return the parts that are not left out, and do not only gather finished trainings."""
        training = self.inputs.device.type != "cpu"
        return [
            name
            for name in self.names
            if name not in self.left_out and (training or not PARTS[name].trains)
        ]

    def prepare(self, pause: float = 1.0) -> None:
        """Say what it takes, and fetch it.

        Parameters
        ----------
        pause : float
            Seconds before a download that broke off is tried again.

        Raises
        ------
        PressError
            If there is no room on the disk, a source is not what it should be, or none of the parts
            has all that it needs.
        """
        title = f"profile {self.profile.name}"
        minutes = sum(self.profile.parts[name] for name in self.names if name not in self.left_out)
        if self.whole:
            minutes += sum(self.profile.minutes.values())
        else:
            title += f", only {', '.join(self.names)}"
        with _as_press_errors():
            sources = self.sources()
            print("\n".join(needs_of(title, sources, minutes)))
            self.say_what_is_left_out()
            absent = {}
            for source in sources:
                try:
                    fetch(source, pause=pause)
                except UnavailableError as error:
                    absent[source] = str(error)
        for name in self._fetching():
            lacking = [absent[source] for source in PARTS[name].fetched() if source in absent]
            if lacking:
                self.left_out[name] = lacking[0]
        chapters = embedding_sources().keys() & absent.keys()
        self.left_out |= {source: absent[source] for source in sorted(chapters)}
        if self.left_out.keys() >= set(self.names):
            reasons = "\n  ".join(f"{name}: {self.left_out[name]}" for name in self.names)
            raise PressError(f"nothing of {title} can be measured here:\n  {reasons}")

    def say_what_is_left_out(self) -> None:
        """Print what cannot be had, each with the reason."""
        for name, reason in self.left_out.items():
            print(f"  {name} cannot be had: {reason}", flush=True)

    def measure(self) -> None:
        """Train and measure what can be had, or go on where an interrupted call stopped.

        Raises
        ------
        PressError
            If what was fetched is damaged.
        """
        with _as_press_errors():
            self.inputs.places.update(fetched_places())
            for name in self.names:
                if name in self.left_out:
                    continue
                if PARTS[name].trains and name in self._fetching():
                    for run in train_all(self.inputs, PARTS[name].trains):
                        print(f"finished {run}", flush=True)
                self.measured += measure_parts([name], self.inputs, RESULTS)

    def say_verdicts(self, table: pd.DataFrame) -> None:
        """Print the verdict on each fact that was measured, their counts, and what was left out.

        Parameters
        ----------
        table : pandas.DataFrame
            Result of ``compare``.
        """
        rows = table[table.id.isin(self.measured)].sort_values("verdict", kind="stable")
        print("\ncompared with the paper:")
        for row in rows.itertuples():
            print(f"  {row.verdict:14} {row.id}")
        print(rows.verdict.value_counts().to_string())
        self.say_what_is_left_out()


@contextmanager
def _as_press_errors() -> Iterator[None]:
    """Raise what is worded for a reader as what a command prints."""
    try:
        yield
    except (PairsError, FetchError) as error:
        raise PressError(str(error)) from None
