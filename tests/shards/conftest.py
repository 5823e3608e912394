"""What the tests of shards share: a cluster in this process, and folders of shards."""

import pytest
from distributed import Client


@pytest.fixture(scope="module")
def client():
    """Two workers in this process, which start at once."""
    with Client(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as client:
        yield client
