"""Attention for recurrent encoder-decoders in Keras 3."""

from keras_attention import (
    attention_vectors,
    diagnostics,
    migrate,
    normalizers,
    search,
)
from keras_attention.additive_attention import AdditiveAttention
from keras_attention.attention import Attention
from keras_attention.attention_cell import AttentionCell
from keras_attention.attention_rnn import AttentionRNN
from keras_attention.bridge import Bridge
from keras_attention.encoder_decoder import EncoderDecoder, Memory
from keras_attention.encoders import RecurrentEncoder
from keras_attention.hard_attention import HardAttention
from keras_attention.layer_norm_cells import (
    LayerNormGRUCell,
    LayerNormLSTMCell,
)
from keras_attention.luong_attention import LuongAttention
from keras_attention.reward_mixin import RewardMixin
from keras_attention.scheduled_sampling import ScheduledSampling
from keras_attention.tied_output import TiedOutput

__version__ = "0.1.0"

__all__ = [
    "AdditiveAttention",
    "Attention",
    "AttentionCell",
    "AttentionRNN",
    "Bridge",
    "EncoderDecoder",
    "HardAttention",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LuongAttention",
    "Memory",
    "RecurrentEncoder",
    "RewardMixin",
    "ScheduledSampling",
    "TiedOutput",
    "attention_vectors",
    "diagnostics",
    "migrate",
    "normalizers",
    "search",
]
