"""How the learning rate goes over a training."""

import math

import keras
from keras import ops

SCHEDULES = ("constant", "cosine", "inverse_sqrt")


@keras.saving.register_keras_serializable(package="keras_attention.pipelines")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to the highest rate, then falls as its name says.

    - `"constant"`: stays.
    - `"cosine"`: to a hundredth at the end (Loshchilov and Hutter 2017).
    - `"inverse_sqrt"`: with `1 / sqrt(step)` (Vaswani et al. 2017, eq. 3).

    Args:
        name: one of the names above.
        learning_rate: the highest rate.
        warmup_steps: batches until it is reached.
        total_steps: batches of the whole training, for the cosine.

    Example:

    >>> schedule = WarmupSchedule("cosine", 1.0, 10, 110)
    >>> [round(float(schedule(step)), 2) for step in (0, 9, 59, 109)]
    [0.1, 1.0, 0.5, 0.01]
    """

    def __init__(self, name, learning_rate, warmup_steps, total_steps):
        super().__init__()
        if name not in SCHEDULES:
            raise ValueError(
                f"`name` must be one of {SCHEDULES}. Received: name={name!r}."
            )
        self.name = name
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step):
        done = ops.cast(step, "float32") + 1.0
        warmup = float(max(self.warmup_steps, 1))
        rate = ops.minimum(done / warmup, 1.0)
        if self.name == "cosine":
            rest = max(self.total_steps - warmup, 1.0)
            share = ops.clip((done - warmup) / rest, 0.0, 1.0)
            rate = rate * (0.505 + 0.495 * ops.cos(math.pi * share))
        elif self.name == "inverse_sqrt":
            rate = rate * ops.sqrt(warmup / ops.maximum(done, warmup))
        return self.learning_rate * rate

    def get_config(self):
        return {
            "name": self.name,
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
        }
