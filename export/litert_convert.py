"""Converts a SavedModel to LiteRT, in a program of its own.

`python -m export.litert_convert SAVED_MODEL FILE QUANTIZE`: the converter may
end its process, which must not be the caller's.
"""

import os
import sys


def main(arguments: list[str]) -> int:
    """Converts all signatures of a SavedModel.

    Args:
        arguments: The SavedModel's folder, the file to write, and a key of
            `export.quantizations.QUANTIZATIONS`.

    Returns:
        The exit status: 0, or 1 after one line that says what went wrong.
    """
    saved_model, path, quantize = arguments
    try:
        content = convert(saved_model, quantize)
        if quantize == "int4":
            from export.quantize_int4 import quantize_int4

            content = quantize_int4(content)
        with open(path, "wb") as file:
            file.write(content)
    except Exception as error:  # whatever it is, the caller reports it
        message = " ".join(str(error).split())
        print(f"{type(error).__name__}: {message}", file=sys.stdout)
        return 1
    return 0


def convert(saved_model: str, quantize: str) -> bytes:
    """Runs TensorFlow's converter, which knows float16 and int8 itself.

    Args:
        saved_model: The folder.
        quantize: As in `main`; `"int4"` is converted to float32.

    Returns:
        The LiteRT model.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model)
    # No Select TF operators: the stock runtime has none.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize in ("float16", "int8"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
