"""Facts of the paper whose data nobody can be sent to, each with the reason."""

HATEFUL_MEMES = (
    "the licence of HatefulMemes must be accepted by hand, and the authors state neither which "
    "part they used nor how large it is"
)

# The same reasons stand as ``cannot_be_had`` in data/paper.yml.
CANNOT_BE_HAD: dict[str, str] = {
    "table1.HatefulMemes.original": HATEFUL_MEMES,
    "table1.HatefulMemes.modified": HATEFUL_MEMES,
    "table1.HatefulMemes.direction": HATEFUL_MEMES,
}
