"""The command ``embed``: images and captions to a file of pairs, by a model of one's own."""

import argparse

from gapbook.cli.options import (
    Parser,
    add_command,
    add_quiet,
    count,
    input_path,
    name_text,
    output_path,
    shows_progress,
)
from gapbook.exceptions import PairsError
from gapbook.terminal import print_text

EMBED = """Embed a folder of images and a CSV file of captions, and save the pairs.

model:
  a folder, or a name on the hub with --revision, a commit of 40 hexadecimal digits
  transformers            CLIP, SigLIP and others; CLAP embeds a folder of WAV files
  open_clip               a folder with open_clip_config.json and safetensors
  sentence-transformers   a folder with modules.json, of a model that takes images

captions: columns image (audio for CLAP), a file in the folder, and caption, one row a pair; the
          captions of one file are a group, of which any is right

Interrupted (Ctrl-C, a crash, an image that cannot be read), the same command goes on where it was:
batches that are done lie beside the file, in .NAME.journal, until it is written whole. No code that
comes with a model is run.
"""
EXAMPLES = """examples:
  gapbook embed my-clip/ images/ captions.csv --out e.safetensors
  gapbook embed openai/clip-vit-base-patch32 images/ captions.csv --out e.safetensors \\
      --revision 3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268
  gapbook report e.safetensors --out report.html

"""


def add_embed(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``embed``."""
    parser = add_command(commands, "embed", "embed images and captions", EMBED, EXAMPLES)
    parser.set_defaults(
        run=_embed, when_interrupted="the same command goes on where this one was stopped"
    )
    parser.add_argument("model", type=input_path, help="a folder, or a name on the hub")
    parser.add_argument("images", type=input_path, help="the folder of images, or of WAV files")
    parser.add_argument("captions", type=input_path, help="the CSV file")
    parser.add_argument(
        "--out",
        type=output_path((".safetensors", ".npz", ".npy")),
        required=True,
        help="the file of pairs to write",
    )
    parser.add_argument("--revision", type=name_text, help="the commit of a model on the hub")
    parser.add_argument(
        "--library",
        choices=("transformers", "open_clip", "sentence-transformers"),
        help="what reads the model (default: seen from its files)",
    )
    parser.add_argument(
        "--columns",
        nargs=2,
        type=name_text,
        metavar=("FILE", "CAPTION"),
        help="names of the two columns (default: image caption; for CLAP audio caption)",
    )
    parser.add_argument("--batch", type=count, default=64, help="files at once (default: 64)")
    parser.add_argument("--device", type=name_text, default="cpu", help="such as cuda")
    add_quiet(parser)


def _embed(options: argparse.Namespace) -> None:
    """Embed, and say what was written."""
    from tqdm import tqdm

    from gapbook.embed import embed_folder
    from gapbook.encoders.adapters import load_encoder

    _hide_progress_of_transformers()
    try:
        encoder = load_encoder(options.model, options.revision, options.library, options.device)
    except ValueError as error:
        # It words what is wrong with a model in errors of another kind than those of pairs, and
        # names its parameter, which is an option here.
        raise PairsError(str(error).replace("give revision,", "give --revision,")) from error
    with tqdm(unit=" items", disable=not shows_progress(options), leave=False) as bar:
        pairs = embed_folder(
            encoder,
            options.images,
            options.captions,
            options.out,
            columns=options.columns,
            batch=options.batch,
            progress=bar.update,
        )
    n, d = pairs.x.shape
    first, second = pairs.modalities
    print_text(
        f"{n:,} pairs of {first} and {second} in {d} dimensions, of {pairs.source}: {options.out}"
    )


def _hide_progress_of_transformers() -> None:
    """Show one progress bar, that of what is embedded, and none of weights that are read."""
    try:
        from transformers.utils import logging
    except ModuleNotFoundError:
        # Where it is needed, a sentence says so.
        return
    logging.disable_progress_bar()
