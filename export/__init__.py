"""A trained encoder-decoder as a SavedModel or as a LiteRT file.

Nothing is imported here: `export.runtime` also runs where TensorFlow, Keras
and the rest of this package's needs are not installed. Start with
`export.exporters.export_model` (write, verify, put in place) and
`export.runtime.Translator` (run a LiteRT file).
"""
