"""A Trainer of transformers logs the gap at each evaluation."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_checkpoints import save_checkpoint
from transformers import CLIPModel, Trainer, TrainingArguments

from gapbook.geometry import gap_report
from gapbook.pairs import PairedEmbeddings
from gapbook.training_callback import GapCallback
from gapbook.training_metric import GapMetric


class Pairs(torch.utils.data.Dataset):
    """Random images and random captions of one length."""

    def __init__(self, n, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randn(n, 3, 32, 32, generator=generator)
        self.texts = torch.randint(0, 26, (n, 8), generator=generator)
        self.texts[:, -1] = 53

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"pixel_values": self.images[i], "input_ids": self.texts[i]}


def collate(items):
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    return batch | {"return_loss": True}


def make_trainer(folder, evaluation, **options):
    model = CLIPModel.from_pretrained(save_checkpoint("clip", folder / "model"))
    arguments = TrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=4,
        per_device_train_batch_size=4,
        per_device_eval_batch_size=2,
        learning_rate=1e-2,
        eval_strategy="steps",
        eval_steps=2,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )
    return Trainer(model, arguments, collate, train_dataset=Pairs(16), eval_dataset=evaluation)


def embedded(model, pairs):
    model.eval()
    with torch.no_grad():
        outputs = model(pixel_values=pairs.images, input_ids=pairs.texts)
    return PairedEmbeddings(outputs.image_embeds.numpy(), outputs.text_embeds.numpy())


def test_values_reach_the_logs_at_each_evaluation(tmp_path):
    trainer = make_trainer(tmp_path, Pairs(7, seed=1))
    trainer.add_callback(GapCallback(trainer))
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "eval_gap_modality_gap" in entry]
    assert [entry["step"] for entry in logs] == [2, 4]
    assert logs[0]["eval_gap_modality_gap"] != logs[1]["eval_gap_modality_gap"]
    pairs = embedded(trainer.model, trainer.eval_dataset)
    table = gap_report(pairs, replicates=10).set_index("metric")["value"]
    measures = {name for name in logs[1] if name.startswith("eval_gap_")} - {"eval_gap_tau"}
    assert {"eval_gap_uniformity_x", "eval_gap_effective_rank_y"} <= measures
    for name in measures:
        wanted = table[name.removeprefix("eval_gap_")]
        assert logs[1][name] == pytest.approx(wanted, rel=1e-4, abs=1e-6), name
    tau = float(torch.exp(-trainer.model.logit_scale.detach()))
    assert logs[1]["eval_gap_tau"] == pytest.approx(tau)


def test_evaluate_returns_the_values_of_a_metric_of_other_settings(tmp_path):
    trainer = make_trainer(tmp_path, Pairs(6, seed=1))
    trainer.add_callback(GapCallback(trainer, GapMetric(covariances=False)))
    metrics = trainer.evaluate()
    assert metrics["eval_gap_n_pairs"] == 6
    assert "eval_gap_cka" not in metrics
    assert "eval_loss" in metrics


def test_a_value_can_choose_the_best_model(tmp_path):
    trainer = make_trainer(tmp_path, Pairs(6, seed=1), metric_for_best_model="gap_modality_gap")
    trainer.add_callback(GapCallback(trainer))
    trainer.train()
    assert trainer.state.best_metric > 0


def test_several_sets_have_names_of_their_own(tmp_path):
    trainer = make_trainer(tmp_path, {"near": Pairs(5, seed=1), "far": Pairs(6, seed=2)})
    trainer.add_callback(GapCallback(trainer))
    metrics = trainer.evaluate()
    assert metrics["eval_near_gap_n_pairs"] == 5
    assert metrics["eval_far_gap_n_pairs"] == 6


def test_a_model_that_diverged_is_a_warning(tmp_path):
    trainer = make_trainer(tmp_path, Pairs(4, seed=1))
    trainer.add_callback(GapCallback(trainer))
    with torch.no_grad():
        trainer.model.text_projection.weight.fill_(torch.nan)
    with pytest.warns(UserWarning, match="No modality gap at step 0: "):
        metrics = trainer.evaluate()
    assert not [name for name in metrics if "gap" in name]


def test_a_model_without_two_sides_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, Pairs(4, seed=1))
    callback = GapCallback(trainer)

    class OneSided(torch.nn.Linear):
        def forward(self, rows):
            return {"logits": super().forward(rows)}

    with pytest.raises(TypeError, match=r"have image_embeds and text_embeds.*got a OneSided"):
        callback.on_evaluate(
            None,
            trainer.state,
            None,
            metrics={},
            model=OneSided(2, 2),
            eval_dataloader=[{"rows": torch.ones(3, 2)}],
        )


PROCESS = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_training_callback import GapCallback, Pairs, make_trainer
trainer = make_trainer(Path(sys.argv[2]), Pairs(7, seed=1))
trainer.add_callback(GapCallback(trainer))
print("\\n" + json.dumps([trainer.accelerator.num_processes, trainer.evaluate()]))
"""


def test_two_processes_count_every_pair_once(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = str(Path(__file__).parent)
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = []
    for rank in ("0", "1"):
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", PROCESS, here, str(tmp_path / rank)],
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank},
            )
        )
    try:
        said = [process.communicate(timeout=180)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    trainer = make_trainer(tmp_path, Pairs(7, seed=1))
    trainer.add_callback(GapCallback(trainer))
    wanted = trainer.evaluate()
    for text in said:
        n_processes, metrics = json.loads(text.splitlines()[-1])
        assert n_processes == 2
        assert metrics["eval_gap_n_pairs"] == 7
        for name in wanted:
            if name.startswith("eval_gap_"):
                # Other batches round the embeddings otherwise.
                assert metrics[name] == pytest.approx(wanted[name], rel=1e-4, abs=1e-5), name
