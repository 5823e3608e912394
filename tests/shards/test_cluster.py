"""Connections to Dask: a cluster on this machine and who can reach it, and other schedulers."""

import asyncio
import gc
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import dask
import distributed
import numpy as np
import psutil
import pytest
from distributed import LocalCluster, Security

from gapbook.exceptions import MissingPackageError, PairsError
from gapbook.shards.cluster import connect, lost_scheduler_named, wait_for

IN_THIS_PROCESS = {
    "processes": False,
    "threads_per_worker": 1,
    "dashboard_address": "127.0.0.1:0",
}


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
    with (
        pytest.raises(
            MissingPackageError,
            match=r"a folder of shards needs distributed, .*pip install .*distributed",
        ),
        connect(),
    ):
        pass


def test_without_cryptography_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with (
        pytest.raises(
            MissingPackageError, match=r"needs cryptography, .*pip install .*cryptography"
        ),
        connect(),
    ):
        pass


# ---- who can reach a cluster here


@pytest.fixture(scope="module")
def cluster_here():
    with connect(workers=2) as client:
        client.wait_for_workers(2)
        yield client


def listening_ports():
    """Return the addresses at which this process and those that it started listen."""
    ports = set()
    this = psutil.Process()
    for process in [this, *this.children(recursive=True)]:
        for connection in process.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                ports.add((connection.laddr.ip, connection.laddr.port))
    return ports


def speaks_http(host, port):
    """Say whether there is a page server at a port, and that it has no page."""
    try:
        urlopen(f"http://{host}:{port}/info/main/workers.html", timeout=10)
    except HTTPError as error:
        assert error.code == 404
        return True
    except OSError:
        return False
    raise AssertionError("it shows what the cluster does")


@pytest.mark.slow
def test_every_port_of_a_cluster_here_wants_its_certificate(cluster_here):
    ports = listening_ports()
    dask_ports = [place for place in ports if not speaks_http(*place)]
    # The scheduler, and two workers with a process each that looks after them.
    assert len(dask_ports) >= 5
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname = False
    stranger.verify_mode = ssl.CERT_NONE
    for host, port in dask_ports:
        assert host == "127.0.0.1"
        with socket.create_connection((host, port), timeout=10) as connection:
            connection.sendall(bytes(64))
            with pytest.raises(ConnectionError):
                # Without encryption the connection ends.
                raise_if_closed(connection)
        with (
            socket.create_connection((host, port), timeout=10) as connection,
            stranger.wrap_socket(connection) as encrypted,
            pytest.raises(ssl.SSLError, match="certificate required"),
        ):
            encrypted.recv(1)


def raise_if_closed(connection):
    if not connection.recv(1):
        raise ConnectionError


@pytest.mark.slow
def test_no_other_client_reaches_a_cluster_here(cluster_here):
    address = cluster_here.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    strangers = [
        (address, Security.temporary()),
        (address, None),
        (address.replace("tls:", "tcp:"), None),
    ]
    for place, security in strangers:
        # A client that failed is stopped when it is collected. While the next one starts, that
        # would wait for a lock which the start holds, for ever.
        gc.collect()
        with pytest.raises((OSError, TypeError)):
            distributed.Client(place, security=security, timeout=10, set_as_default=False)
    assert cluster_here.submit(sum, [1, 2]).result(timeout=60) == 3


@pytest.mark.slow
def test_the_files_of_a_cluster_here_are_those_of_this_user_only(cluster_here):
    folders = cluster_here.run(lambda dask_worker: dask_worker.local_directory)
    for folder in folders.values():
        private = Path(folder).parents[1]
        assert private.name.startswith("gapbook-")
        assert stat.S_IMODE(private.stat().st_mode) == 0o700


@pytest.mark.slow
def test_a_script_needs_no_guard_and_is_not_run_by_the_workers(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(2, 20, 4)))
    (tmp_path / "script.py").write_text(
        "from gapbook.shards import measure_shards\n"
        "print('once')\n"
        f"print(measure_shards({str(tmp_path)!r}, replicates=10).shards, __file__)\n"
    )
    command = [sys.executable, tmp_path / "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == f"once\n1 {tmp_path / 'script.py'}\n"
    assert done.returncode == 0


# ---- other schedulers


@pytest.mark.parametrize(
    "address", ["nowhere://1", "127.0.0.1", "ucx://127.0.0.1:1", "tcp://", "\x1b[31m", "tls://::"]
)
def test_an_address_without_a_scheduler_is_named(address):
    with pytest.raises(PairsError, match=r"^Expected a Dask scheduler at ") as error:
        with connect(address):
            pass
    assert repr(address) in str(error.value)
    assert str(error.value).isprintable()


@pytest.fixture
def certificates(tmp_path):
    """The names of files with a key and a certificate, by the names of Dask's configuration."""
    security = Security.temporary()
    (tmp_path / "certificate.pem").write_text(security.tls_ca_file)
    (tmp_path / "key.pem").write_text(security.tls_client_key)
    names = {"CA_FILE": "certificate.pem"}
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        names |= {f"{role}__CERT": "certificate.pem", f"{role}__KEY": "key.pem"}
    return {
        f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(tmp_path / file) for name, file in names.items()
    }


def test_a_scheduler_with_tls_takes_the_certificates_of_the_configuration(certificates):
    configuration = dask.config.merge(dask.config.config, dask.config.collect_env(certificates))
    with dask.config.set(configuration):
        cluster = LocalCluster(n_workers=1, protocol="tls://", host="127.0.0.1", **IN_THIS_PROCESS)
    address = cluster.scheduler_address
    assert address.startswith("tls://")
    with cluster:
        with dask.config.set(configuration), connect(address) as client:
            assert client.submit(sum, [1, 2]).result(timeout=60) == 3
        expected = f"scheduler at '{address}'; .*DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT"
        with pytest.raises(PairsError, match=expected), connect(address):
            pass


@pytest.mark.slow
def test_a_server_that_never_answers_is_named_in_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(PairsError, match=f"scheduler at '{address}'; got no answer"):
            with connect(address):
                pass
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_a_scheduler_without_workers_is_named_in_time():
    with LocalCluster(n_workers=0, protocol="tcp://", **IN_THIS_PROCESS) as cluster:
        start = time.monotonic()
        with pytest.raises(PairsError, match=f"scheduler '{cluster.scheduler_address}'; it has no"):
            with connect(cluster.scheduler_address):
                pass
    assert time.monotonic() - start < 30


def test_work_without_workers_ends_when_patience_does():
    with LocalCluster(n_workers=0, **IN_THIS_PROCESS) as cluster:
        with distributed.Client(cluster) as client:
            with pytest.raises(PairsError, match="has had no workers for 1 seconds"):
                wait_for(client, client.submit(sum, [1, 2]), patience=1)
            cluster.scale(1)
            assert wait_for(client, client.submit(sum, [1, 3]), patience=60) == 4
            with pytest.raises(ZeroDivisionError):
                wait_for(client, client.submit(divmod, 1, 0), patience=60)


def test_a_task_that_runs_out_of_time_is_an_error_of_its_own():
    def late():
        raise TimeoutError("too late")

    with distributed.Client(n_workers=1, **IN_THIS_PROCESS) as client:
        with pytest.raises(TimeoutError, match="too late"):
            wait_for(client, client.submit(late))


@pytest.mark.parametrize("error", [OSError("in <TCP>: closed\nby peer"), asyncio.CancelledError()])
def test_the_loss_of_a_scheduler_is_one_sentence(error):
    expected = "^the Dask scheduler was lost .*: start it, and run this again$"
    with pytest.raises(PairsError, match=expected), lost_scheduler_named():
        raise error
