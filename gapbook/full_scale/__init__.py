"""The paper's experiments at its own scale: COCO, pretrained CLIP, CIFAR, SVHN, EuroSAT, FairFace.

``make regress PROFILE=full`` fetches data and checkpoints, measures all that they allow, and writes
it to a file with date, hardware, versions and commit. ``python -m gapbook.full_scale facts`` does
so for folders of one's own, and ``python -m gapbook.full_scale finetune`` trains CLIP as
supplementary figure 8 and section 4.4 do. All keep what they did in a folder, and go on from there.
Keys of results are those of facts and curves in ``data/paper.yml``.
"""

from gapbook.full_scale.cannot_be_had import CANNOT_BE_HAD
from gapbook.full_scale.results import Result, read_results
