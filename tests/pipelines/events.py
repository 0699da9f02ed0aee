"""Reading TensorBoard's files back."""

import tensorflow as tf
from tensorflow.core.util import event_pb2


def read(folder):
    """Returns {tag: [(step, value), ...]} of all event files of a folder."""
    found = {}
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = event_pb2.Event.FromString(record.numpy())
            for value in event.summary.value:
                one = (event.step, tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append(one)
    return found


def scalars(folder):
    """Returns {tag: [value, ...]} of what is a number."""
    return {
        tag: [float(value) for _, value in points]
        for tag, points in read(folder).items()
        if points[0][1].ndim == 0 and points[0][1].dtype != object
    }
