"""`checkpoint_weights`: weights by name, out of a TensorFlow checkpoint."""

from __future__ import annotations

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
SLOT = "/.OPTIMIZER_SLOT/"
# Where one of these is, there is a wrapper or a mechanism.
LANDMARKS = ("_cell/", "memory_layer/kernel")


def checkpoint_weights(reader, prefix=""):
    """Returns the weights that a checkpoint has below a prefix.

    Args:
        reader: what `tf.train.load_checkpoint(path)` returns.
        prefix: the attributes from the saved object to the wanted layer:
            `"decoder/cell"` for `checkpoint.decoder.cell`. A layer that
            several attributes lead to is saved under the shortest way only.

    Returns:
        A dictionary of NumPy arrays, by names without the prefix. The slots
        of an optimizer are left out.

    Raises:
        ValueError: if there is nothing below the prefix; the message lists
            the prefixes that look like an `AttentionWrapper` or a mechanism.

    Example:

    >>> class Reader:  # in place of TensorFlow's
    ...     weights = {"cell/memory_layer/kernel" + SUFFIX: [[1.0]]}
    ...     def get_variable_to_shape_map(self):
    ...         return {name: [1, 1] for name in self.weights}
    ...     def get_tensor(self, name):
    ...         return self.weights[name]
    >>> checkpoint_weights(Reader(), "cell")
    {'memory_layer/kernel': [[1.0]]}
    """
    names = sorted(
        name.removesuffix(SUFFIX)
        for name in reader.get_variable_to_shape_map()
        if name.endswith(SUFFIX) and SLOT not in name
    )
    start = f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else ""
    weights = {
        name.removeprefix(start): reader.get_tensor(name + SUFFIX)
        for name in names
        if name.startswith(start)
    }
    if not weights:
        likely = sorted(
            {
                name[: name.index(landmark)].rstrip("/")
                for name in names
                for landmark in LANDMARKS
                if landmark in name
            }
        )
        raise ValueError(
            f"The checkpoint has no weights below {prefix!r}. What looks like "
            f"an AttentionWrapper or a mechanism is below {likely}. "
            f"Received: a checkpoint of {len(names)} weights."
        )
    return weights
