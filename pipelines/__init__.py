"""From data to a trained model: pipelines around `keras_attention`."""

__all__ = ["AttentionMonitor", "load", "record_alignments"]


def __getattr__(name: str) -> object:
    # TensorFlow is loaded when a run is, not for a look at --help.
    if name == "load":
        from pipelines.run import load

        return load
    if name == "AttentionMonitor":
        from pipelines.tensorboard.attention_monitor import AttentionMonitor

        return AttentionMonitor
    if name == "record_alignments":
        from pipelines.tensorboard.record import record_alignments

        return record_alignments
    raise AttributeError(f"module 'pipelines' has no attribute {name!r}")
