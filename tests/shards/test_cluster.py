"""A cluster on this machine: how it starts, what an interruption leaves, and what is missing."""

import os
import signal
import sys
import threading

import distributed
import pytest

from gapbook.exceptions import MissingPackageError, PairsError
from gapbook.shards.cluster import connect


def test_an_interrupted_start_closes_the_cluster_and_gives_back_stderr(monkeypatch, capfd):
    states = []

    class Starting:
        def __init__(self, **settings):
            os.write(2, b"noise of new processes")
            # It is noted while they start, and raised afterwards.
            os.kill(os.getpid(), signal.SIGINT)
            states.append(settings["n_workers"])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            states.append("closed")

    monkeypatch.setattr(distributed, "LocalCluster", Starting)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), connect(workers=1):
        states.append("used")
    os.write(2, b"heard again")
    assert states == [1, "closed"]
    assert capfd.readouterr().err == "heard again"
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_cluster_here_has_at_most_one_worker_a_core_and_starts_in_any_thread(monkeypatch):
    asked = []

    class Cluster(distributed.LocalCluster):
        def __init__(self, **settings):
            asked.append(settings["n_workers"])
            super().__init__(**settings | {"n_workers": 0, "processes": False})

    def start():
        with connect(workers=1000) as client:
            asked.append(client.status)

    monkeypatch.setattr(distributed, "LocalCluster", Cluster)
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert asked == [os.cpu_count(), "running"]


def test_without_dask_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match="pip install distributed"), connect():
        pass


def test_an_address_without_a_scheduler_is_named():
    expected = r"Expected a Dask scheduler at 'nowhere://1'; got "
    with pytest.raises(PairsError, match=expected), connect("nowhere://1"):
        pass
