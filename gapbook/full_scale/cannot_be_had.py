"""Facts of the paper whose data nobody can be sent to, each with the reason.

The reasons stand in ``data/paper.yml``: where a license must be accepted by hand, and where it is
not stated which data were used.
"""

from gapbook.press.paper import paper_facts

CANNOT_BE_HAD: dict[str, str] = {
    key: fact.cannot_be_had for key, fact in paper_facts().items() if fact.cannot_be_had
}
