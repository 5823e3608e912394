"""The modality gap in the logs of a Trainer of transformers, at each of its evaluations."""

import warnings
from typing import TYPE_CHECKING, Any

from gapbook.exceptions import PairsError
from gapbook.extras import from_extra
from gapbook.training_metric import GapMetric

with from_extra("models", "GapCallback"):
    import torch
    from transformers import TrainerCallback

if TYPE_CHECKING:
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments


class GapCallback(TrainerCallback):
    """Log the measures of ``GapMetric`` whenever a Trainer evaluates a CLIP-like model.

    Parameters
    ----------
    trainer : transformers.Trainer
        The Trainer whose logs get the values. A callback alone cannot reach them.
    metric : GapMetric, optional
        What measures, for settings of one's own. It is reset at each evaluation.

    Notes
    -----
    At each evaluation the evaluation pairs are embedded once more, so that it takes about twice its
    time. Names begin as those of the evaluation do: ``eval_gap_modality_gap``,
    ``eval_gap_cosine_paired`` and so on, or ``eval_NAME_gap_...`` for one of several sets. ``x`` is
    the image and ``y`` the text. Where the model has a ``logit_scale``, ``eval_gap_tau`` is its
    temperature. The values are also among those that ``Trainer.evaluate`` returns, so that
    ``metric_for_best_model`` can name one. Of several processes, each embeds its share, and every
    pair counts once.

    Embeddings that cannot be measured, such as those of a model that diverged, are a warning, and
    training goes on.

    Examples
    --------
    ``trainer.add_callback(GapCallback(trainer))``, before ``trainer.train()``.
    """

    def __init__(self, trainer: "Trainer", metric: GapMetric | None = None) -> None:
        self.trainer = trainer
        self.metric = metric or GapMetric()

    def on_evaluate(
        self,
        args: "TrainingArguments",
        state: "TrainerState",
        control: "TrainerControl",
        **kwargs: Any,
    ) -> None:
        """Embed the evaluation pairs and log their measures; a Trainer calls it.

        Parameters
        ----------
        args, state, control
            What a Trainer hands to every callback.
        **kwargs
            Among them are ``model``, ``eval_dataloader`` and ``metrics``, the values of the
            evaluation, to which those of the metric are added.

        Raises
        ------
        TypeError
            If the outputs of the model have no ``image_embeds`` and ``text_embeds``.
        """
        metrics = kwargs["metrics"]
        self.metric.reset()
        try:
            self._take_in(kwargs["model"], kwargs["eval_dataloader"])
            values = self.metric.compute()
        except PairsError as error:
            warnings.warn(f"No modality gap at step {state.global_step}: {error}", stacklevel=2)
            return
        prefix = f"{_prefix(metrics)}_gap_"
        named = {f"{prefix}{name}": value for name, value in values.items()}
        metrics.update(named)
        self.trainer.log(named)

    def _take_in(self, model: Any, batches: Any) -> None:
        tau = _temperature(model)
        # A Trainer sets the other mode before it trains on.
        model.eval()
        for batch in batches:
            with torch.no_grad():
                rows = _embeddings(model, model(**batch))
            # It leaves out the pairs that fill up the last batches of several processes.
            x, y = self.trainer.accelerator.gather_for_metrics(rows)
            self.metric.update(x, y, tau)


def _embeddings(model: Any, outputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
    x = getattr(outputs, "image_embeds", None)
    y = getattr(outputs, "text_embeds", None)
    if x is None or y is None:
        raise TypeError(
            "Expected a model whose outputs have image_embeds and text_embeds, as those of "
            f"CLIPModel have; got a {type(model).__name__}"
        )
    return x, y


def _temperature(model: Any) -> float | None:
    """Return the temperature of a model that keeps the logarithm of its inverse."""
    scale = getattr(model, "logit_scale", None)
    if not torch.is_tensor(scale) or scale.numel() != 1:
        return None
    return float(torch.exp(-scale.detach().double()))


def _prefix(metrics: dict[str, float]) -> str:
    """Return how the names of an evaluation begin, of which one is always that of its time."""
    for name in metrics:
        if name.endswith("_runtime"):
            return name.removesuffix("_runtime")
    return "eval"
