"""The sections of a recipe: their keys, defaults, units and limits."""

import dataclasses
from pathlib import Path
from typing import Any

from pipelines.evaluation.measures import TOKENIZERS

# One TSV file, or a file of sources and a file of targets.
Files = str | tuple[str, str]

PACKAGE_PREFIX = "package:"

# The names of keras_attention's pieces, written out: recipes are read without
# importing a backend. A test compares them.
SCORES = (
    "additive",
    "concat",
    "coverage",
    "dot",
    "general",
    "location",
    "location_sensitive",
    "normalized_additive",
    "scaled_dot",
    "scaled_general",
)
WINDOWS = ("causal", "global", "local_m", "local_p")
NORMALIZERS = (
    "gumbel",
    "hardmax",
    "marginal",
    "monotonic",
    "reinforce",
    "softmax",
    "sparsemax",
    "straight_through",
)


def setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declares a key of a recipe.

    Args:
        default: Its value where a recipe does not name it.
        description: What it is, with its unit; shown to users.
        low: Least value allowed.
        below: Values must be less than this.
        choices: The values allowed, for a string.

    Returns:
        A dataclass field.
    """
    metadata = {
        "description": description,
        "low": low,
        "below": below,
        "choices": choices,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class DataRecipe:
    """What to learn from. A file is a TSV, or [sources, targets]."""

    folder: str = setting(
        ".",
        "folder of the files; package:sample is the sample that comes along",
    )
    train: Files = setting("", "training file, or [sources, targets]")
    validation: Files = setting(
        "", "validation file; if empty, split off the training file"
    )
    test: Files = setting(
        "", "test file; if empty, split off the training file"
    )
    source_language: str = setting("source", "its name in plots and reports")
    target_language: str = setting("target", "its name in plots and reports")
    max_source_len: int = setting(
        64, "longer sources are dropped (tokens with the end token)", low=2
    )
    max_target_len: int = setting(
        64, "longer targets are dropped (tokens with the end token)", low=2
    )
    tokenizer: str = setting(
        "sentencepiece",
        "tokens: subwords, characters, or words between white space",
        choices=("sentencepiece", "character", "whitespace"),
    )
    bpe_dropout: float = setting(
        0.0,
        "in training, how many of the merges that make subwords are left out "
        "at random, anew in each epoch (share; such as 0.1)",
        low=0,
        below=1,
    )
    source_vocabulary: int = setting(
        8000, "size of the source vocabulary (tokens)", low=5
    )
    target_vocabulary: int = setting(
        8000, "size of the target vocabulary (tokens)", low=5
    )
    max_train_pairs: int = setting(
        0, "train on the first pairs only (0: on all)", low=0
    )

    stream: bool = setting(
        False,
        "read the training file anew in each epoch, for files larger than "
        "memory; needs validation and test files",
    )
    shuffle_buffer: int = setting(
        20_000, "with data.stream: pairs in memory, to mix", low=1
    )

    def paths(self, split: str) -> Path | tuple[Path, Path] | None:
        """Finds the files of a split.

        Args:
            split: "train", "validation" or "test".

        Returns:
            The path of a TSV file, the paths of two parallel files, or None
            if the recipe names no file. Nothing is said about whether they
            exist.

        Example:

        >>> DataRecipe(folder="data", train=("a.en", "a.de")).paths("train")
        (PosixPath('data/a.en'), PosixPath('data/a.de'))
        """
        files: Files = getattr(self, split)
        if isinstance(files, str):
            return self.beside(files) if files else None
        return self.beside(files[0]), self.beside(files[1])

    def beside(self, name: str) -> Path:
        """Finds a file in the folder of the data.

        Args:
            name: the file's name, or a path of its own.

        Example:

        >>> DataRecipe(folder="data").beside("links.txt")
        PosixPath('data/links.txt')
        """
        if self.folder.startswith(PACKAGE_PREFIX):
            folder = self.folder.removeprefix(PACKAGE_PREFIX)
            return Path(__file__).resolve().parent / folder / name
        return Path(self.folder).expanduser() / Path(name).expanduser()


@dataclasses.dataclass(frozen=True)
class ModelRecipe:
    """The encoder-decoder."""

    architecture: str = setting(
        "recurrent",
        "kind of encoder and decoder",
        choices=("recurrent", "transformer"),
    )
    cell: str = setting(
        "lstm",
        "recurrent cell, with layer normalisation or without",
        choices=("lstm", "gru", "layer_norm_lstm", "layer_norm_gru"),
    )
    units: int = setting(256, "width of each recurrent layer", low=1)
    embedding_dim: int = setting(256, "width of the embeddings", low=1)
    encoder_layers: int = setting(1, "recurrent layers of the encoder", low=1)
    bidirectional: bool = setting(True, "read the source both ways")
    decoder_layers: int = setting(1, "recurrent layers of the decoder", low=1)
    attention: str = setting(
        "additive",
        "how a query is scored against the memory",
        choices=(*SCORES, "hard", "none"),
    )
    window: str = setting("global", "where a query may look", choices=WINDOWS)
    normalizer: str = setting(
        "softmax",
        "how scores become alignments: soft, or a kind of hard attention",
        choices=NORMALIZERS,
    )
    attend: str = setting(
        "before",
        "attend before the step (Bahdanau) or after it (Luong)",
        choices=("before", "after"),
    )
    input_feeding: bool = setting(
        False, "feed the last attention into the next step"
    )
    attention_units: int = setting(
        0, "hidden width of the score (0: as units)", low=0
    )
    output_units: int = setting(
        0, "width of the attentional output layer (0: none)", low=0
    )
    tied_embeddings: bool = setting(
        False,
        "the output layer is the target's embedding, of equal width",
    )
    dropout: float = setting(
        0.2, "share of activations dropped in training", low=0, below=1
    )
    scheduled_sampling: float = setting(
        0.0,
        "in training, how often the decoder reads its own word instead of the "
        "target's (share of the tokens)",
        low=0,
        below=1,
    )
    scheduled_sampling_steps: int = setting(
        0, "batches until that share is reached (0: from the first)", low=0
    )
    num_heads: int = setting(4, "heads of a Transformer's attention", low=1)
    feed_forward_units: int = setting(
        0, "hidden width of a Transformer's layers (0: 4 x units)", low=0
    )


@dataclasses.dataclass(frozen=True)
class TrainingRecipe:
    """How to train."""

    epochs: int = setting(20, "most passes over the training pairs", low=1)
    batch_size: int = setting(64, "pairs a batch", low=1)
    learning_rate: float = setting(1e-3, "highest learning rate", low=1e-9)
    schedule: str = setting(
        "cosine",
        "how the learning rate falls after the warm-up",
        choices=("cosine", "constant", "inverse_sqrt", "plateau"),
    )
    plateau_epochs: int = setting(
        1,
        "plateau: the rate falls after so many epochs without a better "
        "validation perplexity",
        low=1,
    )
    plateau_factor: float = setting(
        0.5, "plateau: what a fall multiplies the rate by", low=0.001, below=1
    )
    warmup_steps: int = setting(
        200, "batches until the highest learning rate", low=0
    )
    clip_norm: float = setting(
        1.0, "longest gradient, over all weights (0: no limit)", low=0
    )
    average: float = setting(
        0.0,
        "keep the moving average of the weights; momentum of a batch, such "
        "as 0.999 (0: keep the weights)",
        low=0,
        below=1,
    )
    average_last: int = setting(
        0,
        "average the weights of the last epochs in the end, and keep that if "
        "it validates better (0: do not)",
        low=0,
    )
    accumulate: int = setting(1, "batches whose gradients make one step", low=1)
    precision: str = setting(
        "float32",
        "numbers to compute in; weights stay float32",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
    )
    label_smoothing: float = setting(
        0.1, "probability spread over the other tokens", low=0, below=1
    )
    r_drop: float = setting(
        0.0,
        "say every pair twice in a batch, and have the two answers agree "
        "whatever dropout leaves out; weight of that, such as 5 (0: once)",
        low=0,
    )
    patience: int = setting(
        5,
        "stop after this many epochs without a better validation perplexity "
        "(0: never)",
        low=0,
    )
    seed: int = setting(
        1, "of splitting, weights and order", low=0, below=2**32
    )
    max_minutes: float = setting(
        0.0, "stop after this many minutes (0: no limit)", low=0
    )
    num_buckets: int = setting(
        4, "most lengths that batches are padded to", low=1
    )
    jit_compile: bool = setting(True, "compile the training step with XLA")
    deterministic: bool = setting(
        False,
        "the same weights bit for bit each time, also after a resumption; "
        "slower, as it trains without XLA",
    )
    save_every_steps: int = setting(
        200, "batches between checkpoints (0: after epochs only)", low=0
    )


@dataclasses.dataclass(frozen=True)
class SearchRecipe:
    """How to translate."""

    beam_size: int = setting(5, "hypotheses kept (1: greedy)", low=1)
    length_penalty: float = setting(
        1.0, "favours long translations the more, the higher", low=0
    )
    coverage_penalty: float = setting(
        0.0,
        "favours translations that attend to all of the source "
        "(0: no such preference)",
        low=0,
    )
    max_length_factor: float = setting(
        2.0, "a translation has at most this times the source's tokens", low=0
    )
    max_length_extra: int = setting(10, "and this many tokens more", low=1)


@dataclasses.dataclass(frozen=True)
class MonitoringRecipe:
    """What TensorBoard shows."""

    tensorboard: bool = setting(True, "write TensorBoard logs")
    images: int = setting(4, "alignment pictures each time", low=0)
    samples: int = setting(8, "sample translations each time", low=0)
    every_epochs: int = setting(1, "epochs between them", low=1)
    sentences: int = setting(
        100,
        "validation sentences translated each time, for BLEU and all the rest",
        low=0,
    )
    tokenize: str = setting(
        "13a",
        "how BLEU splits words, as `evaluate --tokenize` has it (none: the "
        "texts are tokenised already)",
        choices=TOKENIZERS,
    )
    every_steps: int = setting(
        50, "batches between points of loss and gradient norm", low=1
    )
    embeddings: bool = setting(True, "show the embeddings, after the training")
    gold_alignments: str = setting(
        "",
        "file in data.folder with the links between words of the validation "
        "pairs, a line each such as 0-0 1-2 (none: no alignment error rate)",
    )
