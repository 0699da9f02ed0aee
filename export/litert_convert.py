"""Converts a SavedModel to LiteRT: `python -m export.litert_convert IN OUT`.

A program of its own, because the converter may end its process.
"""

import os
import sys


def main(arguments: list[str]) -> int:
    """Converts the signature `greedy` of a SavedModel.

    Args:
        arguments: The SavedModel's folder, and the file to write.

    Returns:
        The exit status: 0, or 1 after one line that says what went wrong.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    saved_model, path = arguments
    try:
        converter = tf.lite.TFLiteConverter.from_saved_model(
            saved_model, signature_keys=["greedy"]
        )
        # No Select TF operators: the stock runtime has none.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
        with open(path, "wb") as file:
            file.write(content)
    except Exception as error:  # whatever it is, the caller reports it
        message = " ".join(str(error).split())
        print(f"{type(error).__name__}: {message}", file=sys.stdout)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
