"""From data to a trained model: pipelines around `keras_attention`."""

__all__ = ["load"]


def __getattr__(name: str) -> object:
    # TensorFlow is loaded when a run is, not for a look at --help.
    if name == "load":
        from pipelines.run import load

        return load
    raise AttributeError(f"module 'pipelines' has no attribute {name!r}")
