"""The one contrastive loss against a hand-written one, at its limits, and its gradients."""

import numpy as np
import pytest
import torch
from helpers import unit

from gapbook.landscape import contrastive_loss, loss_of_logits
from gapbook.landscape.contrastive import DIRECTIONS


def random_logits(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_loss_equals_a_hand_written_one(direction: str) -> None:
    rng = np.random.default_rng(0)
    x = unit(rng.normal(size=(5, 3)))
    y = unit(rng.normal(size=(5, 3)))
    closeness = np.exp(x @ y.T / 0.2)
    rows = -np.log(np.diag(closeness) / closeness.sum(axis=1)).mean()
    columns = -np.log(np.diag(closeness) / closeness.sum(axis=0)).mean()
    expected = {
        "image_to_text": rows,
        "text_to_image": columns,
        "symmetric": (rows + columns) / 2,
    }
    loss = contrastive_loss(x, y, 0.2, direction)
    assert float(loss) == pytest.approx(expected[direction], abs=1e-12)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_arrays_and_tensors_have_the_same_loss(direction: str) -> None:
    x, y = random_logits(2, 6, 3)
    labels = [1, 0, 2, 3, 5, 5]
    loss = contrastive_loss(x.numpy(), y.numpy(), 0.2, direction, labels)
    assert isinstance(loss, np.floating)
    for mixed in (
        contrastive_loss(x, y, 0.2, direction, labels),
        contrastive_loss(x.numpy(), y, 0.2, direction, labels),
        contrastive_loss(
            x.numpy(), y.numpy(), torch.tensor(0.2, dtype=torch.float64), direction, labels
        ),
    ):
        assert isinstance(mixed, torch.Tensor)
        assert float(mixed) == pytest.approx(float(loss), abs=1e-12)


def test_labels_name_the_right_column_of_each_row_and_the_right_row_of_each_column() -> None:
    logits = random_logits(4, 4)
    labels = [1, 0, 3, 3]
    rows = torch.log_softmax(logits, 1)
    columns = torch.log_softmax(logits, 0)
    expected = -sum(rows[i, k] + columns[k, i] for i, k in enumerate(labels)) / 8
    assert float(loss_of_logits(logits, labels=labels)) == pytest.approx(float(expected), abs=1e-12)


def test_many_matrices_have_a_loss_each() -> None:
    logits = random_logits(2, 3, 5, 5)
    losses = loss_of_logits(logits)
    assert losses.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            single = float(loss_of_logits(logits[i, j]))
            assert float(losses[i, j]) == pytest.approx(single, abs=1e-12)
    assert loss_of_logits(torch.zeros(0, 5, 5)).shape == (0,)


def test_limits_are_a_guess_and_certainty() -> None:
    x = torch.eye(8, dtype=torch.float64)
    assert float(contrastive_loss(x, x, 1e9)) == pytest.approx(np.log(8), abs=1e-8)
    # The exact value is log(1 + 7 exp(-100)), far below the rounding of 1.
    assert float(contrastive_loss(x, x, 0.01)) == pytest.approx(0, abs=1e-15)


def test_gradients_are_those_of_the_definition() -> None:
    x, y = (random_logits(2, 6, 3)[i].requires_grad_() for i in (0, 1))
    tau = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(contrastive_loss, (x, y, tau))


def test_bad_input_gets_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"shape \(..., n, n\); got \(2, 3\)"):
        loss_of_logits(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \(..., n, n\); got \(2, 3\)"):
        contrastive_loss(torch.zeros(2, 4), torch.zeros(3, 4), 0.1)
    with pytest.raises(ValueError, match=r"Expected 2 labels from 0 to 1; got \[0, 2\]"):
        loss_of_logits(np.zeros((2, 2)), labels=[0, 2])
    with pytest.raises(ValueError, match="image_to_text, text_to_image, symmetric; got 'both'"):
        loss_of_logits(np.zeros((2, 2)), "both")  # type: ignore[arg-type]
