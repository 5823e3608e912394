"""Corrections of folders of shards with Dask: types, damage, interruptions and losses."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from distributed import LocalCluster, WorkerPlugin
from helpers import cones
from safetensors.numpy import load_file, save_file

from gapbook import cli
from gapbook.exceptions import PairsError
from gapbook.files import NotWrittenError
from gapbook.mitigation import Center, stored, stored_folders
from gapbook.mitigation.stored import apply_to_stored
from gapbook.shards import apply_to_shards
from gapbook.shards.cluster import connect

X, Y = cones()
ROWS = cones(n=400, seed=3)[0]
FIX = Center().fit(X, Y)
EXPECTED = FIX.transform_x(ROWS)
NAMES = ("a.npy", "b.npz", "empty.npy", "more/c.safetensors")


@pytest.fixture
def folder(tmp_path):
    """A folder of vectors of three types, in three kinds of files, one of which has no row."""
    shards = tmp_path / "in"
    (shards / "more").mkdir(parents=True)
    np.save(shards / "a.npy", ROWS[:200].astype(np.float16))
    np.savez(shards / "b.npz", x=ROWS[200:300].astype(np.float64))
    np.save(shards / "empty.npy", ROWS[:0])
    save_file({"x": ROWS[300:]}, shards / "more" / "c.safetensors")
    return shards


def content(out):
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def test_each_file_keeps_its_name_rows_and_half_precision(folder, tmp_path, client) -> None:
    (folder / "_b.npy").write_bytes(b"unfinished")
    applied = apply_to_shards(FIX, folder, tmp_path / "out", "x", client)
    assert (applied.rows, applied.files, applied.there, applied.bad) == (400, 4, 0, {})
    assert applied.left_out == ["_b.npy"]
    out = tmp_path / "out"
    parts = [np.load(out / "a.npy"), np.load(out / "b.npz")["x"]]
    parts.append(load_file(out / "more" / "c.safetensors")["x"])
    assert [part.dtype.name for part in parts] == ["float16", "float32", "float32"]
    np.testing.assert_allclose(parts[0], EXPECTED[:200], atol=2e-3)
    np.testing.assert_allclose(np.concatenate(parts[1:]), EXPECTED[200:], atol=1e-6)
    assert np.load(out / "empty.npy").shape == (0, 12)
    assert content(out) == {*NAMES, stored_folders.JOURNAL}


def test_with_dask_and_without_files_are_the_same(folder, tmp_path, client) -> None:
    apply_to_shards(FIX, folder, tmp_path / "out", "x", client)
    apply_to_stored(FIX, folder, tmp_path / "here", "x")
    for name in NAMES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_what_is_there_and_whole_is_not_moved_again(folder, tmp_path, client) -> None:
    out = tmp_path / "out"
    apply_to_shards(FIX, folder, out, "x", client)
    (out / "b.npz").unlink()
    # As a full disk or an old program leaves it.
    (out / "a.npy").write_bytes((out / "a.npy").read_bytes()[:-1])
    before = (out / "empty.npy").stat().st_mtime_ns
    applied = apply_to_shards(FIX, folder, out, "x", client)
    assert (applied.files, applied.there, applied.rows) == (2, 2, 300)
    assert (out / "empty.npy").stat().st_mtime_ns == before
    assert np.load(out / "a.npy").shape == (200, 12)
    np.save(folder / "a.npy", ROWS[:7])
    os.utime(folder / "a.npy", ns=(0, 0))
    assert apply_to_shards(FIX, folder, out, "x", client).files == 1
    assert np.load(out / "a.npy").shape == (7, 12)


def test_damaged_shards_are_named_and_the_others_are_moved(folder, tmp_path, client) -> None:
    out = tmp_path / "out"
    whole = (folder / "b.npz").read_bytes()
    (folder / "b.npz").write_bytes(whole[:100])
    with pytest.raises(PairsError, match=r"^\S+/b\.npz is damaged .*; the 3 others are moved"):
        apply_to_shards(FIX, folder, out, "x", client)
    assert content(out) == {*NAMES, stored_folders.JOURNAL} - {"b.npz"}
    np.save(folder / "d.npy", ROWS[:, :5])
    with pytest.raises(PairsError, match=r"^2 of 5 files .* first is \S+/b\.npz is damaged"):
        apply_to_shards(FIX, folder, out, "x", client)
    applied = apply_to_shards(FIX, folder, out, "x", client, skip_bad=True)
    assert sorted(applied.bad) == ["b.npz", "d.npy"]
    assert "5 dimensions; the correction is for 12" in applied.bad["d.npy"]
    (folder / "b.npz").write_bytes(whole)
    (folder / "d.npy").unlink()
    assert apply_to_shards(FIX, folder, out, "x", client).files == 1


def test_where_nothing_can_be_moved_nothing_is_left(folder, tmp_path, client) -> None:
    other = Center().fit(X[:, :5], Y[:, :5])
    with pytest.raises(PairsError, match=r"^4 of 4 files .*5; none is moved"):
        apply_to_shards(other, folder, tmp_path / "new" / "out", "x", client)
    assert not (tmp_path / "new").exists()


def test_rows_without_direction_are_counted_over_shards(tmp_path, client) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        np.save(tmp_path / "in" / f"{number}.npy", np.where(np.arange(20)[:, None] % 4, X[:20], 0))
    with pytest.raises(PairsError, match=r"^3 of 3 files .*0\.npy: row 0 has no direction"):
        apply_to_shards(FIX, tmp_path / "in", tmp_path / "out", "x", client)
    applied = apply_to_shards(FIX, tmp_path / "in", tmp_path / "out", "x", client, skip_bad=True)
    assert (applied.n_without_direction, len(applied.without_direction)) == (15, 10)


def test_two_runs_at_once_are_refused(folder, tmp_path, client) -> None:
    out = tmp_path / "out"
    job = stored.checked_job(FIX, "x", None, False)
    expected = r"^another run writes to \S+out just now: wait for its end"
    with stored_folders.folder_work(job, folder, out):
        with pytest.raises(PairsError, match=expected):
            apply_to_shards(FIX, folder, out, "x", client)
    assert apply_to_shards(FIX, folder, out, "x", client).files == 4
    with stored.only_run(tmp_path / ".b.npy.part", tmp_path / "b.npy"):
        with pytest.raises(PairsError, match=r"^another run writes to \S+b\.npy just now"):
            apply_to_stored(FIX, folder / "a.npy", tmp_path / "b.npy", "x")


def test_what_killed_runs_left_half_written_is_removed(folder, tmp_path, client) -> None:
    out = tmp_path / "out"
    job = stored.checked_job(FIX, "x", None, False)
    with stored_folders.folder_work(job, folder, out) as work:
        stored_folders.apply_to_one(job, folder, out, work.pending[0])
    for place in (out, out / "more"):
        place.mkdir(exist_ok=True)
        (place / ".gapbook-1234").mkdir()
        (place / ".gapbook-1234" / "a.npy").write_bytes(b"half")
    assert apply_to_shards(FIX, folder, out, "x", client).there == 1
    assert content(out) == {*NAMES, stored_folders.JOURNAL}


def test_a_place_that_cannot_be_written_is_named_and_no_shard_is_bad(
    folder, tmp_path, client
) -> None:
    out = tmp_path / "out"
    # No file can be put in the place of a folder.
    (out / "a.npy").mkdir(parents=True)
    (out / stored_folders.JOURNAL).write_text(
        json.dumps({"mark": stored.checked_job(FIX, "x", None, False).mark})
    )
    with pytest.raises(NotWrittenError, match=r"^(\[Errno 21\] )?cannot write \S+a\.npy"):
        apply_to_shards(FIX, folder, out, "x", client)


# ---- the command, and processes that end


def run(*arguments):
    return cli.main(["apply", *map(str, arguments), "--quiet"])


@pytest.fixture
def commands(folder, tmp_path, monkeypatch):
    """The folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    FIX.save("fix.safetensors")
    Center(0.5).fit(X, Y).save("other.safetensors")
    np.save("one.npy", ROWS)
    assert apply_to_stored(FIX, "in", "moved", "x").files == 4
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    Path("file").write_text("mine")
    return tmp_path


# Arguments after the fix, and what the one line says.
BAD = {
    "no scheduler there": (
        ["fix.safetensors", "in", "--out", "new", "--scheduler", "tcp://127.0.0.1:1"],
        "Expected a Dask scheduler at 'tcp://127.0.0.1:1'; got ",
    ),
    "no address": (
        ["fix.safetensors", "in", "--out", "new", "--scheduler", "nowhere://1"],
        "Expected a Dask scheduler at 'nowhere://1'; got ",
    ),
    "a scheduler for one file": (
        ["fix.safetensors", "one.npy", "--out", "new.npy", "--scheduler", "tcp://127.0.0.1:1"],
        "--scheduler is for a folder of files; 'one.npy' is none",
    ),
    "out within the input": (
        ["fix.safetensors", "in", "--out", "in/more/new"],
        "Expected another place than ",
    ),
    "out is the input": (["fix.safetensors", "in", "--out", "in/../in"], "Expected another place"),
    "out is a file": (["fix.safetensors", "in", "--out", "file"], "Expected a folder to write to"),
    "out is below a file": (["fix.safetensors", "in", "--out", "file/new"], "cannot write "),
    "another fix": (
        ["other.safetensors", "in", "--out", "moved"],
        "moved by another correction or as another side: choose an empty folder",
    ),
    "another side": (
        ["fix.safetensors", "in", "--side", "y", "--out", "moved"],
        "moved by another correction or as another side: choose an empty folder",
    ),
    "another key": (
        ["fix.safetensors", "in", "--key", "x", "--out", "moved"],
        "moved by another correction or as another side: choose an empty folder",
    ),
    "another folder": (
        ["fix.safetensors", "in/more", "--out", "moved"],
        "holds the moved vectors of another folder, ",
    ),
    "other files": (["fix.safetensors", "in", "--out", "full"], "holds other files"),
    "no shards": (["fix.safetensors", "full", "--out", "new"], "there are none"),
    "no folder": (["fix.safetensors", "none", "--out", "new"], "none does not exist"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_of_folders_is_one_line(commands, capsys, case: str) -> None:
    arguments, message = BAD[case]
    before = content(commands)
    side = [] if "--side" in arguments else ["--side", "x"]
    assert run(*arguments, *side) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert content(commands) == before
    assert not (commands / "new").exists()


def test_the_command_uses_a_scheduler_at_an_address(commands, capsys) -> None:
    settings = {"processes": False, "n_workers": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(protocol="tcp://", host="127.0.0.1", **settings) as cluster:
        address = cluster.scheduler_address
        options = ["--side", "x", "--out", "new", "--scheduler", address]
        assert run("fix.safetensors", "in", *options) == 0
        assert "400 vectors moved into 4 files: new" in capsys.readouterr().out
    # Nothing is left to do, and nobody is asked.
    assert run("fix.safetensors", "in", *options) == 0
    assert "0 vectors moved into 0 files; 4 were there already" in capsys.readouterr().out


def test_without_dask_files_are_moved_one_after_the_other(commands, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    arguments = ["fix.safetensors", "in", "--side", "x", "--out", "new"]
    assert run(*arguments, "--scheduler", "tcp://127.0.0.1:1") == 2
    assert "needs distributed" in capsys.readouterr().err
    assert run(*arguments) == 0
    assert content(commands / "new") == {*NAMES, stored_folders.JOURNAL}


class Deadly(WorkerPlugin):
    """End each worker that moves the file of this name."""

    def __init__(self, name):
        self.name = name

    def setup(self, worker):
        # The workers are processes of their own.
        from gapbook.shards import apply

        move = apply.apply_to_one

        def apply_to_one(job, source, out, name):
            if name == self.name:
                os._exit(1)
            return move(job, source, out, name)

        apply.apply_to_one = apply_to_one


@pytest.mark.slow
def test_a_shard_that_ends_every_worker_is_named_and_no_other(folder, tmp_path) -> None:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with connect(workers=2) as client:
        client.register_plugin(Deadly("b.npz"))
        with pytest.raises(PairsError, match=r"^b\.npz: workers died again and again"):
            apply_to_shards(FIX, folder, tmp_path / "out", "x", client)
    assert content(tmp_path / "out") == {*NAMES, stored_folders.JOURNAL} - {"b.npz"}


@contextmanager
def started(folder, *arguments):
    """Start the command on many files in a process group of its own, until the first is moved."""
    shards = folder / "many"
    shards.mkdir()
    rows = np.tile(ROWS, (60, 1)).astype(np.float16)
    for number in range(60):
        np.save(shards / f"{number:02}.npy", rows)
    command = [sys.executable, "-m", "gapbook", "apply", "fix.safetensors", "many"]
    process = subprocess.Popen(
        [*command, "--side", "x", "--out", "new", "--quiet", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not list((folder / "new").glob("*.npy")) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def require_whole(out, n):
    paths = sorted(out.glob("*.npy"))
    assert 0 < len(paths) <= n
    for path in paths:
        assert np.load(path, mmap_mode="r").shape == (60 * len(ROWS), 12)
    return len(paths)


@pytest.mark.slow
def test_a_killed_run_leaves_whole_files_and_goes_on(commands, capsys) -> None:
    with started(commands) as process:
        process.kill()
        process.wait()
        time.sleep(1)
        there = require_whole(commands / "new", 59)
        assert run("fix.safetensors", "many", "--side", "x", "--out", "new") == 0
    printed = capsys.readouterr().out
    assert f"moved into {60 - there} files; {there} were there already: new" in printed
    assert require_whole(commands / "new", 60) == 60
    assert not list((commands / "new").glob(".gapbook-*/"))


@pytest.mark.slow
def test_an_interrupted_run_says_how_it_goes_on(commands) -> None:
    with started(commands) as process:
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert error == "gapbook: interrupted; the same command goes on where this one was stopped\n"
    require_whole(commands / "new", 60)
    assert not list((commands / "new").glob(".gapbook-*/"))


@pytest.mark.slow
def test_a_lost_scheduler_is_one_line_and_whole_files_stay(commands) -> None:
    code = (
        "from distributed import LocalCluster; import time\n"
        "cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, "
        "dashboard_address='127.0.0.1:0', host='127.0.0.1', protocol='tcp://')\n"
        "print(cluster.scheduler_address, flush=True); time.sleep(600)"
    )
    scheduler = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    address = scheduler.stdout.readline().strip()
    with started(commands, "--scheduler", address) as process:
        scheduler.kill()
        scheduler.communicate()
        error = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    assert error.startswith("gapbook: the Dask scheduler was lost before the work was done")
    assert error.count("\n") == 1
    require_whole(commands / "new", 60)
