"""What turns the notebooks into the published book and keeps its numbers true."""
