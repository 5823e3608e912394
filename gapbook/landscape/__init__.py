"""The contrastive loss, and what becomes of it as one side is moved towards the other."""

from gapbook.landscape.best_temperature import BestTemperature, loss_at_best_temperature
from gapbook.landscape.contrastive import contrastive_loss, loss_of_logits
from gapbook.landscape.loss import DELTAS, best_shift, loss_at_temperatures, loss_landscape
from gapbook.landscape.shifts import shift, shifted_distances
